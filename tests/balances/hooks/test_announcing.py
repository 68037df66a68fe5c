"""What is announced, by whom, and that it is in the commit of what it tells of."""

from __future__ import annotations

from typing import Any

import pytest
import simplejson
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from balances import posting
from balances.events.announcing import Event, announce, announce_movements
from balances.ground import exceptions
from balances.people import identities, identity_exceptions
from balances.shapes.transactions import TransactionAnswer
from tests import world
from tests.balances.hooks.cast import HUGE, hook, jobs, moved
from tests.client import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def listened_to(settings: Any) -> None:
    settings.BLNK_WEBHOOK_URL = "http://127.0.0.1:9/hook"


def told(task: str = "deliver_webhook") -> list[Any]:
    return [simplejson.loads(job.args["body"]) for job in jobs(task)]


def names() -> list[str]:
    return [job.args["event"] for job in jobs("deliver_webhook")]


# --- where nobody listens


def test_where_nobody_listens_nothing_is_asked_of_the_database(settings: Any) -> None:
    settings.BLNK_WEBHOOK_URL = ""
    recorded = moved()
    with CaptureQueriesContext(connection) as asked:
        announce([Event("ledger.created", {"ledger_id": "ldg_1"})])
        announce_movements(recorded, hooks=False)
    assert len(asked) == 0


@pytest.mark.usefixtures("listened_to")
def test_nothing_to_tell_is_not_told() -> None:
    waiting = moved("QUEUED")
    with CaptureQueriesContext(connection) as asked:
        announce([])
        announce_movements([], hooks=False)
        announce_movements(waiting, hooks=False)
    assert len(asked) == 0


def test_hooks_that_are_not_active_or_of_another_type_are_not_called() -> None:
    hook(active=False)
    odd = hook(hook_id="odd")
    odd.type = "LATER"
    odd.save()
    announce_movements(moved(), hooks=True)
    assert not jobs()


# --- in one commit


@pytest.mark.usefixtures("listened_to")
def test_what_is_rolled_back_was_never_announced() -> None:
    hook()
    recorded = moved()
    before = jobs().count()
    with pytest.raises(RuntimeError), transaction.atomic():
        posting.open_ledger(name="Wallets")
        announce_movements(recorded, hooks=True)
        assert jobs().count() == before + 3
        raise RuntimeError
    assert jobs().count() == before


@pytest.mark.usefixtures("listened_to")
@pytest.mark.parametrize(
    ("refusal", "write"),
    [
        (exceptions.LedgerNotFound, lambda: posting.rename_ledger(ledger_id="ldg_none", name="x")),
        (exceptions.UnknownLedger, lambda: posting.open_balance(ledger_id="ldg_none", currency="USD")),
        (
            exceptions.IndicatorTaken,
            lambda: posting.open_balance(ledger_id="general_ledger_id", currency="USD", indicator="@taken"),
        ),
        (identity_exceptions.InvalidIdentityId, lambda: identities.register(identity_id="me")),
    ],
)
def test_what_was_refused_is_not_announced(refusal: type[Exception], write: Any) -> None:
    posting.open_balance(ledger_id="general_ledger_id", currency="USD", indicator="@taken")
    before = jobs().count()
    with pytest.raises(refusal):
        write()
    assert jobs().count() == before


# --- what is announced


@pytest.mark.usefixtures("listened_to")
def test_a_ledger_is_announced_when_it_is_opened_and_when_it_is_renamed(api: Client) -> None:
    opened = api.post("/ledgers", {"name": "Wallets", "meta_data": {"b": 1, "a": HUGE}}).body
    renamed = api.put(f"/ledgers/{opened['ledger_id']}", {"name": "Tills"}).body
    assert told() == [{"event": "ledger.created", "data": data} for data in (opened, renamed)]
    assert [job.args["subject"] for job in jobs()] == [opened["ledger_id"]] * 2
    assert list(told()[0]["data"]) == ["created_at", "ledger_id", "meta_data", "name"]


