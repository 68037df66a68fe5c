"""POST /transactions/bulk: every refusal and what it leaves, then batches."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection

from balances.ground.exact_json import loads
from balances.models import Balance, Transaction
from balances.posting import tasks
from tests.client import Answer, Client
from tests.wire import (
    NOW,
    assert_no_drift,
    assert_refused,
    body,
    create,
    drain,
    queued,
    row,
    run_batches,
    settle,
    sums,
    under,
    wallets,
    written,
)

pytestmark = pytest.mark.django_db

INDEXED = "transactions[1]: reference: cannot be blank."
FUNDS = "failed to apply transaction to balances: insufficient funds in source balance"


@pytest.fixture
def ledger(api: Client) -> Client:
    wallets()
    return api


def bulk(api: Client, *items: Any, **options: Any) -> Answer:
    return api.post("/transactions/bulk", {"transactions": list(items)} | options)


def recorded(api: Client, *items: Any, **options: Any) -> str:
    """Record a batch and return its id."""
    answer = bulk(api, *items, **options)
    assert answer.status in (201, 202), answer.text
    return str(answer.body["batch_id"])


@pytest.mark.parametrize(
    ("given", "status", "code", "key", "text", "details"),
    [
        ({}, 400, "TXN_BULK_EMPTY", "error", "transactions cannot be empty", None),
        ({"transactions": []}, 400, "TXN_BULK_EMPTY", "error", "transactions cannot be empty", None),
        ({"transactions": None}, 400, "TXN_BULK_EMPTY", "error", "transactions cannot be empty", None),
        (
            {"transactions": [None] * 10_001},
            400, "TXN_BULK_LIMIT_EXCEEDED", "error", "too many transactions; max is 10000", None,
        ),
        (
            {"transactions": [body("a"), None, {}]},
            400, "TXN_VALIDATION_ERROR", "errors", "transactions[1] is required", {"index": 1},
        ),
        (
            {"transactions": [body("a"), body(""), {}]},
            400, "TXN_VALIDATION_ERROR", "errors", INDEXED, {"index": 1},
        ),
        (
            {"transactions": [body("a"), body(""), {}], "run_async": True},
            400, "TXN_VALIDATION_ERROR", "errors", INDEXED, {"index": 1},
        ),
        (
            {"transactions": [body("a", 0, amount=1)]},
            400, "TXN_VALIDATION_ERROR", "errors",
            "transactions[0]: amount: either amount or precise_amount should be provided, not both.", {"index": 0},
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("skip_queue", [True, False], ids=["at once", "queued"])
def test_a_batch_that_cannot_be_is_refused_whole(
    ledger: Client, given: Any, status: int, code: str, key: str, text: str, details: Any, skip_queue: bool
) -> None:
    before = written()
    answer = ledger.post("/transactions/bulk", given | {"skip_queue": skip_queue})
    assert_refused(answer, status, code, text, key=key, details=details)
    assert written() == before


def test_ten_thousand_items_are_not_too_many(ledger: Client) -> None:
    answer = ledger.post("/transactions/bulk", {"transactions": [None] * 10_000})
    assert answer.body["errors"] == "transactions[0] is required"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "EOF"),
        (b'{"transactions":[', "unexpected EOF"),
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b"[]", "json: cannot unmarshal array into Go value of type model.BulkTransactionRequest"),
        (
            b'{"transactions":[5]}',
            "json: cannot unmarshal number into Go struct field BulkTransactionRequest.transactions of type "
            "model.RecordTransaction",
        ),
        (
            b'{"transactions":[{"amount":"5"}]}',
            "json: cannot unmarshal string into Go struct field RecordTransaction.transactions.amount of type float64",
        ),
        (
            b'{"transactions":[{"sources":[{"identifier":5}]}]}',
            "json: cannot unmarshal number into Go struct field Distribution.transactions.sources.identifier "
            "of type string",
        ),
        (b'{"transactions":[{"precise_amount":"5"}]}', 'math/big: cannot unmarshal "\\"5\\"" into a *big.Int'),
        (b'{"transactions":[{"precise_amount":1.5}]}', 'math/big: cannot unmarshal "1.5" into a *big.Int'),
        (
            b'{"atomic":"yes"}',
            "json: cannot unmarshal string into Go struct field BulkTransactionRequest.atomic of type bool",
        ),
    ],
)
def test_what_cannot_be_read_is_told_as_plain_text_that_is_json(ledger: Client, raw: bytes, text: str) -> None:
    before = written()
    answer = ledger.post("/transactions/bulk", raw)
    assert_refused(answer, 400, "GEN_MALFORMED_REQUEST", f"Invalid request body: {text}")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert written() == before


BAD: list[tuple[dict[str, Any], int, str, str]] = [
    ({"source": "bln_dora"}, 400, "TXN_INSUFFICIENT_FUNDS", FUNDS),
    ({"reference": "a"}, 409, "TXN_DUPLICATE_REFERENCE",
     "transaction validation failed: reference a has already been used"),
    ({"reference": "funds"}, 409, "TXN_DUPLICATE_REFERENCE",
     "transaction validation failed: reference funds has already been used"),
    ({"source": "bln_nobody"}, 404, "TXN_NOT_FOUND",
     "failed to get source and destination balances: NOT_FOUND: Balance with ID 'bln_nobody' not found"),
    ({"precise_amount": 0}, 400, "GEN_BAD_REQUEST",
     "failed to apply transaction to balances: transaction precise amount must be positive"),
    ({"source": "bln_dora", "overdraft_limit": 1}, 400, "GEN_BAD_REQUEST",
     "failed to apply transaction to balances: transaction exceeds overdraft limit"),
    ({"destination": None, "destinations": [{"identifier": "bln_bob", "distribution": "x"}]}, 400, "GEN_BAD_REQUEST",
     "failed to split transaction: invalid fixed amount format"),
    ({"destination": None, "destinations": [{"identifier": "bln_bob", "distribution": "0%"},
                                            {"identifier": "bln_carol", "distribution": "left"}]},
     400, "GEN_BAD_REQUEST", "failed to record split transaction 0: failed to apply transaction to balances: "
     "transaction precise amount must be positive"),
    ({"source": None, "sources": [{"identifier": "bln_dora", "distribution": "left"}]},
     400, "TXN_INSUFFICIENT_FUNDS", f"failed to record split transaction 0: {FUNDS}"),
]  # fmt: skip
NEVER = [each for each in BAD if "insufficient funds" not in each[3] and "overdraft limit" not in each[3]]
"""What is refused before a worker decides it."""
LEFT_OUT = [
    (change, "TXN_VALIDATION_ERROR" if code == "GEN_BAD_REQUEST" else code, why.rpartition("NOT_FOUND: ")[2])
    for change, _, code, why in NEVER
    if "failed to split" not in why
]
LEFT_OUT += [
    ({"precise_amount": None, "amount": amount}, "TXN_INVALID_AMOUNT",
     f"{amount} at precision 100 is no whole number of minor units; {units} would be")
    for amount, units in ((0.004, "0.01"), (12.555, "12.55 or 12.56"))
]  # fmt: skip
"""What a queued batch goes on without, with the code and the text of the single call."""
OUTCOMES = {
    (False, False): "Previous transactions were not rolled back.",
    (False, True): "Previous transactions were not rolled back.",
    (True, False): "All transactions in this batch have been refunded.",
    (True, True): "All transactions in this batch have been voided.",
}
"""The last sentence, by ``atomic`` and ``inflight``."""


@pytest.mark.parametrize(("atomic", "inflight"), OUTCOMES)
@pytest.mark.parametrize(("change", "status", "code", "why"), BAD)
def test_the_first_item_that_is_refused_ends_the_batch(
    ledger: Client, change: Any, status: int, code: str, why: str, atomic: bool, inflight: bool
) -> None:
    refuse_second(ledger, change, status, code, why, atomic=atomic, inflight=inflight, skip_queue=True)


@pytest.mark.parametrize(("change", "status", "code", "why"), NEVER)
def test_what_can_never_be_applied_ends_an_atomic_queued_batch(
    ledger: Client, change: Any, status: int, code: str, why: str
) -> None:
    refuse_second(ledger, change, status, code, why, atomic=True, inflight=False, skip_queue=False)


def test_an_amount_that_cannot_be_divided_ends_a_queued_batch_and_what_was_left_out_before_is_named(
    ledger: Client,
) -> None:
    change, status, code, why = next(each for each in BAD if "failed to split" in each[3])
    refuse_second(ledger, change, status, code, why, atomic=False, inflight=False, skip_queue=False)
    undivided = {name: value for name, value in (body("z") | change).items() if value is not None}
    answer = bulk(ledger, body("a"), body("y"), undivided)
    details = answer.body["error_detail"]["details"]
    assert [each["index"] for each in details["results"]] == [0]
    assert row("y").status == "QUEUED"


@pytest.mark.parametrize("inflight", [False, True])
@pytest.mark.parametrize("run_async", [False, True])
@pytest.mark.parametrize(("change", "code", "why"), LEFT_OUT)
def test_a_queued_batch_goes_on_without_what_can_never_be_applied(
    ledger: Client, settings: Any, change: Any, code: str, why: str, run_async: bool, inflight: bool
) -> None:
    settings.BLNK_WEBHOOK_URL = "https://listener.example/blnk"
    second = {name: value for name, value in (body("b", source="@new") | change).items() if value is not None}
    items, options = [body("a"), second, body("c")], {"inflight": inflight, "run_async": run_async}
    previewed = bulk(ledger, *items, **options, dry_run=True).body
    assert [each["would_apply"] for each in previewed["results"]] == [True, False, True]
    rejection = previewed["results"][1]["rejection"]
    assert why.endswith(rejection["message"])
    answer = bulk(ledger, *items, **options)
    assert answer.status == (202 if run_async else 201)
    told = answer.body
    if run_async:
        run_batches()
        told = announced(f"bulk_transaction.{'inflight' if inflight else 'applied'}")
        del told["timestamp"]
    assert ("details" in told["results"][0]) is (code == "TXN_DUPLICATE_REFERENCE")
    told["results"][0].pop("details", None)  # see test_used_references
    refused = {"index": 1, "reference": second["reference"], "status": "failed", "code": code, "message": why}
    assert told == {
        "batch_id": answer.body["batch_id"],
        "status": "inflight" if inflight else "applied",
        "transaction_count": 3,
        "failed": 1,
        "results": [refused],
    }
    drain()
    assert [row(f"{reference}_q").status for reference in "ac"] == ["INFLIGHT" if inflight else "APPLIED"] * 2
    assert Transaction.objects.exclude(reference="funds").count() == 4
    assert not Balance.objects.filter(indicator="@new").exists()
    assert_no_drift()


def announced(event: str) -> dict[str, Any]:
    """Return the data of the newest webhook of an event."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT args->>'body' FROM procrastinate_jobs WHERE args->>'event' = %s ORDER BY id DESC LIMIT 1", [event]
        )
        data: dict[str, Any] = loads(cursor.fetchone()[0])["data"]
    return data


