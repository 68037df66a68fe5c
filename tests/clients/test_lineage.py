"""Whose money it was that was spent, through Blnk's SDKs, unchanged, against a live server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.cast import balance, done, hold, ledger, posting
from tests.clients.sdks import Client

pytestmark = pytest.mark.django_db(transaction=True)


def tracked(blnk: Client, strategy: str = "FIFO") -> str:
    identity = {"identity_type": "individual", "first_name": "Ada", "last_name": "Love"}
    owner = done(blnk.identity.create(identity))["identity_id"]
    return balance(blnk, identity_id=owner, track_fund_lineage=True, allocation_strategy=strategy)


def give(blnk: Client, provider: str, target: str, amount: int, **fields: Any) -> str:
    body = posting(
        f"@{provider}", target, amount, allow_overdraft=True, skip_queue=True,
        meta_data={"BLNK_LINEAGE_PROVIDER": provider}, **fields,
    )  # fmt: skip
    return str(done(blnk.transactions.create(body))["transaction_id"])


def spend(blnk: Client, source: str, amount: int) -> str:
    return str(done(blnk.transactions.create(posting(source, "@shop", amount, skip_queue=True)))["transaction_id"])


def providers(blnk: Client, target: str) -> list[tuple[str, int, int, int]]:
    """Return provider, amount, available and spent of each, after checking their total."""
    told = done(blnk.ledger_balances.get_lineage(target), 200)
    assert told["balance_id"] == target
    assert told["total_with_lineage"] == sum(each["available"] for each in told["providers"])
    assert bool(told["aggregate_balance_id"]) is bool(told["providers"])
    return [(each["provider"], each["amount"], each["available"], each["spent"]) for each in told["providers"]]


def test_only_what_is_tracked_has_a_lineage(blnk: Client) -> None:
    plain = balance(blnk)
    answer = blnk.ledger_balances.get_lineage(plain)
    assert (answer.status, answer.code) == (400, "GEN_BAD_REQUEST")
    assert answer.message == f"balance {plain} does not have fund lineage tracking enabled"
    nobody = blnk.ledger_balances.create({"ledger_id": ledger(blnk), "currency": "USD", "track_fund_lineage": True})
    assert (nobody.status, nobody.code) == (400, "GEN_VALIDATION_ERROR")


def test_a_new_tracked_balance_has_no_providers(blnk: Client) -> None:
    target = tracked(blnk)
    assert done(blnk.ledger_balances.get_lineage(target), 200) == {
        "balance_id": target,
        "total_with_lineage": 0,
        "aggregate_balance_id": "",
        "providers": [],
    }
    assert done(blnk.ledger_balances.get(target), 200)["track_fund_lineage"] is True


@pytest.mark.parametrize(
    ("strategy", "allocated"),
    [
        ("FIFO", [("stripe", 10_000), ("bank", 2_000)]),
        ("LIFO", [("bank", 5_000), ("stripe", 7_000)]),
        ("PROPORTIONAL", [("stripe", 8_000), ("bank", 4_000)]),
    ],
)
def test_what_is_spent_is_allocated_to_who_gave_it(
    blnk: Client, drained: Callable[[], None], strategy: str, allocated: list[tuple[str, int]]
) -> None:
    target = tracked(blnk, strategy)
    first = give(blnk, "stripe", target, 100)
    drained()
    give(blnk, "bank", target, 50)
    drained()
    assert providers(blnk, target) == [("stripe", 10_000, 10_000, 0), ("bank", 5_000, 5_000, 0)]
    shadow = done(blnk.transactions.get_lineage(first), 200)["shadow_transactions"][0]
    assert (shadow["precise_amount"], shadow["status"]) == (10_000, "APPLIED")
    assert shadow["description"] == "Shadow credit from stripe"
    kept = {"_shadow_for": first, "_provider": "stripe", "_lineage_type": "credit", "_main_balance": target}
    assert kept.items() <= shadow["meta_data"].items()

    spent = spend(blnk, target, 120)
    drained()
    told = done(blnk.transactions.get_lineage(spent), 200)
    assert told["transaction_id"] == spent
    given = [{"amount": amount, "provider": provider} for provider, amount in allocated]
    assert sorted(told["fund_allocation"], key=str) == sorted(given, key=str)
    assert done(blnk.transactions.get(spent), 200)["meta_data"]["BLNK_FUND_ALLOCATION"] == told["fund_allocation"]
    released = {row["meta_data"]["_provider"]: row["precise_amount"] for row in told["shadow_transactions"]}
    assert released == dict(allocated)
    of = dict(allocated)
    assert providers(blnk, target) == [
        ("stripe", 10_000, 10_000 - of["stripe"], of["stripe"]),
        ("bank", 5_000, 5_000 - of["bank"], of["bank"]),
    ]


@pytest.mark.parametrize(("status", "spent"), [("commit", 3_000), ("void", 0)])
def test_shadows_of_a_hold_are_settled_with_it(
    blnk: Client, drained: Callable[[], None], status: str, spent: int
) -> None:
    target = tracked(blnk)
    give(blnk, "stripe", target, 100)
    drained()
    held = hold(blnk, target, "@shop", 30)
    drained()
    (shadow,) = done(blnk.transactions.get_lineage(held), 200)["shadow_transactions"]
    assert (shadow["status"], shadow["precise_amount"]) == ("INFLIGHT", 3_000)
    assert providers(blnk, target) == [("stripe", 10_000, 10_000, 0)]
    done(blnk.transactions.update_status(held, {"status": status, "skip_queue": True}), 200)
    drained()
    assert providers(blnk, target) == [("stripe", 10_000, 10_000 - spent, spent)]


def test_what_has_no_lineage_answers_so(blnk: Client, drained: Callable[[], None]) -> None:
    plain = give(blnk, "stripe", balance(blnk), 5)
    drained()
    assert done(blnk.transactions.get_lineage(plain), 200) == {"transaction_id": plain, "shadow_transactions": None}
