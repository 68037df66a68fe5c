"""What an explanation must not blame: rows that the totals contain, and causes for which nothing speaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from balances.models import Balance, Transaction
from reconciliation.drill.damage import shift
from reconciliation.drill.riddles import silenced
from reconciliation.explaining.service import Explained, explain, explain_balance
from reconciliation.measuring.measurement import measure
from tests import world
from tests.reconciliation.test_explaining import at, held, posted, settled, why
from tests.reconciliation.test_witness import force, unseen

pytestmark = pytest.mark.django_db(transaction=True)
BALANCES = "indicator,currency,credit_balance,debit_balance,balance,created_at"
ROWS = "reference,source,destination,precise_amount,precision,currency,effective_date"


def imported(folder: Path, totals: str, rows: str) -> dict[str, Explained]:
    """Import ``@name credit debit`` and ``reference from to units day`` a line, and explain what drifts."""
    lines = [line.split() for line in totals.strip().splitlines()]
    stated = [f"{n},EUR,{c},{d},{int(c) - int(d)},2026-01-01T00:00:00Z" for n, c, d in lines]
    given = [line.split() for line in rows.strip().splitlines()]
    moved = [f"{r},{a},{b},{u},100,EUR,2026-02-{int(day):02}T10:00:00Z" for r, a, b, u, day in given]
    (folder / "b.csv").write_text("\n".join([BALANCES, *stated]))
    (folder / "t.csv").write_text("\n".join([ROWS, *moved]))
    call_command("import_ledger", balances=folder / "b.csv", transactions=folder / "t.csv", ledger="Books")
    ids = list(Balance.objects.values_list("pk", flat=True))
    found = explain([each for each in measure(ids) if each.has_drift])
    return {str(each.measurement.indicator): each for each in found.values()}


def row(reference: str) -> str:
    return Transaction.objects.get(reference=reference).pk


# A net that fits is no evidence where the side of the row is right.


@pytest.mark.parametrize(
    ("totals", "rows"),
    [
        (
            "@bank 25000 15000\n@job 0 25000\n@shop 10000 0",
            "p @bank @shop 10000 1\nq @job @bank 20000 2\nr @job @bank 5000 9",
        ),
        ("@bank 1300 2600\n@shop 2600 1300", "pay @bank @shop 1300 1\nrefund @shop @bank 1300 3"),
        (
            "@bank 25000 9000\n@job 0 20000\n@shop 4000 0",
            "q @job @bank 20000 1\nr @bank @shop 4000 2\ns @bank @shop 5000 9",
        ),
    ],
    ids=["one row", "a refund", "the other way"],
)
def test_a_row_that_the_stored_side_contains_is_not_said_to_be_cut_off(tmp_path: Path, totals: str, rows: str) -> None:
    for found in imported(tmp_path, totals, rows).values():
        lacking = [each for each in found.explanations if each.cause == "cut_off"]
        for each in lacking:
            assert all(units < 0 for units in each.drift.sides.values()), each
        if set(found.drift.sides.values()) & {5000, 1300}:
            assert (found.cause, found.explained) == ("unexplained", 0)


def test_the_last_day_is_cut_off_where_the_side_of_its_row_lacks_it(tmp_path: Path) -> None:
    found = imported(tmp_path, "@bank 20000 0\n@job 0 25000", "q @job @bank 20000 2\nr @job @bank 5000 9")
    [best] = found["@bank"].explanations[:1]
    assert (best.cause, best.rows, best.drift.sides) == ("cut_off", (row("r"),), {"credit": -5000})


def test_a_source_that_knew_nets_only_is_told_by_all_its_drift(tmp_path: Path) -> None:
    """Twelve accounts, whose debits were made up to the net: six lack a credit of the last day, six a debit."""
    totals, rows = ["@world 60000 120000"], []
    for number in range(12):
        units, into = 1_000 + number, number % 2 == 0
        totals.append(f"@a-{number} {10_000 + units * into} {units if into else 0}")
        rows.append(f"q-{number} @world @a-{number} 10000 1")
        rows.append(f"r-{number} " + (f"@world @a-{number}" if into else f"@a-{number} @world") + f" {units} 9")
    totals[0] = f"@world {sum(1_000 + n for n in range(1, 12, 2))} {120_000 + sum(1_000 + n for n in range(0, 12, 2))}"
    found = imported(tmp_path, "\n".join(totals), "\n".join(rows))
    assert len(found) == 12
    for number in range(12):
        best = found[f"@a-{number}"].explanations[0]
        assert (best.cause, best.rows) == ("cut_off", (row(f"r-{number}"),))
        assert best.evidence["net_only"]
        assert "its source kept no sides" in best.sentence


# Both ends of one row.


@pytest.mark.parametrize("day", [1, 2, 9])
def test_a_row_that_both_its_balances_lack_is_explained_on_both(tmp_path: Path, day: int) -> None:
    totals = "@eq 0 0\n@bank 42000 9000\n@job 0 42000\n@shop 9000 0"
    rows = f"p @job @bank 42000 1\nr @bank @shop 9000 2\no @eq @bank 33000 {day}"
    found = imported(tmp_path, totals, rows)
    assert {name: each.cause for name, each in found.items()} == dict.fromkeys(("@eq", "@bank"), "row_without_effect")
    assert all(each.explanations[0].rows == (row("o"),) and not each.unexplained for each in found.values())


def test_a_row_cut_off_from_the_books_of_both_its_balances_is_called_that_on_both(tmp_path: Path) -> None:
    totals = "@a 5000 0\n@b 0 5000\n@c 7000 0\n@d 0 7000"
    rows = "p @b @a 5000 1\nq @d @c 7000 1\nlate @b @a 333 9"
    found = imported(tmp_path, totals, rows)
    assert {each.cause for each in found.values()} == {"cut_off"}
    assert {each.explanations[0].rows for each in found.values()} == {(row("late"),)}


# The total of a lot in each of its lines.


@pytest.mark.parametrize("shares", [(32_956, 10_000), (500, 700, 900), (4_000, 4_000, 4_000, 4_000)])
@pytest.mark.parametrize("paid_out", [False, True])
def test_the_total_of_a_lot_in_each_of_its_lines_is_said_on_every_balance(
    tmp_path: Path, shares: tuple[int, ...], *, paid_out: bool
) -> None:
    lot = sum(shares)
    bank = f"@bank 10000 {lot}" if paid_out else f"@bank {lot + 10_000} 0"
    payers = [f"@c-{n} {share} 0" if paid_out else f"@c-{n} 0 {share}" for n, share in enumerate(shares)]
    ends = "@bank @c-{n}" if paid_out else "@c-{n} @bank"
    lines = [f"line-{n} {ends.format(n=n)} {lot} 2" for n in range(len(shares))]
    found = imported(
        tmp_path, "\n".join([bank, "@open 0 10000", *payers]), "\n".join(["o @open @bank 10000 1", *lines])
    )
    assert {name: each.cause for name, each in found.items()} == dict.fromkeys(
        ["@bank", *(f"@c-{n}" for n in range(len(shares)))], "lot_total"
    )
    rows = {row(f"line-{n}") for n in range(len(shares))}
    assert all(
        set(each.explanations[0].rows) == rows and each.blocks and not each.unexplained for each in found.values()
    )


def test_lines_whose_payers_do_not_add_up_to_one_lot_are_not_called_that(tmp_path: Path) -> None:
    rows = "o @open @bank 10000 1\np @c-0 @bank 42956 2\nq @c-1 @bank 42956 2"
    found = imported(tmp_path, "@bank 52956 0\n@open 0 10000\n@c-0 0 32956\n@c-1 0 10001", rows)
    assert "lot_total" not in {each.cause for each in found.values()}


# Named wrongly is worse than not named.


@pytest.fixture
def alice() -> Balance:
    return world.balance(indicator=None)


@pytest.fixture
def bob(alice: Balance) -> Balance:
    bob = world.balance(alice.ledger)
    for number, units in enumerate((1_009, 2_503, 4_001)):
        posted(alice, bob, units, at(60 * number))
    return bob


def test_two_lost_updates_of_one_amount_are_not_called_a_wrong_sign(alice: Balance, bob: Balance) -> None:
    for number in range(2):
        posted(alice, bob, 777, at(1000 + 600 * number))
    shift(alice.pk, debit=-2 * 777)
    [found] = why(alice)
    assert (found.cause, found.unexplained) == ("unexplained", 2 * 777)
    assert {each.certainty for each in found.explanations} == {"possible"}


def test_two_lost_updates_of_one_amount_in_one_moment_are_both_named(alice: Balance, bob: Balance) -> None:
    rows = {posted(alice, bob, 777, at(1000)).pk, posted(alice, bob, 777, at(1000)).pk}
    shift(alice.pk, debit=-2 * 777)
    [found] = why(alice)
    assert (found.cause, set(found.explanations[0].rows)) == ("lost_update", rows)


@pytest.mark.parametrize("change", ["precise_amount = precise_amount + 1", "precise_amount = precise_amount + 3"])
def test_a_row_that_was_raised_in_silence_is_not_called_rounding(alice: Balance, bob: Balance, change: str) -> None:
    changed = Transaction.objects.get(precise_amount=2_503)
    with silenced(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE transactions SET {change} WHERE transaction_id = %s", [changed.pk])
    assert [each.cause for each in why(alice, bob)] == ["unexplained"] * 2


def test_swapped_sides_are_not_called_a_row_that_neither_balance_has(alice: Balance, bob: Balance) -> None:
    posted(alice, bob, 777, at(1000))
    for balance, side, other in ((alice, "debit", "credit"), (bob, "credit", "debit")):
        shift(balance.pk, **{side: -777, other: 777})
    assert [each.cause for each in why(alice, bob)] == ["wrong_sign"] * 2


def test_swapped_sides_that_were_imported_are_not_called_that_either(tmp_path: Path) -> None:
    found = imported(
        tmp_path, "@a 777 5000\n@b 5000 777", "p @a @b 5000 1\nq @a @b 777 2\nr @a @b 300 3\ns @b @a 300 3"
    )
    assert found
    assert "row_without_effect" not in {each.cause for each in found.values()}


def test_what_accounts_for_all_ranks_above_what_accounts_for_half(alice: Balance, bob: Balance) -> None:
    posted(alice, bob, 777, at(1000))
    shift(alice.pk, debit=-777, credit=777)
    [found] = why(alice)
    assert found.explanations[0].drift == found.drift
    assert all(each.drift == found.drift or each.certainty == "possible" for each in found.explanations)


def test_alternatives_are_counted_over_all_that_is_shown(alice: Balance, bob: Balance) -> None:
    posted(alice, bob, 500, at(1000))
    posted(alice, bob, 500, at(2000))
    shift(alice.pk, debit=500, version=1)
    [found] = why(alice)
    shown = {(each.cause, each.rows) for each in found.explanations}
    assert all(each.alternatives >= len(shown) - 1 for each in found.explanations)


# A witness that is not there.


def test_two_payments_that_the_other_balance_has_are_not_called_one(alice: Balance, bob: Balance) -> None:
    rows = {posted(alice, bob, 606, at(800 + n), reference=f"invoice-9{mark}").pk for n, mark in enumerate(("", "-2"))}
    shift(alice.pk, debit=-606, version=-1)
    [found] = why(alice)
    assert found.cause == "half_applied"
    assert {*found.explanations[0].rows, *found.explanations[0].evidence["fits_equally"]} == rows


@pytest.mark.parametrize(("units", "version", "certainty"), [(-900, 0, "likely"), (-900, 1, "strong")])
def test_a_hold_is_released_twice_surely_only_where_that_was_counted(
    alice: Balance, bob: Balance, units: int, version: int, certainty: str
) -> None:
    settled(held(alice, bob, 900, at(900)), "VOID", 900, at(950))
    shift(alice.pk, inflight_debit=units, version=version)
    found = why(alice)[0].explanations[0]
    assert (found.cause, found.certainty) == ("hold_released_twice", certainty)


@pytest.mark.parametrize(("version", "certainty"), [(0, "likely"), (-1, "strong")])
def test_a_hold_is_not_released_surely_only_where_that_was_not_counted(
    alice: Balance, bob: Balance, version: int, certainty: str
) -> None:
    settled(held(alice, bob, 900, at(900)), "VOID", 400, at(950))
    shift(bob.pk, inflight_credit=400, version=version)
    found = why(bob)[0].explanations[0]
    assert (found.cause, found.certainty) == ("hold_not_released", certainty)


@pytest.mark.parametrize(("version", "certainty"), [(-1, "likely"), (-2, "strong")])
def test_more_rows_that_never_arrived_than_the_version_lacks_are_not_surely_all_of_them(
    alice: Balance, bob: Balance, version: int, certainty: str
) -> None:
    posted(alice, bob, 777, at(1000))
    posted(bob, alice, 888, at(2000))
    shift(alice.pk, debit=-777, credit=-888, version=version)
    [found] = why(alice)
    assert [(each.cause, each.certainty) for each in found.explanations if each.counts] == [
        ("half_applied", certainty)
    ] * 2


def test_a_row_is_not_surely_counted_twice_where_an_equal_one_may_be_gone(alice: Balance, bob: Balance) -> None:
    posted(alice, bob, 777, at(1000))
    shift(alice.pk, debit=777, version=1)  # as twice on both, or as a second row of 777 that is gone
    shift(bob.pk, credit=777, version=1)
    for found in why(alice, bob):
        assert (found.cause, found.explanations[0].certainty) == ("counted_twice", "likely")
        assert found.explanations[0].alternatives == 1


def test_two_causes_that_count_and_fit_alike_leave_none_of_them_strong(alice: Balance, bob: Balance) -> None:
    posted(alice, bob, 777, at(1000))
    world.row("REJECTED", 777, alice, world.balance(alice.ledger), created_at=at(1100), effective_date=at(1100))
    shift(alice.pk, debit=777, version=1)
    [found] = why(alice)
    assert (found.explanations[0].certainty, found.explanations[0].alternatives) == ("likely", 1)


@pytest.mark.parametrize("change", ["status = 'SETTLED'", "status = NULL", "destination = NULL", "destination = ''"])
@pytest.mark.parametrize("lost", [0, 345])
def test_a_row_is_not_surely_to_blame_beside_an_equal_one_that_nothing_counts(
    alice: Balance, bob: Balance, change: str, lost: int
) -> None:
    odd, innocent = world.post(alice, bob, 345), world.post(alice, bob, 345)
    with unseen():
        force(f"UPDATE transactions SET {change} WHERE transaction_id = %s", odd.pk)
    shift(alice.pk, debit=-lost)
    for balance in (alice, bob):
        found = explain_balance(balance.pk).explained
        assert not [each for each in found.explanations if each.counts and {odd.pk, innocent.pk} & set(each.rows)]