def test_a_batch_that_is_sent_again_gets_through(ledger: Client) -> None:
    items = [body("a"), body("funds"), body("c")]
    assert [each["index"] for each in bulk(ledger, *items).body["results"]] == [1]
    again = bulk(ledger, *items, body("d"))
    assert (again.status, again.body["failed"], again.body["transaction_count"]) == (201, 3, 4)
    drain()
    assert sums("bln_alice") == (3000, 100_000, 0, 0)
    assert_no_drift()


def test_a_batch_that_was_recorded_whole_can_be_sent_again_and_leaves_nothing(ledger: Client) -> None:
    items = [body("a", destination="@new"), body("b")]
    recorded(ledger, *items)
    before = written()
    for again in (items, [body("a", destination="@newer"), body("b", source="bln_nobody")]):
        answer = bulk(ledger, *again)
        assert (answer.status, answer.body["status"]) == (201, "applied")
        assert [each["code"] for each in answer.body["results"]] == ["TXN_DUPLICATE_REFERENCE"] * 2
        assert written() == before


def test_the_first_of_equal_references_in_a_queued_batch_is_stored_unless_it_is_refused(ledger: Client) -> None:
    items = [body("a", source="bln_nobody"), body("a", 2000), body("a", 3000), body("a_q", 4000)]
    previewed = bulk(ledger, *items, dry_run=True).body["results"]
    assert [each["would_apply"] for each in previewed] == [False, True, False, False]
    answer = bulk(ledger, *items)
    assert [each["index"] for each in answer.body["results"]] == [0, 2, 3]
    drain()
    assert sums("bln_alice")[0] == 2000
    assert_no_drift()


