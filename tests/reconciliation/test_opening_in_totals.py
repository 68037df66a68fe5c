"""An opening balance that is only in imported totals, with rows afterwards, and what only looks like it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from balances.models import Balance
from reconciliation.explaining.evidence.surroundings import FIRST_ROWS
from reconciliation.explaining.service import Explained, explain
from reconciliation.measuring.measurement import measure
from tests import world
from tests.reconciliation.test_explaining import plan_of

pytestmark = pytest.mark.django_db(transaction=True)
BALANCES = "indicator,currency,credit_balance,debit_balance,balance,created_at"
ROWS = "reference,source,destination,precise_amount,precision,currency,effective_date,description"
WAGES = "r-1,@job,@bank,30000,100,EUR,2026-02-01T10:00:00Z,x"
RENT = "r-2,@bank,@shop,4000,100,EUR,2026-02-02T10:00:00Z,x"


def imported(folder: Path, bank: str, *others: str, rows: tuple[str, ...] = (WAGES, RENT)) -> Explained:
    """Import a bank account with totals as stated, the others beside it, and explain them all; return the bank's."""
    right = ("@job,EUR,0,30000,-30000,2026-01-01", "@shop,EUR,4000,0,4000,2026-01-01")
    totals = [line if line.endswith("Z") else f"{line}T00:00:00Z" for line in (f"@bank,EUR,{bank}", *right, *others)]
    files = {"balances": [BALANCES, *totals], "transactions": [ROWS, *rows]}
    for name, lines in files.items():
        (folder / f"{name}.csv").write_text("\n".join(lines))
    call_command("import_ledger", ledger="Bank", **{name: folder / f"{name}.csv" for name in files})
    found = explain(measure(list(Balance.objects.values_list("pk", flat=True))))
    return next(each for each in found.values() if each.measurement.indicator == "@bank")


@pytest.mark.parametrize(
    ("bank", "drift", "words"),
    [
        ("150000,4000,146000,2026-01-01", {"credit": 120_000}, "120,000 more credit than"),
        ("30000,124000,-94000,2026-01-01", {"debit": 120_000}, "120,000 more debit than"),
        ("31000,9000,22000,2026-01-31", {"credit": 1_000, "debit": 5_000}, "1,000 more credit and 5,000 more debit"),
    ],
)
def test_an_opening_that_is_only_in_the_totals_is_proposed(
    tmp_path: Path, bank: str, drift: dict[str, int], words: str
) -> None:
    found = imported(tmp_path, bank)
    [said] = found.explanations
    assert (found.cause, found.unexplained, said.certainty) == ("opening_not_booked", 0, "likely")
    assert said.drift.sides == drift
    assert words in said.sentence
    assert "before its first transaction of 2026-02-01: an opening balance, or earlier transactions" in said.sentence


@pytest.mark.parametrize(
    "bank",
    [
        "20000,4000,16000,2026-01-01",  # too little
        "40000,3000,37000,2026-01-01",  # too much here, too little there
        "60000,4000,56000,2026-01-01",  # the wages twice
    ],
)
def test_totals_that_lack_something_or_have_a_row_twice_are_no_opening(tmp_path: Path, bank: str) -> None:
    assert all(each.cause != "opening_not_booked" for each in imported(tmp_path, bank).explanations)


def test_a_row_that_is_missing_between_two_balances_makes_an_opening_a_hint(tmp_path: Path) -> None:
    work = "r-3,@lender,@shop,700,100,EUR,2026-02-03T10:00:00Z,x"
    lender, shop = "@lender,EUR,0,120700,-120700,2026-01-01", "@shop-2,EUR,0,0,0,2026-01-01"
    found = imported(tmp_path, "150000,4000,146000,2026-01-01", lender, shop, rows=(WAGES, RENT, work))
    assert (found.cause, found.unexplained) == ("unexplained", 120_000)
    hints = {each.cause: (each.certainty, each.alternatives) for each in found.explanations}
    assert hints == {"effect_without_row": ("possible", 1), "opening_not_booked": ("possible", 1)}


def test_a_balance_that_was_opened_with_its_first_row_is_given_a_hint_only(tmp_path: Path) -> None:
    found = imported(tmp_path, "150000,4000,146000,2026-02-01T10:00:00Z")
    assert (found.cause, found.unexplained) == ("unexplained", 120_000)
    assert [(each.cause, each.certainty) for each in found.explanations] == [("opening_not_booked", "possible")]


def test_the_first_row_of_a_long_history_is_read_from_the_index() -> None:
    owner = world.ledger()
    few = [world.balance(owner) for _ in range(2)]
    world.many_rows(few, 20_000)
    [row] = FIRST_ROWS.rows(balance_ids=[few[0].pk])
    assert row["first_at"] < row["opened_at"] - timedelta(hours=1)
    with connection.cursor() as cursor:
        sql = cursor.mogrify(FIRST_ROWS.text, {"balance_ids": [few[0].pk]})  # type: ignore[attr-defined]
    plan = plan_of(sql)
    assert "Index Only Scan using applied_debits" in plan
    assert "Seq Scan on transactions" not in plan
    assert "rows=10000" not in plan
