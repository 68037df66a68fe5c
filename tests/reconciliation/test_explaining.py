"""Why a balance is wrong: a cause each, and what must not be said."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from balances.models import Balance, BalanceSnapshot, Transaction
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.drill.damage import shift
from reconciliation.explaining import causes
from reconciliation.explaining.causes import CAUSES, FAMILIES, Rank
from reconciliation.explaining.causes.ranking import OF_COMMIT
from reconciliation.explaining.choosing import choose
from reconciliation.explaining.drift import SIDES, Drift
from reconciliation.explaining.explanation import Certainty, Explanation
from reconciliation.explaining.service import Explained, explain, explain_balance
from reconciliation.measuring.measurement import measure
from reconciliation.models import BalanceEdit
from tests import world

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return LONG_AGO + timedelta(minutes=minutes)


def posted(source: Balance, destination: Balance, units: int, when: datetime, **fields: Any) -> Transaction:
    """Post an applied row as another writer would have, at a time of its own."""
    row = world.row("APPLIED", units, source, destination, created_at=when, effective_date=when, **fields)
    shift(source.pk, debit=units, version=1)
    shift(destination.pk, credit=units, version=1)
    return row


def held(source: Balance, destination: Balance, units: int, when: datetime, **fields: Any) -> Transaction:
    row = world.row("INFLIGHT", units, source, destination, created_at=when, effective_date=when, **fields)
    shift(source.pk, inflight_debit=units, version=1)
    shift(destination.pk, inflight_credit=units, version=1)
    return row


def settled(hold: Transaction, status: str, units: int, when: datetime) -> Transaction:
    row = world.row(
        status, units, hold.source, hold.destination, parent_transaction=hold.pk, created_at=when, effective_date=when
    )
    applied = units if status == "APPLIED" else 0
    shift(str(hold.source_id), debit=applied, inflight_debit=-units, version=1)
    shift(str(hold.destination_id), credit=applied, inflight_credit=-units, version=1)
    return row


def why(*balances: Balance) -> list[Explained]:
    found = explain(measure([balance.pk for balance in balances]))
    for each in found.values():
        assert each.explained + each.unexplained == each.drift.gross
    return [found[balance.pk] for balance in balances]


def best(balance: Balance) -> Explanation:
    """Return the explanation of a balance that must be explained wholly."""
    [each] = why(balance)
    assert each.unexplained == 0, each.explanations
    return each.explanations[0]


@pytest.fixture
def alice() -> Balance:
    return world.balance(indicator=None)


@pytest.fixture
def bob(alice: Balance) -> Balance:
    """Return Bob, who has traded with Alice: five payments, an hour apart, of amounts that are all different."""
    bob = world.balance(alice.ledger)
    for number, units in enumerate((1_009, 2_503, 4_001, 7_013, 9_001)):
        posted(alice, bob, units, at(60 * number))
    return bob


def row_of(units: int) -> Transaction:
    return Transaction.objects.get(precise_amount=units, status="APPLIED")


# What must not be said.


def test_an_amount_that_no_row_has_stays_unexplained(alice: Balance, bob: Balance) -> None:
    shift(alice.pk, debit=3_333)
    [found] = why(alice)
    assert (found.cause, found.explained, found.unexplained) == ("unexplained", 0, 3_333)


def test_many_rows_of_one_amount_are_a_hint_and_explain_nothing(alice: Balance, bob: Balance) -> None:
    for number in range(6):
        posted(alice, bob, 500, at(1000 + 60 * number))
    shift(alice.pk, debit=-500, version=-1)
    [found] = why(alice)
    assert (found.cause, found.unexplained) == ("unexplained", 500)
    assert {each.certainty for each in found.explanations} == {"possible"}
    assert found.explanations[0].alternatives == 5


def test_two_rows_that_fit_equally_well_are_both_told_and_neither_is_strong(alice: Balance, bob: Balance) -> None:
    rows = {posted(alice, bob, 500, at(1000 + 60 * number)).pk for number in range(2)}
    shift(alice.pk, debit=-500, version=-1)
    found = best(alice)
    assert (found.certainty, found.alternatives) == ("likely", 1)
    assert {*found.rows, *found.evidence["fits_equally"]} == rows


def test_a_missing_row_is_not_claimed_where_every_posting_was_counted(alice: Balance, bob: Balance) -> None:
    shift(alice.pk, debit=-4_001)
    assert why(alice)[0].cause == "unexplained"


def test_a_deleted_row_without_a_trace_is_not_taken_for_a_row_counted_twice(alice: Balance, bob: Balance) -> None:
    carol, dave = world.balance(alice.ledger), world.balance(alice.ledger)
    posted(carol, dave, 50, at(1))
    posted(alice, bob, 4_001, at(2000))
    shift(alice.pk, debit=4_001, version=1)  # a row of Alice to Carol that is gone
    shift(carol.pk, credit=4_001, version=1)
    for found in why(alice, carol):
        assert found.cause == "unexplained"
        assert found.explanations[0].cause == "effect_without_row"
        assert found.explanations[0].certainty == "possible"


def test_a_balance_without_drift_has_nothing_to_explain(alice: Balance, bob: Balance) -> None:
    assert (why(alice)[0].cause, why(alice)[0].explanations) == ("", [])


# A cause each.


def test_a_lost_update_was_counted_and_names_the_row_that_wrote_over_it(alice: Balance, bob: Balance) -> None:
    lost = posted(alice, bob, 555, at(600))
    over = posted(alice, world.balance(alice.ledger), 777, at(600) + timedelta(milliseconds=3))
    shift(alice.pk, debit=-555)
    found = best(alice)
    assert (found.cause, found.rows, found.certainty) == ("lost_update", (lost.pk,), "likely")
    assert f"{over.pk}, posted 3 ms apart, overwrote it" in found.sentence
    assert found.as_json()["debit"] == -555
    assert found.as_json()["explains"] == 555


@pytest.mark.parametrize(("with_another", "certainty"), [(False, "strong"), (True, "likely")])
def test_a_row_that_its_other_balance_has_is_half_applied_however_near_another_row_is(
    alice: Balance, bob: Balance, with_another: bool, certainty: str
) -> None:
    lacked = posted(alice, bob, 555, at(600))
    near = posted(alice, world.balance(alice.ledger) if with_another else bob, 777, at(600) + timedelta(milliseconds=3))
    shift(alice.pk, debit=-555, version=-1)
    found = best(alice)
    assert (found.cause, found.rows, found.certainty, found.alternatives) == (
        "half_applied",
        (lacked.pk,),
        certainty,
        0,
    )
    assert (near.pk in found.sentence) is with_another  # between the same two it would have written over both


def test_a_near_row_between_the_same_two_balances_did_not_write_over_one_of_them(alice: Balance, bob: Balance) -> None:
    posted(alice, bob, 555, at(600))
    posted(bob, alice, 777, at(600) + timedelta(milliseconds=3))
    shift(alice.pk, debit=-555)
    assert (why(alice)[0].cause, why(alice)[0].unexplained) == ("unexplained", 555)


def test_a_row_whose_other_balance_is_wrong_by_another_amount_is_not_said_to_be_there_for_sure(
    alice: Balance, bob: Balance
) -> None:
    posted(alice, bob, 555, at(600))
    shift(alice.pk, debit=-555, version=-1)
    shift(bob.pk, credit=17)
    assert (best(alice).cause, best(alice).certainty) == ("half_applied", "likely")


def test_a_row_that_names_no_other_balance_accounts_for_nothing(alice: Balance, bob: Balance) -> None:
    when = {"created_at": at(800), "effective_date": at(800)}
    nowhere = world.row("APPLIED", 606, alice, None, **when)  # type: ignore[arg-type]
    explained = explain_balance(alice.pk).explained
    assert (explained.drift.debit, explained.cause) == (-606, "unexplained")
    assert nowhere.pk not in {row for each in explained.explanations for row in each.rows}


def test_two_rows_lost_together_are_both_named(alice: Balance, bob: Balance) -> None:
    first = posted(alice, bob, 555, at(600))
    second = posted(alice, bob, 778, at(600) + timedelta(milliseconds=3))
    shift(alice.pk, debit=-1_333, version=-2)
    assert (best(alice).cause, set(best(alice).rows)) == ("lost_update", {first.pk, second.pk})


def test_a_half_applied_transaction_is_one_that_the_other_balance_has(alice: Balance, bob: Balance) -> None:
    shift(bob.pk, credit=-4_001, version=-1)
    found = best(bob)
    assert (found.cause, found.rows) == ("half_applied", (row_of(4_001).pk,))
    assert alice.pk in found.sentence


def test_a_row_without_effect_is_one_that_both_balances_lack(alice: Balance, bob: Balance) -> None:
    row = world.row("APPLIED", 606, alice, bob, created_at=at(800), effective_date=at(800))
    assert {each.cause for each in why(alice, bob)} == {"row_without_effect"}
    assert best(bob).rows == (row.pk,)


def test_a_retry_is_told_by_its_reference(alice: Balance, bob: Balance) -> None:
    first = posted(alice, bob, 606, at(800), reference="rent-may")
    when = {"created_at": at(802), "effective_date": at(802)}
    retry = world.row("APPLIED", 606, alice, bob, reference="rent-may-retry", **when)
    found = best(alice)
    assert (found.cause, found.rows) == ("duplicate_payment", (retry.pk, first.pk))


def test_a_row_counted_twice_is_named(alice: Balance, bob: Balance) -> None:
    shift(alice.pk, debit=7_013, version=1)
    found = best(alice)
    assert (found.cause, found.rows, found.certainty) == ("counted_twice", (row_of(7_013).pk,), "likely")


@pytest.mark.parametrize(("status", "cause"), [("REJECTED", "rejected_but_applied"), ("QUEUED", "effect_without_row")])
def test_a_row_that_never_was_applied_stands_in_the_totals(
    alice: Balance, bob: Balance, status: str, cause: str
) -> None:
    row = world.row(status, 812, alice, bob, created_at=at(900), effective_date=at(900))
    shift(alice.pk, debit=812, version=1)
    found = best(alice)
    assert (found.cause, found.rows) == (cause, (row.pk,))


def test_a_commit_without_a_row_names_the_hold(alice: Balance, bob: Balance) -> None:
    hold = held(alice, bob, 900, at(900))
    shift(alice.pk, debit=900, inflight_debit=-900, version=1)
    found = best(alice)
    assert (found.cause, found.rows) == ("effect_without_row", (hold.pk,))


@pytest.mark.parametrize("how", ["VOID", "APPLIED"])
def test_a_hold_released_twice_in_the_totals(alice: Balance, bob: Balance, how: str) -> None:
    hold = held(alice, bob, 900, at(900))
    child = settled(hold, how, 900, at(950))
    shift(alice.pk, inflight_debit=-900)
    found = best(alice)
    assert (found.cause, found.rows) == ("hold_released_twice", (hold.pk, child.pk))


def test_two_void_children_of_one_hold(alice: Balance, bob: Balance) -> None:
    hold = held(alice, bob, 900, at(900))
    first = settled(hold, "VOID", 900, at(950))
    second = world.row("VOID", 900, alice, bob, parent_transaction=hold.pk, created_at=at(951))
    found = best(alice)
    assert (found.cause, found.rows) == ("hold_released_twice", (hold.pk, first.pk, second.pk))
    assert "2 VOID children" in found.sentence


@pytest.mark.parametrize("how", ["VOID", "APPLIED"])
def test_a_hold_that_was_not_released(alice: Balance, bob: Balance, how: str) -> None:
    hold = held(alice, bob, 900, at(900))
    child = settled(hold, how, 400, at(950))
    shift(bob.pk, inflight_credit=400)
    found = best(bob)
    assert (found.cause, found.rows) == ("hold_not_released", (hold.pk, child.pk))


def test_a_commit_that_is_missing_wholly_is_off_on_both_its_sides(alice: Balance, bob: Balance) -> None:
    hold = held(alice, bob, 900, at(900))
    child = settled(hold, "APPLIED", 400, at(950))
    shift(bob.pk, credit=-400, inflight_credit=400, version=-1)
    found = best(bob)
    assert (found.cause, found.rows, found.drift) == (
        "half_applied",
        (child.pk,),
        Drift(credit=-400, inflight_credit=400),
    )


def test_a_row_on_the_wrong_side(alice: Balance, bob: Balance) -> None:
    shift(alice.pk, debit=-2_503, credit=2_503)
    found = best(alice)
    assert (found.cause, found.rows, found.certainty) == ("wrong_sign", (row_of(2_503).pk,), "strong")


def test_a_row_taken_off_instead_of_added(alice: Balance, bob: Balance) -> None:
    shift(alice.pk, debit=-2 * 2_503)
    assert (best(alice).cause, best(alice).rows) == ("wrong_sign", (row_of(2_503).pk,))


@pytest.mark.parametrize("units", [99 * 2_500, 25 - 2_500])
def test_a_row_off_by_its_precision(alice: Balance, bob: Balance, units: int) -> None:
    row = posted(alice, bob, 2_500, at(700))
    shift(alice.pk, debit=units)
    assert (best(alice).cause, best(alice).rows) == ("precision_factor", (row.pk,))


def test_totals_that_are_a_hundred_times_too_large(alice: Balance, bob: Balance) -> None:
    total = world.totals(bob)["credit_balance"]
    shift(bob.pk, credit=total * 99)
    assert best(bob).cause == "precision_factor"
    assert "exactly 100 times" in best(bob).sentence


def test_legacy_rows_without_their_precision(alice: Balance, bob: Balance) -> None:
    rows = [
        world.row("APPLIED", None, alice, bob, amount=amount, created_at=at(900), effective_date=at(900))
        for amount in (12, 17)
    ]
    for balance, side in ((alice, "debit"), (bob, "credit")):
        shift(balance.pk, **{side: 29}, version=2)
        found = best(balance)
        assert (found.cause, set(found.rows)) == ("precision_factor", {row.pk for row in rows})


def test_rounding_needs_rows_that_were_rounded(alice: Balance, bob: Balance) -> None:
    shift(alice.pk, debit=-2)
    assert why(alice)[0].cause == "unexplained"
    rows = [posted(alice, bob, 1_001 + n, at(900 + n), amount=f"10.0{n}5") for n in (0, 1, 2)]
    assert best(alice).cause == "rounding"
    assert set(best(alice).rows) == {row.pk for row in rows}


# The journal, records and snapshots.


def journal(balance: Balance, operation: str = "UPDATE", when: datetime | None = None, **by: int) -> BalanceEdit:
    after = {f"{side}_balance": by.get(side, 0) for side in SIDES}
    return BalanceEdit.objects.create(
        balance_id=balance.pk,
        operation=operation,
        edited_at=when or datetime.now(UTC) - timedelta(minutes=1),
        old=None if operation == "INSERT" else dict.fromkeys(after, 0),
        new=after,
        database_user="root",
        client_address="10.0.0.7",
        application_name="psql",
        backend_pid=4711,
    )


def test_an_edit_of_a_total_is_a_fact_with_its_author(alice: Balance, bob: Balance) -> None:
    shift(alice.pk, credit=100_000)
    edit = journal(alice, credit=100_000)
    found = best(alice)
    assert (found.cause, found.certainty) == ("edited_total", "certain")
    assert "root from 10.0.0.7 through psql" in found.sentence
    assert why(alice)[0].first_wrong_at == edit.edited_at


def test_an_edit_and_a_lost_row_are_told_apart(alice: Balance, bob: Balance) -> None:
    shift(alice.pk, credit=300, debit=-4_001 + 50, version=-1)
    journal(alice, credit=300, debit=50)
    [found] = why(alice)
    assert [each.cause for each in found.explanations] == ["half_applied", "edited_total"]
    assert found.unexplained == 0


def test_postings_of_a_foreign_writer_are_not_taken_for_edits(alice: Balance, bob: Balance) -> None:
    row = posted(alice, bob, 321, datetime.now(UTC) - timedelta(minutes=1))
    journal(alice, debit=321, when=row.created_at)
    shift(alice.pk, credit=17)
    journal(alice, credit=17)
    assert best(alice).drift == Drift(credit=17)


def test_an_edit_before_the_last_correction_explains_nothing(alice: Balance, bob: Balance) -> None:
    journal(alice, credit=500, when=at(0))
    shift(alice.pk, credit=500)
    reconstruct(alice.pk, world.request())
    shift(alice.pk, credit=777)
    assert why(alice)[0].cause == "unexplained"


def forced(row: Transaction, **new: Any) -> None:
    """Change or delete a row past the guard; the journal sees it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        rows = Transaction.objects.filter(pk=row.pk)
        if new:
            rows.update(**new)
        else:
            rows._raw_delete(rows.db)