@pytest.mark.parametrize("options", [{"skip_queue": True}, {"atomic": True}, {"skip_queue": True, "atomic": True}])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_fraction_of_a_minor_unit_in_one_item_refuses_a_batch_that_does_not_go_on(
    ledger: Client, options: Any, dry_run: bool
) -> None:
    before = written()
    bad = {name: value for name, value in body("b", amount=0.004).items() if name != "precise_amount"}
    text = "transactions[1]: amount: 0.004 at precision 100 is no whole number of minor units; 0.01 would be."
    answer = bulk(ledger, body("a"), bad, body("c"), dry_run=dry_run, **options)
    assert_refused(answer, 400, "TXN_VALIDATION_ERROR", text, key="errors", details={"index": 1})
    assert written() == before


def test_legs_of_a_split_that_a_queued_batch_leaves_out_are_left_out_together(ledger: Client) -> None:
    parts = [{"identifier": "bln_bob", "distribution": "60%"}, {"identifier": "bln_nobody", "distribution": "left"}]
    split = {name: value for name, value in body("s").items() if name != "destination"} | {"destinations": parts}
    answer = bulk(ledger, split, body("s_1"))
    assert [(each["index"], each["code"]) for each in answer.body["results"]] == [(0, "TXN_NOT_FOUND")]
    assert row("s_1").precise_amount == 1000


