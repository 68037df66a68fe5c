"""Acceptance on real data: 815 accounts of a Czech bank whose stored balance is not the sum of its transactions.

The data are not part of the product: ``LEDGER_BERKA`` names the folder that holds them.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.models import Max, Q

from balances.models import Balance, Transaction
from reconciliation.explaining.service import EXPLAINED_AT_ONCE, Explained, explain
from reconciliation.measuring.measurement import measure

FOLDER = os.environ.get("LEDGER_BERKA", "")
pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="LEDGER_BERKA names no folder"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def explained() -> dict[str, Explained]:
    """Return every account with drift, explained."""
    folder = Path(FOLDER)
    call_command(
        "import_ledger", balances=folder / "balances.csv", transactions=folder / "transactions.csv.gz", ledger="Berka"
    )
    measured = [each for each in measure(list(Balance.objects.values_list("pk", flat=True))) if each.has_drift]
    found: dict[str, Explained] = {}
    for start in range(0, len(measured), EXPLAINED_AT_ONCE):
        found |= explain(measured[start : start + EXPLAINED_AT_ONCE])
    return found


def kind(each: Explained) -> str:
    """Return how a test report calls an explanation: its cause, and for sets of a last day their make-up."""
    if each.cause != "cut_off":
        return each.cause
    best = each.explanations[0]
    return f"cut_off of {len(best.rows)}{' and rounding' if best.evidence['rounding'] else ''}"


def lacks_one_row_of_its_last_day(each: Explained) -> bool:
    """Decide by plain Python whether the net drift is one transaction of the account's last day."""
    mine = Q(source=each.measurement.balance_id) | Q(destination=each.measurement.balance_id)
    last = Transaction.objects.filter(mine).aggregate(Max("effective_date"))["effective_date__max"]
    signed = {
        int(row.precise_amount or 0) * (-1 if row.source_id == each.measurement.balance_id else 1)
        for row in Transaction.objects.filter(mine, effective_date=last)
    }
    return each.drift.debit in signed


def test_drift_of_the_last_day_and_of_rounding_is_said_to_be_that(explained: dict[str, Explained]) -> None:
    kinds = Counter(kind(each) for each in explained.values())
    sys.stdout.write(f"\n{len(explained)} accounts with drift: {dict(kinds.most_common())}\n")
    assert len(explained) == 815
    assert all(each.explained + each.unexplained == each.drift.gross for each in explained.values())
    last_day = [each for each in explained.values() if lacks_one_row_of_its_last_day(each)]
    assert len(last_day) == 172
    assert {kind(each) for each in last_day} == {"cut_off of 1"}
    assert all(each.drift.gross <= 500 for each in explained.values() if each.cause == "rounding")
    assert kinds["unexplained"] < 50