@pytest.mark.django_db(transaction=True)
def test_a_deleted_row_is_a_fact_on_both_its_balances(alice: Balance, bob: Balance) -> None:
    row = row_of(2_503)
    forced(row)
    for balance in (alice, bob):
        assert (best(balance).cause, best(balance).rows) == ("deleted_row", (row.pk,))


@pytest.mark.django_db(transaction=True)
def test_an_edited_row_explains_the_change_of_its_amount(alice: Balance, bob: Balance) -> None:
    row = row_of(2_503)
    forced(row, precise_amount=2_000)
    assert (best(alice).cause, best(alice).rows) == ("edited_row", (row.pk,))
    assert best(alice).drift == Drift(debit=503)


@pytest.mark.django_db(transaction=True)
def test_a_deleted_hold_takes_its_commits_along(alice: Balance, bob: Balance) -> None:
    hold = held(alice, bob, 900, at(900))
    settled(hold, "APPLIED", 400, at(950))
    forced(hold)
    assert (best(alice).cause, best(alice).drift) == ("deleted_row", Drift(inflight_debit=500))


def test_a_balance_born_with_totals_was_never_booked(alice: Balance) -> None:
    shift(alice.pk, credit=50_000)
    journal(alice, "INSERT", when=at(-60), credit=50_000)
    posted(alice, world.balance(alice.ledger), 700, at(60))
    assert (best(alice).cause, best(alice).certainty) == ("opening_not_booked", "certain")