def test_an_atomic_item_that_is_rejected_undoes_nothing_of_a_batch_that_is_not_atomic(ledger: Client) -> None:
    recorded(ledger, body("a"), body("b", source="bln_dora", atomic=True), body("c"), inflight=True)
    drain()
    assert [row(f"{each}_q").status for each in "abc"] == ["INFLIGHT", "REJECTED", "INFLIGHT"]
    assert sums("bln_alice")[2:] == (2000, 0)
    assert_no_drift()


@pytest.mark.parametrize("run_async", [False, True])
def test_a_leg_with_one_balance_on_both_sides_is_left_out_of_a_queued_batch_with_its_split(
    ledger: Client, run_async: bool
) -> None:
    """In the original it is applied: both totals of the balance grow."""
    create(ledger, body("shop", destination="@shop"))
    shop = str(row("shop").destination_id)
    parts = [{"identifier": shop, "distribution": "60%"}, {"identifier": "@hotel", "distribution": "left"}]
    split = {name: value for name, value in body("s").items() if name != "destination"} | {"destinations": parts}
    items = [body("a"), split | {"source": "@shop", "allow_overdraft": True}, body("c")]
    answer = bulk(ledger, *items, run_async=run_async)
    if not run_async:
        assert [(each["index"], each["code"]) for each in answer.body["results"]] == [(1, "GEN_CONFLICT")]
    assert bulk(ledger, *items, skip_queue=True, dry_run=True).body["results"][1]["would_apply"] is False
    run_batches()
    drain()
    assert {each.reference for each in Transaction.objects.all()} == {"funds", "shop", "a", "a_q", "c", "c_q"}
    assert_no_drift()


