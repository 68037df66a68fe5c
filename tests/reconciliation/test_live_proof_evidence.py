"""Commits that do not add up as evidence: certain, exact to the commit, and counted once beside the edit journal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction

from balances.models import Balance, now
from reconciliation.explaining import explain_balance
from reconciliation.explaining.causes.commits import BROKEN_COMMIT
from reconciliation.explaining.explanation import Certainty
from reconciliation.models import Break
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)
Kind = Break.Kind


def broken(target: Balance, kind: str, position: int = 1, **amounts: int) -> Break:
    at = now() - timedelta(milliseconds=10 - position)
    net = amounts.get("credit_balance", 0) - amounts.get("debit_balance", 0)
    return Break.objects.create(
        kind=kind,
        state=Break.State.OPEN,
        stream=1,
        position=position,
        xid=800 + position,
        committed_at=at,
        balance_id=target.pk,
        balance=net,
        rows=[{"transaction_id": "txn_1", "change": "added"}],
        row_count=1,
        author={"database_user": "ann"},
        **amounts,
    )


def without_trace(target: Balance, credit: int) -> None:
    world.drift(target, credit=credit)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM reconciliation_balanceedit")


def test_an_edit_that_left_no_trace_is_explained_by_its_commit() -> None:
    target, other = world.balance(), world.balance()
    world.post(other, target, 100)
    without_trace(target, 7)
    seen = broken(target, Kind.TOTAL_CHANGED, credit_balance=7)

    explained = explain_balance(target.pk).explained

    (best,) = [each for each in explained.explanations if each.counts]
    assert (best.cause, best.certainty, best.drift.sides) == ("edited_total", Certainty.CERTAIN, {"credit": 7})
    assert (best.since, explained.first_wrong_at) == (seen.committed_at, seen.committed_at)
    assert best.evidence["commit"]["xid"] == seen.xid
    assert best.evidence["database_user"] == "ann"
    assert explained.unexplained == 0


def test_a_row_without_its_total_is_a_commit_that_does_not_add_up() -> None:
    target, other = world.balance(), world.balance()
    world.post(other, target, 100)
    world.row("APPLIED", 5, other, target)
    broken(target, Kind.ROW_WITHOUT_TOTAL, credit_balance=-5)

    (best,) = [each for each in explain_balance(target.pk).explained.explanations if each.counts]

    assert (best.cause, best.rows, best.drift.sides) == (BROKEN_COMMIT, ("txn_1",), {"credit": -5})


def test_what_the_journal_knows_as_well_is_counted_once_and_gets_its_commit() -> None:
    target, other = world.balance(), world.balance()
    world.post(other, target, 100)
    world.drift(target, credit=7)
    seen = broken(target, Kind.TOTAL_CHANGED, credit_balance=7)

    explained = explain_balance(target.pk).explained

    (best,) = [each for each in explained.explanations if each.counts]
    assert best.sentence.startswith("The stored totals were changed in SQL by database user")
    assert best.evidence["commit"]["break_id"] == seen.break_id
    assert explained.unexplained == 0


def test_several_edits_of_one_fact_of_the_journal_are_shown_by_their_commits() -> None:
    target, other = world.balance(), world.balance()
    world.post(other, target, 100)
    world.drift(target, credit=7)
    world.drift(target, credit=4)
    broken(target, Kind.TOTAL_CHANGED, 1, credit_balance=7)
    broken(target, Kind.TOTAL_CHANGED, 2, credit_balance=4)

    explained = explain_balance(target.pk).explained

    assert sorted(each.drift.credit for each in explained.explanations if each.counts) == [4, 7]
    assert explained.unexplained == 0


def test_a_break_that_was_taken_back_explains_nothing() -> None:
    target, other = world.balance(), world.balance()
    world.post(other, target, 100)
    without_trace(target, 7)
    Break.objects.filter(pk=broken(target, Kind.TOTAL_CHANGED, credit_balance=7).pk).update(
        closed_at=now(), state=Break.State.TAKEN_BACK
    )

    assert all("commit" not in each.evidence for each in explain_balance(target.pk).explained.explanations)