def test_a_correction_that_was_written_over_is_back_to_the_unit(alice: Balance, bob: Balance) -> None:
    shift(alice.pk, debit=-4_001, version=-1)
    record = reconstruct(alice.pk, world.request())
    late = posted(alice, bob, 88, datetime.now(UTC))
    shift(alice.pk, debit=-4_001)
    found = best(alice)
    assert (found.cause, found.rows) == ("rebuild_overwritten", (late.pk,))
    assert found.evidence["record"] == record.pk


def snapshot(balance: Balance, when: datetime, last_row: str | None, **totals: int) -> None:
    each = {f"{side}_balance": totals.get(side, 0) for side in SIDES}
    BalanceSnapshot.objects.create(
        balance=balance,
        ledger=balance.ledger,
        currency="USD",
        snapshot_time=when,
        created_at=when,
        last_tx_id=last_row,
        net_balance=totals.get("credit", 0) - totals.get("debit", 0),
        inflight_balance=0,
        **each,
    )


def test_rows_that_were_archived_are_known_by_a_snapshot(alice: Balance, bob: Balance) -> None:
    snapshot(bob, at(-600), "txn_long_gone", credit=9_999, debit=20)
    shift(bob.pk, credit=9_999, debit=20, version=30)
    [found] = why(bob)
    assert (found.cause, found.unexplained, found.blocks) == ("archived_rows", 0, True)