@pytest.mark.parametrize("options", [{}, {"skip_queue": True}, {"atomic": True}, {"skip_queue": True, "atomic": True}])
def test_the_dry_run_of_a_batch_says_of_shares_that_make_no_sense_what_it_says_of_one_posting(
    ledger: Client, options: dict[str, bool]
) -> None:
    parts = [{"identifier": "bln_bob", "distribution": "x"}, {"identifier": "bln_carol", "distribution": "left"}]
    split = {name: value for name, value in body("s").items() if name != "destination"} | {"destinations": parts}
    text = "failed to split transaction: invalid fixed amount format"
    for answer in (
        bulk(ledger, split, dry_run=True, **options),
        ledger.post("/transactions", split | {"dry_run": True}),
    ):
        assert_refused(answer, 400, "TXN_VALIDATION_ERROR", text)


def test_a_batch_at_once_that_is_refused_creates_no_balance_for_what_it_does_not_record(ledger: Client) -> None:
    items = [body("a", destination="@first"), body("b", source="bln_dora", destination="@second"), body("c")]
    assert bulk(ledger, *items, skip_queue=True).status == 400
    assert set(Balance.objects.exclude(indicator=None).values_list("indicator", flat=True)) == {"@world", "@first"}


def refuse_second(
    api: Client, change: dict[str, Any], status: int, code: str, why: str, *, atomic: bool, inflight: bool,
    skip_queue: bool,
) -> None:  # fmt: skip
    """Send three items, the second bad: the first stays unless the batch is atomic, the third never comes."""
    before = written()
    second = {name: value for name, value in (body("b") | change).items() if value is not None}
    options = {"atomic": atomic, "inflight": inflight, "skip_queue": skip_queue}
    answer = bulk(api, body("a"), second, body("c"), **options)
    batch_id = answer.body.get("batch_id", "none")
    units = second["precise_amount"]
    text = (
        f"failed to queue transaction 2 (Reference: {second['reference']}, Source: {second.get('source', '')}, "
        f"Destination: {second.get('destination', '')}, Amount: {units / 100:.2f}): {why}. {OUTCOMES[atomic, inflight]}"
    )
    assert_refused(answer, status, code, text, details={"batch_id": batch_id}, batch_id=batch_id)
    if atomic:
        assert written() == before
        return
    expected = "QUEUED" if not skip_queue else "INFLIGHT" if inflight else "APPLIED"
    assert under(batch_id) == [(expected, 1000)]
    assert Transaction.objects.exclude(reference="funds").count() == 1
    drain()
    assert sums("bln_alice")[2 if inflight else 0] == 1000
    assert_no_drift()


def test_a_hundred_batches_in_the_background_are_enough(ledger: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "MOST_BATCHES", 2)
    for name in ("a", "b"):
        assert bulk(ledger, body(name), run_async=True).status == 202
    answer = bulk(ledger, body("c"), run_async=True)
    text = "too many async bulk operations in progress, try again later"
    assert_refused(answer, 429, "GEN_RATE_LIMITED", text)
    assert jobs("bulk_create") == 2


