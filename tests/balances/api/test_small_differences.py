"""What is shown or kept a little otherwise than by the original, one by one, and types that are checked as there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client import Client
from tests.wire import assert_refused, body, create, hold, queued, settled, wallets

pytestmark = pytest.mark.django_db
SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def ledger(api: Client) -> Client:
    wallets()
    return api


def test_a_field_that_is_dropped_must_be_of_its_type_all_the_same(ledger: Client) -> None:
    for given in (body("a", balance_id=5), queued("a", balance_id=["bln_alice"]), body("a", BALANCE_ID={})):
        assert_refused(ledger.post("/transactions", given), 400, "GEN_MALFORMED_REQUEST", "Invalid input")
    text = (
        "Invalid request body: json: cannot unmarshal number into Go struct field "
        "RecordTransaction.transactions.balance_id of type string"
    )
    answer = ledger.post("/transactions/bulk", {"transactions": [body("a", balance_id=5)]})
    assert_refused(answer, 400, "GEN_MALFORMED_REQUEST", text)
    for given in (body("a", balance_id="bln_none"), body("b", balance_id="")):
        create(ledger, given)


def test_of_a_key_that_is_there_twice_the_last_one_counts_and_null_is_absent(ledger: Client) -> None:
    owner = ledger.post("/ledgers", {"name": "L"}).body["ledger_id"]
    for currencies, status in (('"EUR","currency":null', 400), ('null,"currency":"EUR"', 201)):
        assert ledger.post("/balances", f'{{"ledger_id":"{owner}","currency":{currencies}}}'.encode()).status == status
    raw = b'{"fields":["FirstName"],"fields":[null]}'
    identity = ledger.post("/identities", {"first_name": "A", "last_name": "B", "identity_type": "individual"}).body
    assert ledger.post(f"/identities/{identity['identity_id']}/tokenize", raw).status == 400
    answer = ledger.post(f"/{owner}/metadata", b'{"meta_data":{"b":"x"},"meta_data":{"a":1}}')
    assert answer.body == {"meta_data": {"a": 1}}


def test_a_row_shows_the_dates_that_are_stored_however_it_is_read(ledger: Client) -> None:
    dates = {"effective_date": "2026-01-01T00:00:00Z", "scheduled_for": "2030-01-01T00:00:00Z"}
    transaction_id = create(ledger, queued("a", **dates))
    condition = {"field": "reference", "operator": "eq", "value": "a"}
    reads: list[Any] = [
        ledger.get(f"/transactions/{transaction_id}").body,
        ledger.get("/transactions/reference/a").body,
        *ledger.get("/transactions?reference_eq=a").body,
        *ledger.post("/transactions/filter", {"filters": [condition]}).body,
    ]
    assert len(reads) == 4
    for read in reads:
        assert {name: read[name] for name in dates} == dates


def test_what_is_included_with_a_balance_is_shown_whole(api: Client) -> None:
    holder = api.post("/identities", {"first_name": "Ada", "identity_type": "individual", "meta_data": {"a": 1}}).body
    owner = api.post("/ledgers", {"name": "Wallets", "meta_data": {"b": 2}}).body
    given = {"ledger_id": owner["ledger_id"], "currency": "USD", "identity_id": holder["identity_id"]}
    balance_id = api.post("/balances", given).body["balance_id"]
    shown = api.get(f"/balances/{balance_id}?include=ledger&include=identity").body
    assert (shown["identity"], shown["ledger"]) == (holder, owner)


@pytest.mark.parametrize("bad", ["FirstName", "Gender"])
def test_a_list_of_fields_is_tokenized_whole_or_not_at_all(api: Client, settings: Any, bad: str) -> None:
    settings.BLNK_TOKENIZATION_SECRET = SECRET
    holder = api.post("/identities", {"first_name": "Ada", "last_name": "Byron"}).body
    path = f"/identities/{holder['identity_id']}"
    assert api.post(f"{path}/tokenize", {"fields": ["FirstName"]}).status == 200
    assert api.post(f"{path}/tokenize", {"fields": ["LastName", bad]}).status in (400, 409)
    assert api.get(f"{path}/tokenized-fields").body == {"tokenized_fields": ["FirstName"]}
    assert api.get(path).body["last_name"] == "Byron"


def test_the_answer_to_a_write_shows_the_instant_that_later_reads_show(api: Client) -> None:
    wallets()
    created = api.post("/transactions", body("a")).body
    assert api.get(f"/transactions/{created['transaction_id']}").body["created_at"] == created["created_at"]
    opened = api.post("/ledgers", {"name": "Tills"}).body
    assert api.get(f"/ledgers/{opened['ledger_id']}").body == opened


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/balances//"),
        ("PUT", "/balances//"),
        ("POST", "/refund-transaction/"),
        ("GET", "/transactions/filter/"),
    ],
)
def test_a_path_whose_last_part_is_empty_is_not_there(api: Client, method: str, path: str) -> None:
    answer = api.send(method, path)
    assert (answer.status, answer.text) == (404, "404 page not found")


def test_a_queued_void_of_what_is_committed_speaks_of_a_commit_as_the_original_does(ledger: Client) -> None:
    transaction_id = hold(ledger, "h")
    settled(ledger, transaction_id)
    text = "cannot commit. Transaction already committed"
    answer = ledger.put(f"/transactions/inflight/{transaction_id}", {"status": "void"})
    assert_refused(answer, 409, "TXN_ALREADY_COMMITTED", text)
    (item,) = ledger.post("/transactions/inflight/bulk/void", {"transaction_ids": [transaction_id]}).body["results"]
    assert (item["code"], item["message"]) == ("ALREADY_COMMITTED", text)
    at_once = ledger.put(f"/transactions/inflight/{transaction_id}", {"status": "void", "skip_queue": True})
    assert "cannot void. Transaction already committed" in at_once.body["error"]


def test_lack_of_funds_is_said_before_one_balance_on_both_sides(ledger: Client) -> None:
    given = body("a", source="@new", destination="bln_dora")
    create(ledger, given | {"allow_overdraft": True})
    dora = ledger.get("/balances/indicator/@new/currency/USD").body["balance_id"]
    for overdraft, code in ((False, "TXN_INSUFFICIENT_FUNDS"), (True, "GEN_CONFLICT")):
        same = body("b", source="@new", destination=dora, allow_overdraft=overdraft)
        assert ledger.post("/transactions", same).body["error_detail"]["code"] == code
