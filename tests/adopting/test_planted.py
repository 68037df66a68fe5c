"""Faults planted by SQL in a database of a real Blnk: found with their amounts, and named by Blnk's own journal."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from balances.models import Balance
from reconciliation.explaining import Explained, explain_many
from reconciliation.measuring import Scope
from reconciliation.models import Finding, Origin, TransactionEdit
from reconciliation.sweeping import create_sweep, run_sweep
from tests.adopting.blnk_database import GENERATIONS
from tests.adopting.conftest import Adopt

PLAIN = """
SELECT t.transaction_id, t.source, t.destination, t.precise_amount FROM blnk.transactions AS t
JOIN blnk.balances AS s ON s.balance_id = t.source JOIN blnk.balances AS d ON d.balance_id = t.destination
WHERE t.status = 'APPLIED' AND coalesce(t.parent_transaction, '') = '' AND s.currency = d.currency
  AND t.precise_amount > 1000
  AND NOT EXISTS (SELECT FROM blnk.transactions AS c WHERE c.parent_transaction = t.transaction_id)
  AND NOT (t.source = ANY(%s) OR t.destination = ANY(%s))
ORDER BY t.id LIMIT 1 OFFSET %s
"""


def drifts() -> dict[str, Explained]:
    ids = list(Balance.objects.values_list("balance_id", flat=True))
    return {each.measurement.balance_id: each for each in explain_many(ids)}


def plain(server: psycopg.Connection[Any], known: dict[str, Explained], at: int) -> Any:
    """Return a row whose balances are right: faults of old ones would be mixed with the planted one."""
    row = server.execute(PLAIN, [list(known), list(known), at]).fetchone()
    assert row is not None
    return row


def forced(server: psycopg.Connection[Any], statement: str, *values: Any) -> None:
    server.execute("ALTER TABLE blnk.transactions DISABLE TRIGGER prevent_transaction_update_trigger")
    server.execute(statement.encode(), values)
    server.execute("ALTER TABLE blnk.transactions ENABLE TRIGGER prevent_transaction_update_trigger")


@pytest.mark.parametrize("generation", GENERATIONS)
def test_each_is_found_with_its_amount_and_what_nobody_touched_stays_as_it_was(generation: str, blnk: Adopt) -> None:
    server = blnk(generation)
    before = drifts()
    deleted, edited, total, half = (plain(server, before, at) for at in (0, 5, 10, 15))
    server.execute("DELETE FROM blnk.transactions WHERE transaction_id = %s", [deleted[0]])
    forced(
        server,
        "UPDATE blnk.transactions SET precise_amount = precise_amount - 100, "
        "amount = (precise_amount - 100) / precision WHERE transaction_id = %s",
        edited[0],
    )
    server.execute(
        "UPDATE blnk.balances SET credit_balance = credit_balance + 12345, balance = balance + 12345 "
        "WHERE balance_id = %s",
        [total[2]],
    )
    server.execute(
        "UPDATE blnk.balances SET debit_balance = debit_balance - %s, balance = balance + %s WHERE balance_id = %s",
        [half[3], half[3], half[1]],
    )
    after = drifts()
    touched = {*deleted[1:3], *edited[1:3], total[2], half[1]}
    assert {key: each.drift for key, each in after.items() if key not in touched} == {
        key: each.drift for key, each in before.items() if key not in touched
    }
    assert after.keys() >= touched
    for row, cause, units in ((deleted, "deleted_row", deleted[3]), (edited, "edited_row", 100)):
        for balance_id, side in ((row[1], "debit"), (row[2], "credit")):
            facts = [each for each in after[balance_id].explanations if row[0] in each.rows and each.counts]
            assert facts, (cause, after[balance_id].explanations)
            assert (facts[0].cause, getattr(facts[0].drift, side)) == (cause, units)
            assert after[balance_id].blocks
    assert after[total[2]].drift.credit >= 12_345
    assert any(half[0] in each.rows for each in after[half[1]].explanations)


def test_the_journal_of_blnk_names_when_from_where_and_what_it_was(blnk: Adopt) -> None:
    server = blnk("0.15")
    row = plain(server, {}, 3)
    server.execute("DELETE FROM blnk.transactions WHERE transaction_id = %s", [row[0]])
    explained = drifts()[row[1]]
    edit = TransactionEdit.objects.get(transaction_id=row[0])
    assert edit.operation == TransactionEdit.Operation.DELETE
    assert edit.old is not None
    assert edit.old["precise_amount"] == row[3]
    assert edit.backend_pid == server.info.backend_pid
    assert f"Transaction {row[0]}" in explained.explanations[0].sentence
    assert "was deleted" in explained.explanations[0].sentence


def test_what_blnk_itself_updates_is_no_edit_and_nothing_is_taken_up_twice(blnk: Adopt) -> None:
    """It writes metadata and the columns of its chain; the journal has each as an update."""
    server = blnk("0.15")
    forced(server, "UPDATE blnk.transactions SET meta_data = '{\"seen\": 1}', chain_seq = NULL WHERE id %% 500 = %s", 0)
    row = plain(server, {}, 3)
    server.execute("DELETE FROM blnk.transactions WHERE transaction_id = %s", [row[0]])
    drifts()
    assert [each.transaction_id for each in TransactionEdit.objects.all()] == [row[0]]
    drifts()
    assert TransactionEdit.objects.count() == 1


def test_the_journal_is_read_once_but_for_its_last_minutes(blnk: Adopt) -> None:
    server = blnk("0.15")
    row = plain(server, {}, 3)
    server.execute("DELETE FROM blnk.transactions WHERE transaction_id = %s", [row[0]])
    server.execute("UPDATE blnk.transaction_journal SET timestamp = timestamp - interval '1 hour'")
    for _ in range(2):
        drifts()
    newest = server.execute("SELECT max(id) FROM blnk.transaction_journal").fetchone()
    assert server.execute("SELECT last FROM backoffice.journal_taken").fetchone() == newest
    assert [each.transaction_id for each in TransactionEdit.objects.all()] == [row[0]]


def test_an_edit_that_moves_no_total_is_found_by_a_deep_sweep(blnk: Adopt) -> None:
    server = blnk("0.15")
    row = plain(server, {}, 3)
    forced(server, "UPDATE blnk.transactions SET description = 'other' WHERE transaction_id = %s", row[0])
    run_sweep(create_sweep(Scope(everything=True), actor="a", origin=Origin.COMMAND, deep=True).sweep_id)
    faults = {fault["check"] for each in Finding.objects.filter(balance_id=row[1]) for fault in each.faults}
    assert "forced_edit" in faults