@pytest.mark.usefixtures("listened_to")
def test_a_balance_and_an_identity_are_announced_as_they_were_answered(api: Client) -> None:
    identity = api.post("/identities", {"first_name": "Ada", "dob": "1980-05-01T00:00:00Z"}).body
    ledger = world.ledger()
    body = {"ledger_id": ledger.pk, "currency": "USD", "identity_id": identity["identity_id"]}
    balance = api.post("/balances", body).body
    assert names() == ["identity.created", "ledger.created", "balance.created"]
    first, _, last = told()
    assert first["data"] == identity
    assert last["data"] == balance
    assert [job.args["subject"] for job in jobs()] == [identity["identity_id"], ledger.pk, balance["balance_id"]]


@pytest.mark.usefixtures("listened_to")
@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("APPLIED", "transaction.applied"),
        ("INFLIGHT", "transaction.inflight"),
        ("VOID", "transaction.void"),
        ("REJECTED", "transaction.rejected"),
    ],
)
def test_a_recorded_row_is_announced_once_and_hooks_hear_of_all_but_rejected_ones(status: str, event: str) -> None:
    pre, post = hook(type="PRE_TRANSACTION"), hook()
    (row,) = moved(status)
    before = len(names())
    announce_movements([row], hooks=True)
    assert names()[before:] == [event]
    called = [] if status == "REJECTED" else [pre.pk, post.pk]
    assert [job.args["hook_id"] for job in jobs("call_hook")] == called


@pytest.mark.usefixtures("listened_to")
def test_rows_are_told_exactly_and_as_they_were_recorded() -> None:
    made = hook(retry_count=2, timeout=7)
    metadata = {"inflight": True, "b": HUGE, "a": {"z": 1, "<y>": "\u2028ü"}}
    (movement,) = moved("INFLIGHT", meta_data=metadata)
    movement.sent.skip_queue = True
    row: Any = movement.row
    announce_movements([movement], hooks=True)
    (job,) = jobs("call_hook")
    text = job.args["body"]
    payload = simplejson.loads(text)
    assert list(payload) == ["transaction_id", "hook_type", "timestamp", "data"]
    assert (payload["transaction_id"], payload["hook_type"]) == (row.pk, "POST_TRANSACTION")
    row.skip_queue, row.amount_string = True, str(HUGE // 100)
    shown = TransactionAnswer.body(row)
    assert list(payload["data"]) == list(shown)
    assert payload["data"] == simplejson.loads(simplejson.dumps(shown, use_decimal=True)) | {
        "inflight": True,
        "meta_data": metadata,
    }
    assert payload["data"]["skip_queue"] is True
    assert f'"precise_amount":{HUGE},' in text
    assert '"meta_data":{"a":{"\\u003cy\\u003e":"\\u2028ü","z":1},"b":' + str(HUGE) in text
    assert {name: job.args[name] for name in ("seconds", "retries", "url")} == {
        "seconds": 7,
        "retries": 2,
        "url": made.url,
    }
    webhook = jobs("deliver_webhook").latest("id").args["body"]
    assert simplejson.loads(webhook) == {"event": "transaction.inflight", "data": payload["data"]}
    assert list(simplejson.loads(webhook)["data"]) == sorted(payload["data"])
    assert f'"precise_amount":{HUGE},' in webhook


@pytest.mark.usefixtures("listened_to")
def test_any_number_of_rows_takes_the_same_few_statements() -> None:
    hook()
    hook(type="PRE_TRANSACTION")
    many = moved(count=2)
    many = [many[number % 2] for number in range(1_000)]
    asked = []
    for part in (many[:10], many):
        with CaptureQueriesContext(connection) as queries:
            announce_movements(part, hooks=True)
        asked.append(len(queries))
    assert asked == [2, 2]  # one reads the hooks, one defers
    assert jobs("call_hook").count() == 2 * 1_010
