"""Constraints in threes (people are told, the database refuses, a legal row passes) and the append-only guard."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.ground import exact_json
from balances.models import GENERAL_LEDGER_ID, Balance, Ledger, Transaction
from tests import world

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fields", "name", "words"),
    [
        ({"credit_balance": 5}, "balance_is_credit_less_debit", "its credits less its debits"),
        ({"inflight_debit_balance": 5}, "inflight_is_credit_less_debit", "its inflight credits less"),
    ],
)
def test_totals_that_do_not_add_up_are_refused(fields: dict[str, int], name: str, words: str) -> None:
    owner = world.ledger()
    with pytest.raises(ValidationError, match=words):
        Balance(ledger=owner, currency="USD", **fields).validate_constraints()
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Balance.objects.create(ledger=owner, currency="USD", **fields)
    Balance.objects.create(ledger=owner, currency="USD", credit_balance=7, debit_balance=2, balance=5)


def test_one_indicator_has_one_balance_a_currency() -> None:
    owner = world.ledger()
    world.balance(owner, indicator="@cash")
    with pytest.raises(ValidationError, match="indicator and currency exists already"):
        Balance(ledger=owner, currency="USD", indicator="@cash").validate_constraints()
    with pytest.raises(IntegrityError, match="unique_indicator_currency"), transaction.atomic():
        Balance.objects.create(ledger=owner, currency="USD", indicator="@cash")
    world.balance(owner, currency="EUR", indicator="@cash")
    world.balance(owner)
    world.balance(owner)


def test_a_reference_stands_on_one_transaction_only() -> None:
    alice, bob = world.balance(), world.balance()
    world.row("APPLIED", 1, alice, bob, reference="r")
    with pytest.raises(ValidationError, match="reference exists already"):
        Transaction(reference="r", source=alice, destination=bob).validate_constraints()
    with pytest.raises(IntegrityError, match="unique_reference"), transaction.atomic():
        world.row("QUEUED", 1, alice, bob, reference="r")
    world.row("APPLIED", 1, alice, bob, reference="R")


def test_money_cannot_move_from_a_balance_to_itself() -> None:
    alice, bob = world.balance(), world.balance()
    with pytest.raises(ValidationError, match="from a balance to itself"):
        Transaction(reference="r", source=alice, destination=alice).validate_constraints()
    with pytest.raises(IntegrityError, match="no_transaction_to_itself"), transaction.atomic():
        world.row("APPLIED", 1, alice, alice)
    world.row("APPLIED", 1, alice, bob)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transactions SET precise_amount = 1",
        "UPDATE transactions SET status = 'VOID', meta_data = '{}'",
        "DELETE FROM transactions",
        "TRUNCATE transactions",
    ],
)
def test_a_posted_transaction_cannot_be_changed_not_even_in_sql(statement: str) -> None:
    alice = world.balance()
    posted = world.post("@world", alice, 100)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with (
        pytest.raises(IntegrityError, match="append-only") as refused,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    cause: Any = refused.value.__cause__
    assert cause.diag.constraint_name == "transactions_are_append_only"
    assert Transaction.objects.get(pk=posted.pk).precise_amount == 100
    Transaction.objects.update(meta_data={"note": "metadata may change"})


def test_the_general_ledger_exists_after_migrate() -> None:
    assert Ledger.objects.get(pk=GENERAL_LEDGER_ID).name == "General Ledger"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(credit=st.integers(-(10**60), 10**60), debit=st.integers(-(10**60), 10**60))
def test_integers_of_any_size_go_in_and_come_out(credit: int, debit: int, db: None) -> None:
    owner = Ledger.objects.get(pk=GENERAL_LEDGER_ID)
    stored = Balance.objects.create(
        ledger=owner, currency="XTS", credit_balance=credit, debit_balance=debit, balance=credit - debit
    )
    read = Balance.objects.get(pk=stored.pk)
    assert (read.credit_balance, read.debit_balance, read.balance) == (credit, debit, credit - debit)
    assert type(read.balance) is int


@pytest.mark.parametrize("value", [1.5, Decimal("1.5"), "1.5", "x", True])
def test_what_is_no_whole_number_is_no_money(value: Any) -> None:
    field = Balance._meta.get_field("balance")
    with pytest.raises(ValidationError, match="not a whole number of minor units"):
        field.to_python(value)


def test_statements_about_balances_without_metadata_store_json_null() -> None:
    alice = world.balance()
    with connection.cursor() as cursor:
        cursor.execute("SELECT jsonb_typeof(meta_data) FROM balances WHERE balance_id = %s", [alice.pk])
        assert cursor.fetchone() == ("null",)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("0." + 306 * "9", True),  # the longest that is read without looking further
        ("0." + 307 * "9", True),
        (300 * "9" + ".5", True),
        (310 * "9" + ".5", False),
        ("0." + 320 * "0" + "1", False),
        ("1e308", True),
        ("1E309", False),
        ("1e-309", False),
        ("-0.50", True),
    ],
)
def test_a_number_that_comes_in_is_exact_or_refused_whatever_its_length(text: str, whole: bool) -> None:
    if whole:
        assert str(exact_json.loads(text)) == str(Decimal(text))
    else:
        with pytest.raises(exact_json.NumberOutOfRange):
            exact_json.loads(text)
