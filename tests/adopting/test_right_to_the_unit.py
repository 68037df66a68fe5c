"""What every generation of Blnk posted is right here to the unit, and what it left undone is named and not undone."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from typing import Any

import psycopg
import pytest
from django.core.management import call_command

from balances.models import Balance, Transaction
from reconciliation.correcting import IncompleteSource, Request, incomplete, reconstruct, sources
from reconciliation.explaining import explain, explain_many
from reconciliation.measuring import Scope, measure
from reconciliation.models import Finding, Origin
from reconciliation.sweeping import create_sweep, run_sweep
from tests.adopting.conftest import Adopt

SILENT = {"settlement_without_effect", "settled_from_other_holds"}


def ids() -> list[str]:
    return list(Balance.objects.order_by("balance_id").values_list("balance_id", flat=True))


def at_rate(units: int, rate: float) -> int:
    """Credit as Go's big.Float does: the product is rounded to 64 bits, or to those of the amount, then truncated."""
    product = Fraction(rate) * units
    exponent = product.numerator.bit_length() - product.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > product
    scale = Fraction(2) ** (max(64, units.bit_length()) - 1 - exponent)
    return int(Fraction(round(product * scale)) / scale)


def test_credits_at_a_rate_are_those_of_blnks_arithmetic(blnk: Adopt) -> None:
    server = blnk("0.14.5")
    pick = random.Random(7)
    rates = [
        0.29,
        1.1,
        1538.73,
        0.000731,
        0.5,
        3.0,
        2.0**70,
        *(pick.random() * 10.0 ** pick.randrange(-8, 9) for _ in range(50)),
    ]
    cases = [(pick.randrange(1, 10 ** pick.randrange(1, 40)), pick.choice(rates)) for _ in range(3_000)]
    cases += [(100, 0.29), (1_000_000, 0.000731), (60_284, 0.000731), (100, 0.0), (100, 1.0)]
    rows = server.execute(
        "SELECT backoffice.minor_units(u, NULL, 1, r) "
        "FROM unnest(%s::numeric[], %s::float8[]) WITH ORDINALITY AS c (u, r, n) ORDER BY n",
        [[units for units, _ in cases], [rate for _, rate in cases]],
    ).fetchall()
    found = [int(units) for (units,) in rows]
    assert found[-5:] == [28, 730, 44, 100, 100]
    assert found[:-5] == [at_rate(units, rate) for units, rate in cases[:-5]]


def drifting(generation: str, blnk: Adopt) -> dict[str, Any]:
    blnk(generation)
    return {each.measurement.balance_id: each for each in explain_many(ids())}


def test_nothing_drifts_that_nobody_damaged_in_a_database_of_0_15(blnk: Adopt) -> None:
    assert drifting("0.15", blnk) == {}
    assert len(incomplete._of_adopted(ids())) == 21  # the ends of eleven holds that were settled twice


@pytest.mark.parametrize(("generation", "count"), [("0.10.1", 214), ("0.14.5", 36)])
def test_what_drifts_in_an_old_one_is_named_to_the_unit_and_blocked(generation: str, count: int, blnk: Adopt) -> None:
    """230 and 91 differ where rates are ignored; what is left are settlements that had no effect."""
    found = drifting(generation, blnk)
    assert len(found) == count
    assert {each.cause for each in found.values()} <= SILENT
    assert Counter(each.unexplained for each in found.values()) == {0: count}
    assert all(each.blocks for each in found.values())
    gaps = sources([each.measurement for each in found.values()])
    assert all(source.gap for source in gaps.values())


def test_a_credit_at_a_rate_is_not_drift(blnk: Adopt) -> None:
    server = blnk("0.14.5")
    rows = server.execute(
        "SELECT DISTINCT destination FROM blnk.transactions WHERE rate NOT IN (0, 1) AND status = 'APPLIED'"
    ).fetchall()
    rated = [balance_id for (balance_id,) in rows]
    assert len(rated) > 5
    assert {each.cause for each in explain(measure(rated)).values()} <= {"", *SILENT}
    sweep = run_sweep(create_sweep(Scope(everything=True), actor="a", origin=Origin.COMMAND, deep=True).sweep_id)
    assert sweep.not_proved == 0


def test_a_fault_on_top_of_an_old_one_is_found_with_its_own_amount(blnk: Adopt) -> None:
    server = blnk("0.14.5")
    before = {each.measurement.balance_id: each.drift for each in explain_many(ids())}
    target = sorted(before)[0]
    server.execute(
        "UPDATE blnk.balances SET credit_balance = credit_balance + 1000003, balance = balance + 1000003 "
        "WHERE balance_id = %s",
        [target],
    )
    explained = explain(measure([target]))[target]
    assert explained.drift.credit == before[target].credit + 1_000_003
    assert explained.unexplained == 1_000_003
    assert explained.blocks


def without_rates(server: psycopg.Connection[Any]) -> None:
    call_command("adopt", "--remove", "--yes", verbosity=0)
    server.execute("ALTER TABLE blnk.transactions DROP COLUMN rate")
    call_command("adopt", "--yes", verbosity=0)


def found_by(scope: Scope, *, deep: bool = False) -> dict[str, tuple[bool, bool]]:
    """Return for each finding of a sweep whether it drifted and whether it could not be proved, by balance."""
    sweep = run_sweep(create_sweep(scope, actor="a", origin=Origin.COMMAND, deep=deep).sweep_id)
    found = Finding.objects.filter(sweep=sweep)
    said = {each.balance_id: (each.drifted, bool(each.not_proved)) for each in found}
    assert sweep.drifted == sum(drifted for drifted, _ in said.values())
    assert sweep.not_proved == sum(unproved for _, unproved in said.values())
    return said


def test_where_rates_are_gone_balances_that_received_another_currency_are_not_proved(
    blnk: Adopt, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = blnk("0.14.5")
    without_rates(server)
    found = found_by(Scope(everything=True))
    assert found_by(Scope(everything=True), deep=True).items() >= found.items()
    unproved = {balance_id for balance_id, (_, not_proved) in found.items() if not_proved}
    assert not any(found[balance_id][0] for balance_id in unproved)
    named = found_by(Scope(balance_ids=tuple(sorted(unproved))))
    assert named == dict.fromkeys(unproved, (False, True))
    crossed = Transaction.objects.filter(status="APPLIED").exclude(currency=None)
    received = {
        row.destination_id for row in crossed.select_related("destination") if row.currency != row.destination.currency
    }
    assert received
    assert received <= unproved
    monkeypatch.setattr("reconciliation.correcting.rebuilding._require_mode", lambda request: None)
    drifted = [each.balance_id for each in measure(sorted(received)) if each.has_drift]
    assert drifted
    for allow in (False, True):
        with pytest.raises(IncompleteSource, match="at exchange rates that this database no longer has"):
            reconstruct(drifted[0], Request(actor="alice", origin=Origin.API, allow_incomplete=allow))