def test_a_rate_that_is_gone_is_likely_and_blocks(alice: Balance) -> None:
    euro = world.balance(alice.ledger, currency="EUR")
    for units in (1_000, 2_000):
        posted(euro, alice, units, at(units))
    shift(alice.pk, credit=330)
    [found] = why(alice)
    assert (found.cause, found.blocks) == ("forgotten_rate", True)
    assert "1.11" in found.explanations[0].sentence


# Since when.


def test_the_window_begins_with_the_last_snapshot_that_was_right(alice: Balance, bob: Balance) -> None:
    snapshot(bob, at(90), None, credit=3_512)
    snapshot(bob, at(2000), None, credit=23_527 - 4_001)
    shift(bob.pk, credit=-4_001, version=-1)
    [found] = why(bob)
    assert found.last_right_at == at(90)
    assert found.first_wrong_at == at(120)  # the row itself is nearer than the snapshot
    shown = explain_balance(bob.pk)
    assert [row.units for row in shown.window] == [4_001]


# How it is done.


def test_the_number_of_statements_does_not_grow_with_the_balances(alice: Balance, bob: Balance) -> None:
    others = [world.balance(alice.ledger) for _ in range(30)]
    for number, other in enumerate(others):
        posted(alice, other, 3_000 + number, at(number))
        shift(other.pk, credit=-3_000 - number, version=-1)
    counts = []
    for chosen in (others[:2], others):
        measured = measure([balance.pk for balance in chosen])
        with CaptureQueriesContext(
            connection,
        ) as queries:
            found = explain(measured)
        assert {each.cause for each in found.values()} == {"half_applied"}
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 17, counts


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {sql}")
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_a_long_history_is_searched_in_the_covering_indexes_alone() -> None:
    owner = world.ledger()
    few = [world.balance(owner) for _ in range(4)]
    many = [world.balance(owner) for _ in range(200)]
    world.many_rows(few, 40_000)
    world.many_rows(many, 40_000, units=101, prefix="other")
    lost = posted(few[0], few[1], 4_321, at(0))
    for each in measure([balance.pk for balance in few[:2]]):
        shift(each.balance_id, credit=each.recalculated.credit_balance, debit=each.recalculated.debit_balance)
        shift(each.balance_id, credit=-each.stored.credit_balance, debit=-each.stored.debit_balance)
        shift(each.balance_id, version=each.credit_rows + each.debit_rows - each.version)
    shift(few[0].pk, debit=-4_321)
    with CaptureQueriesContext(connection) as queries:
        assert best(few[0]).rows == (lost.pk,)
    ours = [
        query["sql"] for query in queries if query["sql"].startswith("-- Purpose") and " transactions" in query["sql"]
    ]
    assert len(ours) >= 8
    plans = {sql.splitlines()[0]: plan_of(sql) for sql in ours}
    read = {title: plan for title, plan in plans.items() if re.search(r"Seq Scan on transactions .*rows=[1-9]", plan)}
    assert not read, read
    rows = next(plan for title, plan in plans.items() if "whose amount is one of those" in title)
    assert "Index Only Scan using applied_debits" in rows
    assert "Heap Fetches: 0" in rows


