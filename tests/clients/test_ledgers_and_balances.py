"""Ledgers, balances, their metadata and snapshots through Blnk's SDKs, unchanged, against a live server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.cast import balance, done, funded, hold, ledger, name, only_python, posting, totals
from tests.clients.sdks import Client

pytestmark = pytest.mark.django_db(transaction=True)
ZERO_TIME = "0001-01-01T00:00:00Z"
GENERAL = "general_ledger_id"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"ledger_id": "ldg_x"}, 400, "GEN_BAD_REQUEST"),
        ({"identity_id": "idt_x"}, 400, "GEN_BAD_REQUEST"),
        ({"currency": ""}, 400, "GEN_VALIDATION_ERROR"),
        ({"track_fund_lineage": True}, 400, "GEN_VALIDATION_ERROR"),
    ],
)
def test_balances_that_cannot_be_opened_are_refused(
    blnk: Client, fields: dict[str, Any], status: int, code: str
) -> None:
    answer = blnk.ledger_balances.create({"ledger_id": ledger(blnk), "currency": "USD"} | fields)
    assert (answer.status, answer.code) == (status, code)


def test_an_indicator_is_unique_per_currency_and_belongs_to_the_general_ledger(blnk: Client) -> None:
    cash = name("@cash")
    general = {"ledger_id": GENERAL, "currency": "USD", "indicator": cash}
    assert blnk.ledger_balances.create(general | {"ledger_id": ledger(blnk)}).status == 400
    opened = done(blnk.ledger_balances.create(general))
    again = blnk.ledger_balances.create(general)
    assert (again.status, again.code) == (409, "GEN_CONFLICT")
    assert again.message == f"Balance already exists for indicator '{cash}' and 'USD'"
    assert done(blnk.ledger_balances.create(general | {"currency": "EUR"}))["indicator"] == cash
    found = done(blnk.ledger_balances.get_by_indicator(cash, "USD"), 200)
    assert found["balance_id"] == opened["balance_id"]


def test_a_ledger_is_created_read_and_renamed(blnk: Client) -> None:
    created = done(blnk.ledgers.create({"name": "Wallets & more", "meta_data": {"team": "ops", "tier": 2}}))
    assert created["ledger_id"].startswith("ldg_")
    read = done(blnk.ledgers.get(created["ledger_id"]), 200)
    assert read | {"created_at": ""} == created | {"created_at": ""}
    renamed = done(blnk.ledgers.update(created["ledger_id"], {"name": "Purses"}), 200)
    assert renamed == read | {"name": "Purses"}
    listed = done(blnk.ledgers.get(""), 200)  # sends GET /ledgers/ and follows the redirect
    assert renamed in listed


def test_a_new_balance_has_every_field_of_the_contract(blnk: Client) -> None:
    owner = ledger(blnk)
    created = done(blnk.ledger_balances.create({"ledger_id": owner, "currency": "KES", "meta_data": {"k": [1, "v"]}}))
    moment = created.pop("created_at")
    assert moment.endswith("Z")
    assert created == dict.fromkeys(("balance", "credit_balance", "debit_balance", "version"), 0) | dict.fromkeys(
        ("inflight_balance", "inflight_credit_balance", "inflight_debit_balance"), 0
    ) | {
        "ledger_id": owner,
        "identity_id": "",
        "balance_id": created["balance_id"],
        "currency": "KES",
        "inflight_expires_at": ZERO_TIME,
        "meta_data": {"k": [1, "v"]},
        "track_fund_lineage": False,
        "allocation_strategy": "FIFO",
    }
    read = done(blnk.ledger_balances.get(created["balance_id"]), 200)
    assert read["version"] == 1
    assert read | {"version": 0, "created_at": ""} == created | {"created_at": ""}
    assert done(blnk.ledger_balances.get(created["balance_id"], {"from_source": True}), 200) == read


def test_metadata_is_merged_and_echoed(blnk: Client) -> None:
    kept = balance(blnk, meta_data={"team": "ops"})
    answer = blnk.metadata.update(kept, {"meta_data": {"tier": 2, "tags": ["a"]}})
    assert (answer.status, answer.data) == (200, {"meta_data": {"tags": ["a"], "team": "ops", "tier": 2}})
    sent = posting("@world", kept, 1, allow_overdraft=True, skip_queue=True, meta_data={"team": "ops"})
    row = done(blnk.transactions.create(sent))["transaction_id"]
    done(blnk.metadata.update(row, {"meta_data": {"tier": 2}}), 200)
    assert done(blnk.transactions.get(row), 200)["meta_data"] == {"allow_overdraft": True, "team": "ops", "tier": 2}
    of_ledger = ledger(blnk)
    assert done(blnk.metadata.update(of_ledger, {"meta_data": {"a": 1}}), 200) == {"meta_data": {"a": 1}}
    assert done(blnk.ledgers.get(of_ledger), 200)["meta_data"] == {"a": 1}


def test_the_six_totals_follow_postings_and_holds(blnk: Client) -> None:
    alice, bob = funded(blnk, 100), balance(blnk)
    hold(blnk, alice, bob, 30)
    done(blnk.transactions.create(posting(alice, bob, 12.34, skip_queue=True)))
    assert totals(blnk, alice, bob) == [(1_234, 10_000, 3_000, 0), (0, 1_234, 0, 3_000)]
    read = done(blnk.ledger_balances.get(alice), 200)
    assert (read["balance"], read["inflight_balance"], read["version"]) == (8_766, -3_000, 4)


def test_snapshots_are_taken_in_the_background(blnk: Client, drained: Any) -> None:
    alice = funded(blnk, 7)
    answer = blnk.ledger_balances.create_snapshot({"batch_size": 10})
    assert (answer.status, answer.data) == (
        200,
        {"message": "Snapshotting in progress. should be completed shortly"},
    )
    drained()
    then = {"timestamp": "2999-01-01T00:00:00Z"}
    for options in (then, then | {"from_source": True}):
        assert done(blnk.ledger_balances.get_at(alice, options), 200) == {
            "balance": {
                "balance": 700,
                "balance_id": alice,
                "credit_balance": 700,
                "currency": "USD",
                "debit_balance": 0,
            },
            "from_source": "from_source" in options,
            "timestamp": "2999-01-01T00:00:00Z",
        }
    assert done(blnk.ledger_balances.create_snapshot(), 200)


@only_python  # the TypeScript SDK has no lists with limits, and no option for what is queued
def test_lists_are_paged_newest_first_and_what_is_queued_is_counted(blnk: Client, drained: Any) -> None:
    owner = ledger(blnk)
    older, newer = balance(blnk, ledger_id=owner), balance(blnk, ledger_id=owner)
    pages = [done(blnk.ledger_balances.list({"limit": 1, "offset": number}), 200) for number in range(2)]
    assert [[row["balance_id"] for row in page] for page in pages] == [[newer], [older]]
    assert done(blnk.ledgers.list({"limit": 1}), 200)[0]["ledger_id"] == owner
    sent = [
        done(blnk.transactions.create(posting("@world", newer, 2, allow_overdraft=True)))["transaction_id"]
        for _ in range(2)
    ]
    read = done(blnk.ledger_balances.get(newer, {"with_queued": True, "from_source": True}), 200)
    assert (read["queued_credit_balance"], read["queued_debit_balance"]) == (400, 0)
    drained()
    read = done(blnk.ledger_balances.get(newer, {"with_queued": True}), 200)
    assert (read["queued_credit_balance"], read["credit_balance"]) == (0, 400)
    listed = done(blnk.transactions.list({"limit": 4}), 200)
    assert {row["transaction_id"] for row in listed} > set(sent)
    assert [row["status"] for row in listed].count("APPLIED") == 2
