"""The page of a transaction: its movement as a picture and in time, what it did to totals, why it was rejected."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.models import Balance, Transaction
from tests import world
from tests.people import VIEW, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
MOST_QUERIES = 14


@pytest.fixture
def sides() -> tuple[Balance, Balance]:
    owner = world.ledger()
    return world.balance(owner, indicator="@payer"), world.balance(owner, indicator="@payee")


def text_of(row: Transaction, *more: str) -> str:
    answer = signed_in(*VIEW, *more).get(reverse("admin:balances_transaction_change", args=[row.pk]))
    assert answer.status_code == 200
    without_spans = re.sub("</?span[^>]*>", "", answer.content.decode())
    return re.sub(r"(\s|<[^>]*>)+", " ", without_spans)


def row(sides: tuple[Balance, Balance], status: str, units: int = 10_050, **more: Any) -> Transaction:
    return world.row(status, units, *sides, precision=100, **more)


def test_a_rejection_is_said_with_its_reason_and_what_that_means(sides: tuple[Balance, Balance]) -> None:
    asked = row(sides, "QUEUED")
    reason = "failed to apply transaction to balances: insufficient funds in source balance"
    rejected = row(sides, "REJECTED", parent_transaction=asked.pk, meta_data={"blnk_rejection_reason": reason})
    for each in (asked, rejected):
        text = text_of(each)
        assert reason in text
        assert "less was available on the source than the amount" in text
        assert "Nothing: a row in this state moves no total" in text


def test_a_reason_that_is_no_known_one_is_shown_as_it_is(sides: tuple[Balance, Balance]) -> None:
    assert "<b>odd" not in text_of(row(sides, "REJECTED", meta_data={"blnk_rejection_reason": ["<b>odd"]}))
    assert "None" not in text_of(row(sides, "REJECTED", meta_data=[]))


def test_what_a_payment_did_is_said_of_each_total_in_major_units(sides: tuple[Balance, Balance]) -> None:
    text = text_of(row(sides, "APPLIED"))
    for change in ("@payer Debit +100.50 USD", "@payer Balance -100.50 USD", "@payee Credit +100.50 USD"):
        assert change in text


def test_a_hold_is_shown_with_what_was_committed_and_what_was_released(sides: tuple[Balance, Balance]) -> None:
    hold = row(sides, "INFLIGHT")
    commit = row(sides, "APPLIED", 4_000, parent_transaction=hold.pk)
    row(sides, "VOID", 6_050, parent_transaction=hold.pk)
    text = text_of(commit)
    assert "Held 100.50 USD" in text
    assert "Hold committed 40.00 USD" in text
    assert "Hold released 60.50 USD" in text
    assert "@payer Inflight debit -40.00 USD" in text
    assert "@payer Debit +40.00 USD" in text


def test_a_refund_is_on_the_time_line_of_what_it_gives_back(sides: tuple[Balance, Balance]) -> None:
    paid = row(sides, "APPLIED")
    row((sides[1], sides[0]), "APPLIED", parent_transaction=paid.pk)
    assert "Given back 100.50 USD" in text_of(paid)


def test_the_legs_of_a_split_are_one_picture(sides: tuple[Balance, Balance]) -> None:
    legs = [row(sides, "APPLIED", units, parent_transaction="txn_split") for units in (1_500, 900, 600)]
    picture = text_of(legs[1]).partition("What it did")[0]
    assert [amount in picture for amount in ("15.00 USD", "9.00 USD", "6.00 USD")] == [True] * 3


def test_parents_in_a_circle_and_a_large_batch_end_somewhere(sides: tuple[Balance, Balance]) -> None:
    one = row(sides, "APPLIED", parent_transaction="txn_two", transaction_id="txn_one")
    row(sides, "APPLIED", parent_transaction="txn_one", transaction_id="txn_two")
    assert "Time line" in text_of(one)
    many = [row(sides, "APPLIED", parent_transaction="bulk_1") for _ in range(55)]
    text = text_of(many[-1])
    assert "There are more rows" in text


def test_the_page_shows_the_json_of_the_api_and_takes_few_queries(sides: tuple[Balance, Balance]) -> None:
    hold = row(sides, "INFLIGHT", meta_data={"inflight": True, "note": "x"})
    client = signed_in(*VIEW)
    with CaptureQueriesContext(connection) as taken:
        answer = client.get(reverse("admin:balances_transaction_change", args=[hold.pk]))
    assert len(taken) <= MOST_QUERIES
    text = answer.content.decode()
    assert "&quot;precise_amount&quot;: 10050" in text
    stored = re.sub("<[^>]*>", "", text.partition("Meta data")[2].partition("</pre>")[0])
    assert '"inflight": true' in stored
    assert "style=" not in text
