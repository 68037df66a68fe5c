"""The doors to explanations: GET /balances/{id}/explanation and ``manage.py explain``."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from balances.models import Balance
from reconciliation.drill.damage import shift
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Balance:
    """Return Alice, who never got a credit of 4,000 and has 7 too much that nobody can explain."""
    alice = world.balance(indicator=None)
    world.post("@world", alice, 4_000)
    world.post("@world", alice, 9_000)
    shift(alice.pk, credit=-4_000, debit=7, version=-1)
    return alice


def run(*words: str, **options: Any) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("explain", *words, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def test_an_unknown_balance_is_a_404_with_the_contracts_body(api: Client) -> None:
    answer = api.get("/balances/bln_x/explanation")
    assert (answer.status, answer.body["error_detail"]["code"]) == (404, "BAL_NOT_FOUND")


def test_totals_that_are_no_number_are_refused_rather_than_called_healthy(api: Client, alice: Balance) -> None:
    Balance.objects.filter(pk=alice.pk).update(credit_balance=Decimal("NaN"), balance=Decimal("NaN"))
    answer = api.get(f"/balances/{alice.pk}/explanation")
    assert answer.status == 409
    assert "no number" in answer.body["error"]


@pytest.mark.parametrize(
    ("words", "sentence"), [([], "Say which balances"), (["bln_x"], "Balance with ID 'bln_x' not found")]
)
def test_words_that_mean_nothing_are_refused_in_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run(*words)


def test_a_balance_without_drift_says_so(api: Client) -> None:
    body = api.get(f"/balances/{world.balance().pk}/explanation").body
    assert (body["cause"], body["explained"], body["unexplained"], body["explanations"]) == ("", 0, 0, [])
    assert abs(datetime.fromisoformat(body["measured_at"]) - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.django_db(transaction=True)  # rows of one transaction with the measurement would be newer than it
def test_the_answer_names_rows_amounts_certainty_and_what_is_left(api: Client, alice: Balance) -> None:
    body = api.get(f"/balances/{alice.pk}/explanation").body
    assert body["drift"] == {"credit": -4_000, "debit": 7, "inflight_credit": 0, "inflight_debit": 0}
    assert (body["cause"], body["explained"], body["unexplained"]) == ("half_applied", 4_000, 7)
    assert body["source_is_incomplete"] is False
    best = body["explanations"][0]
    assert (best["explains"], best["alternatives"], best["title"]) == (4_000, 0, "Half-applied transaction")
    assert best["rows"][0] in {row["transaction_id"] for row in body["window"]}


def test_asking_changes_nothing(api: Client, alice: Balance) -> None:
    before = Balance.objects.filter(pk=alice.pk).values().get()
    api.get(f"/balances/{alice.pk}/explanation")
    run(alice.pk)
    assert Balance.objects.filter(pk=alice.pk).values().get() == before


def test_the_command_reports_in_three_forms_and_one_sentence(alice: Balance) -> None:
    world.balance(alice.ledger)
    out, err = run("--all", "--format", "json")
    [row] = json.loads(out)
    assert (row["credit"], row["unexplained"], row["explanations"][0]["cause"]) == ("-4000", "7", "half_applied")
    assert err == "1 balances with drift, 0 of them fully explained.\n"
    [line] = csv.DictReader(io.StringIO(run(alice.pk, "--format", "csv")[0]))
    assert line["cause"] == "half_applied"
    table, _ = run("--ledger", alice.ledger_id, "--format", "table")
    assert "credit -4,000" in table
    assert "Half-applied transaction" in table


def test_the_route_is_described(api: Client) -> None:
    assert "/balances/{balance_id}/explanation" in api.get("/schema?format=json").text
