"""The ledger as tests of the wire see it: four wallets, what is written down, and refusals that write nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from django.db import connection, transaction

from balances.ground.exact_json import loads
from balances.models import TOTALS, Balance, Ledger, Transaction
from balances.models.queue import Entry
from balances.posting.tasks import bulk_create
from balances.queueing import draining
from reconciliation.measuring.measurement import measure_all
from tests import world
from tests.client import Answer, Client

FUNDS = 100_000
"""What Alice has, in minor units; the others have nothing, and Dora gets nothing."""
SOME: dict[str, Any] = {"skip_queue": True, "currency": "USD", "description": "d", "precision": 100}
NOW = {"skip_queue": True}


def wallets() -> None:
    """Open four wallets, ``bln_alice`` and so on, and give Alice her funds."""
    owner = Ledger.objects.create(name="Wallets")
    for name in ("alice", "bob", "carol", "dora"):
        Balance.objects.create(balance_id=f"bln_{name}", ledger=owner, currency="USD")
    world.post("@world", "bln_alice", FUNDS, reference="funds")


def body(reference: str, units: int = 1000, **fields: Any) -> dict[str, Any]:
    """Return what POST /transactions takes: from Alice to Bob, at once. ``None`` takes a field out."""
    given = {"source": "bln_alice", "destination": "bln_bob", "reference": reference, "precise_amount": units}
    return {name: value for name, value in (SOME | given | fields).items() if value is not None}


def queued(reference: str, units: int = 1000, **fields: Any) -> dict[str, Any]:
    """Return the same, for the queue."""
    return body(reference, units, **({"skip_queue": None} | fields))


def create(api: Client, given: dict[str, Any]) -> str:
    """Create a transaction and return its id."""
    answer = api.post("/transactions", given)
    assert answer.status == 201, answer.text
    return str(answer.body["transaction_id"])


def hold(api: Client, reference: str, units: int = 1000, **fields: Any) -> str:
    """Hold something and return its id."""
    return create(api, body(reference, units, inflight=True, **fields))


def settle(api: Client, transaction_id: str, status: str = "commit", units: int | None = None, **fields: Any) -> Answer:
    """Commit or void at once."""
    part = {} if units is None else {"precise_amount": units}
    return api.put(f"/transactions/inflight/{transaction_id}", {"status": status} | NOW | part | fields)


def settled(api: Client, transaction_id: str, status: str = "commit", units: int | None = None, **fields: Any) -> str:
    """Commit or void at once, and return the id of the row."""
    answer = settle(api, transaction_id, status, units, **fields)
    assert answer.status == 200, answer.text
    return str(answer.body["transaction_id"])


def drain() -> int:
    """Apply what is due until nothing is; return how many entries that were."""
    total = 0
    while drained := draining.drain():
        total += drained
    return total


def run_batches(attempts: int = 0) -> None:
    """Do what a worker does with batches that were accepted, as if it had tried some times before."""
    context: Any = SimpleNamespace(job=SimpleNamespace(attempts=attempts))
    with connection.cursor() as cursor:
        cursor.execute("SELECT args FROM procrastinate_jobs WHERE task_name = 'bulk_create' ORDER BY id")
        found = cursor.fetchall()
    for (args,) in found:
        bulk_create(context, **loads(args))


def row(reference: str) -> Transaction:
    return Transaction.objects.get(reference=reference)


def under(parent: str) -> list[tuple[str, int]]:
    """Return status and units of what hangs under an id, oldest first."""
    rows = Transaction.objects.filter(parent_transaction=parent).order_by("created_at", "reference")
    return [(str(each.status), int(each.precise_amount or 0)) for each in rows]


def sums(name: str) -> tuple[int, int, int, int]:
    """Return debit, credit, inflight debit and inflight credit of a balance, as the worked cases list them."""
    found = Balance.objects.get(pk=name)
    return (
        found.debit_balance,
        found.credit_balance,
        found.inflight_debit_balance,
        found.inflight_credit_balance,
    )


def written() -> dict[str, list[Any]]:
    """Return all that is written down: rows, what waits, and totals."""
    return {
        "transactions": list(Transaction.objects.order_by("pk").values()),
        "entries": list(Entry.objects.order_by("pk").values()),
        "balances": list(Balance.objects.order_by("pk").values("balance_id", "version", *TOTALS)),
    }


def assert_no_drift() -> None:
    """Rebuild every balance out of its rows, and compare; both sides of the whole ledger agree."""
    found = list(measure_all(list(Balance.objects.values_list("pk", flat=True))))
    assert found
    assert [each.balance_id for each in found if each.has_drift] == []
    totals = Balance.objects.values(*TOTALS)
    assert sum(each["debit_balance"] for each in totals) == sum(each["credit_balance"] for each in totals)
    held = [(each["inflight_debit_balance"], each["inflight_credit_balance"]) for each in totals]
    assert sum(debit for debit, _ in held) == sum(credit for _, credit in held)
    assert min(side for pair in held for side in pair) >= 0


def assert_refused(
    answer: Answer, status: int, code: str, text: str, *, key: str = "error", details: Any = None, **more: Any
) -> None:
    """Compare the whole body of a refusal, key by key in order.

    Who has a reference that is in use is for ``test_used_references``; here it only has to be said.
    """
    if code == "TXN_DUPLICATE_REFERENCE":
        given = answer.body["error_detail"].get("details", {})
        assert f"reference {given.get('reference', '')}" in text
        said = ("differs", "outcome", "reference", "same_payment", "status", "transaction_id")
        details = (details or {}) | {name: given[name] for name in said if name in given}
    detail: dict[str, Any] = {"code": code, "message": text}
    if details is not None:
        detail["details"] = details
    expected = more | dict(sorted({key: text, "error_detail": detail}.items()))
    assert answer.status == status, answer.text
    assert answer.body == expected
    assert list(answer.body) == list(expected)
    assert list(answer.body["error_detail"]) == list(detail)


def filled(value: Any, ids: dict[str, str]) -> Any:
    """Return a value with each ``<name>`` in its texts replaced by an id."""
    if isinstance(value, str):
        for name, known in ids.items():
            value = value.replace(f"<{name}>", known)
        return value
    if isinstance(value, dict):
        return {key: filled(item, ids) for key, item in value.items()}
    return [filled(item, ids) for item in value] if isinstance(value, list) else value


@contextmanager
def while_locked(balance_id: str) -> Iterator[None]:
    """Hold the lock of a balance on another connection, as a writer would that takes long."""
    held, told = threading.Event(), threading.Event()

    def work() -> None:
        try:
            with transaction.atomic():
                list(Balance.objects.locked([balance_id]))
                held.set()
                told.wait(20)
        finally:
            connection.close()

    writer = threading.Thread(target=work)
    writer.start()
    try:
        assert held.wait(20)
        yield
    finally:
        told.set()
        writer.join(20)