def test_every_cause_has_words_for_people() -> None:
    assert len(CAUSES) == 29
    assert all(cause.title and cause.description.endswith(".") for cause in CAUSES.values())
    assert len(FAMILIES) == 11


def test_every_line_of_the_ranking_is_the_rank_of_some_proposal() -> None:
    folder = Path(causes.__file__).parent
    proposing = "".join(path.read_text() for path in folder.glob("*.py") if path.name != "ranking.py")
    taken = set(re.findall(r"\bRank\.([A-Z_]+)", proposing)) | {rank.name for rank in OF_COMMIT.values()}
    assert taken == set(Rank.__members__)
    assert not re.search(r"\brank=\d", proposing)


def test_what_stands_first_in_the_ranking_is_chosen() -> None:
    every = [Explanation("x", "", Drift(credit=-7), Certainty.LIKELY, rows=(each.name,), rank=each) for each in Rank]
    assert [each.rows for each in choose(Drift(credit=-7), every)[0]] == [("CORRECTION_OVERWRITTEN",)]
    assert [each.rows for each in choose(Drift(credit=-7), every[1:])[0]] == [("BEFORE_ALL_ROWS",)]


UNITS = st.integers(-(10**30), 10**30)
DRIFTS = st.builds(Drift, UNITS, UNITS, UNITS, UNITS)


@given(DRIFTS, st.lists(st.tuples(DRIFTS, st.integers(0, 5), st.sampled_from(Certainty))))
def test_what_is_chosen_and_what_is_left_make_up_the_drift(
    rest: Drift, given: list[tuple[Drift, int, Certainty]]
) -> None:
    proposals = [Explanation("x", "", drift, certainty, rank=rank) for drift, rank, certainty in given]
    sides = [Explanation("y", "", Drift(credit=rest.credit), Certainty.LIKELY, rank=3)] if rest.credit else []
    chosen, _, left = choose(rest, proposals + sides)
    assert sum((each.drift for each in chosen), left) == rest
    assert left.gross + sum(each.drift.gross for each in chosen) == rest.gross
    assert all(each.counts for each in chosen)