def jobs(task: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s", [task])
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("inflight", [False, True])
@pytest.mark.parametrize("skip_queue", [False, True])
def test_a_batch_is_answered_in_three_words_and_its_rows_hang_under_it(
    ledger: Client, inflight: bool, skip_queue: bool
) -> None:
    answer = bulk(ledger, body("a", 500), body("b", 700), inflight=inflight, skip_queue=skip_queue)
    assert answer.status == 201
    batch_id = answer.body["batch_id"]
    assert batch_id.startswith("bulk_")
    expected = "inflight" if inflight else "applied"
    assert list(answer.body.items()) == [("batch_id", batch_id), ("status", expected), ("transaction_count", 2)]
    final = "INFLIGHT" if inflight else "APPLIED"
    assert under(batch_id) == [(final if skip_queue else "QUEUED", units) for units in (500, 700)]
    for number, reference in enumerate(("a", "b"), start=1):
        meta = dict(row(reference).meta_data or {})
        assert meta.pop("inflight", False) is inflight
        assert meta.pop("sequence") == number
        assert meta.pop("QUEUED_PARENT_TRANSACTION", None) == (None if skip_queue else batch_id)
        assert meta == {}
    drain()
    if not skip_queue:
        for reference in ("a", "b"):
            outcome = row(f"{reference}_q")
            assert (outcome.status, outcome.parent_transaction) == (final, row(reference).pk)
            assert (outcome.meta_data or {})["QUEUED_PARENT_TRANSACTION"] == batch_id
    assert sums("bln_alice") == ((0, 100_000, 1200, 0) if inflight else (1200, 100_000, 0, 0))
    assert_no_drift()
    assert ledger.get(f"/transactions/{batch_id}").status == 404


def test_what_the_batch_says_replaces_what_its_items_say(ledger: Client) -> None:
    recorded(ledger, body("a", inflight=False), body("b", skip_queue=True))
    assert (row("a").status, row("b").status) == ("QUEUED", "QUEUED")
    recorded(ledger, queued("c"), queued("d"), skip_queue=True, inflight=True)
    assert (row("c").status, row("d").status) == ("INFLIGHT", "INFLIGHT")
    drain()
    assert row("a_q").status == "APPLIED"


def test_split_items_hang_under_their_batch(ledger: Client) -> None:
    """In the original legs that are applied at once hang under the item's id, where no rollback finds them."""
    parts = [{"identifier": "bln_bob", "distribution": "60%"}, {"identifier": "bln_carol", "distribution": "left"}]
    split = {name: value for name, value in body("s").items() if name != "destination"} | {"destinations": parts}
    for skip_queue, dash in ((True, "-"), (False, "_")):
        given = split | {"reference": f"s{dash}"}
        batch_id = recorded(ledger, body(f"a{dash}"), given, skip_queue=skip_queue)
        assert [units for _, units in under(batch_id)] == [1000, 600, 400]
        assert row(f"s{dash}{dash}1").parent_transaction == batch_id
        assert (row(f"s{dash}{dash}2").meta_data or {})["sequence"] == 2


def test_an_unfunded_queued_batch_is_applied_by_word_and_rejected_by_row(ledger: Client) -> None:
    answer = bulk(ledger, body("a", source="@FundingPool"), body("b"), atomic=True)
    assert (answer.status, answer.body["status"], answer.body["transaction_count"]) == (201, "applied", 2)
    drain()
    assert (row("a_q").status, row("b_q").status) == ("REJECTED", "REJECTED")
    assert (row("b_q").meta_data or {})["blnk_rejection_reason"].startswith("not applied, because a_q of the same")
    assert_no_drift()


@pytest.mark.parametrize("skip_queue", [False, True])
def test_a_batch_in_the_background_is_answered_first_and_recorded_once(ledger: Client, skip_queue: bool) -> None:
    before = written()
    given = body("a", 2**70, precision=10**18, allow_overdraft=True, effective_date="2026-01-02T03:04:05.25+02:00")
    answer = bulk(ledger, given, body("b", allow_overdraft=True), run_async=True, skip_queue=skip_queue)
    batch_id = answer.body["batch_id"]
    assert answer.status == 202
    assert list(answer.body.items()) == [
        ("batch_id", batch_id),
        ("message", "Bulk transaction processing started"),
        ("status", "processing"),
    ]
    assert written() == before
    for _ in range(2):  # as when a worker was killed after its commit
        run_batches()
    assert sorted(units for _, units in under(batch_id)) == [1000, 2**70]
    drain()
    assert sums("bln_bob") == (0, 1000 + 2**70, 0, 0)
    assert str(row("a").effective_date) == "2026-01-02 01:04:05.250000+00:00"


def test_a_batch_in_the_background_that_fails_leaves_what_a_batch_in_front_would(ledger: Client) -> None:
    bulk(ledger, body("a"), body("b", source="bln_dora"), body("c"), run_async=True, skip_queue=True)
    bulk(ledger, body("d"), body("e", source="bln_dora"), run_async=True, skip_queue=True, atomic=True)
    run_batches()
    references = set(Transaction.objects.values_list("reference", flat=True))
    assert references == {"funds", "a"}
    assert_no_drift()


@pytest.mark.parametrize("skip_queue", [False, True])
def test_a_batch_in_the_background_takes_amounts_with_and_without_a_fraction(ledger: Client, skip_queue: bool) -> None:
    amounts = [1193, 39.23, 5.0]
    items: list[Any] = [body("units", 27)]
    items += [body(f"a{n}", amount=amount, overdraft_limit=10_000 + n / 2) for n, amount in enumerate(amounts)]
    given = [{name: value for name, value in item.items() if name != "precise_amount"} for item in items[1:]]
    recorded(ledger, items[0], *given, run_async=True, skip_queue=skip_queue, inflight=True)
    run_batches()
    drain()
    rows = Transaction.objects.filter(status="INFLIGHT")
    assert sorted(row.precise_amount or 0 for row in rows) == [27, 500, 3923, 119_300]
    assert_no_drift()


def test_a_batch_in_the_background_that_the_database_refuses_is_tried_again_and_then_told_of(
    ledger: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BLNK_WEBHOOK_URL = "https://listener.example/blnk"
    batch_id = recorded(ledger, body("a"), run_async=True)
    with monkeypatch.context() as broken:
        broken.setattr(tasks, "post_batch_in_background", broken_database)
        for attempts in (0, tasks.MOST_RETRIES):
            assert jobs("deliver_webhook") == 0
            with pytest.raises(DatabaseError):
                run_batches(attempts)
    told = announced("bulk_transaction.failed")
    assert (told["batch_id"], told["error"]) == (batch_id, "internal server error")
    run_batches(1)
    assert announced("bulk_transaction.applied")["batch_id"] == batch_id


def broken_database(batch: Any) -> None:
    raise DatabaseError("the disk is full")


def test_metadata_and_dates_of_items_are_kept(ledger: Client) -> None:
    recorded(ledger, body("a", meta_data={"n": 10**25, "BLNK": [1]}), body("b", scheduled_for="2030-01-01T00:00:00Z"))
    assert (row("a").meta_data or {})["n"] == 10**25
    assert str(row("b").scheduled_for) == "2030-01-01 00:00:00+00:00"
    assert row("b").status == "SCHEDULED"


@pytest.mark.parametrize("skip_queue", [False, True])
def test_the_last_item_of_a_batch_is_settled_and_given_back_first(ledger: Client, skip_queue: bool) -> None:
    """As in the original, whose items are of one instant each; the answer is the row of the first one."""
    for inflight in (True, False):
        items = [body(f"{inflight}{name}", units) for units, name in enumerate(("zz", "x", "y"), start=1)]
        batch_id = recorded(ledger, *items, inflight=inflight, skip_queue=skip_queue)
        drain()
        answer = settle(ledger, batch_id) if inflight else ledger.post(f"/refund-transaction/{batch_id}", NOW)
        assert answer.body["precise_amount"] == 3


@pytest.mark.parametrize("inflight", [False, True])
@pytest.mark.parametrize("skip_queue", [False, True])
def test_a_refund_by_the_id_of_a_batch_or_a_split_reaches_all_that_was_applied_under_it(
    ledger: Client, skip_queue: bool, inflight: bool
) -> None:
    """In the original it finds neither commits of holds made at once nor legs of splits applied at once in a batch."""
    parts = [{"identifier": "bln_bob", "distribution": "60%"}, {"identifier": "bln_carol", "distribution": "left"}]
    given = {"skip_queue": skip_queue, "inflight": inflight}
    split = {name: value for name, value in body("s").items() if name != "destination"} | {"destinations": parts}
    split_id = create(ledger, split | given | {"reference": "alone"})
    batch_id = recorded(ledger, body("a"), split, **given)
    drain()
    for transaction_id, count in ((batch_id, 3), (split_id, 2)):
        if inflight:
            assert settle(ledger, transaction_id).status == 200
        before = Transaction.objects.count()
        assert ledger.post(f"/refund-transaction/{transaction_id}", {"skip_queue": True}).status == 201
        assert Transaction.objects.count() == before + count
        again = ledger.post(f"/refund-transaction/{transaction_id}", {"skip_queue": True})
        assert (again.status, again.body["error_detail"]["code"]) == (409, "GEN_CONFLICT")
    assert sums("bln_alice") == (3000, 103_000, 0, 0)
    assert_no_drift()
