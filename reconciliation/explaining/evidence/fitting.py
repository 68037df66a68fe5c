"""Finds rows and holds whose amounts would account for the drift of a balance."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from balances.ground import Statement, loads
from reconciliation.explaining.case import Case
from reconciliation.explaining.causes import journal, wrong_numbers
from reconciliation.explaining.drift import OTHER_SIDE
from reconciliation.explaining.observations import Hold, Row
from reconciliation.measuring import units

FITTING_ROWS = Statement.beside(__file__, "fitting_rows.sql")
FITTING_HOLDS = Statement.beside(__file__, "fitting_holds.sql")
CLOCKS = timedelta(minutes=1)
"""How far the clocks of writers, which date rows, may be ahead of that of the database, which dates measurements."""
MOST_CHANGES = 50
"""Edits of one balance for which a row is looked up: with one, the edit was a posting."""


def find_rows(cases: list[Case]) -> None:
    """Find rows and holds whose amounts would account for the drift, or for edits by foreign writers."""
    wanted: list[tuple[str, int, datetime]] = []
    holds: list[tuple[str, str, int]] = []
    for case in cases:
        until, key = case.measurement.executed_at + CLOCKS, case.balance_id
        fitting = {abs(value) for value in case.rest.sides.values()}
        for side in OTHER_SIDE:
            fitting |= wrong_numbers.amounts(getattr(case.rest, side)) if getattr(case.rest, side) else set()
            if held := getattr(case.rest, f"inflight_{side}"):
                holds.append((key, side, abs(held)))
        changes = [journal.stored_change(edit) for edit in case.edits[-MOST_CHANGES:]]
        fitting |= {abs(value) for change in changes for value in change.sides.values()}
        wanted += [(key, value, until) for value in fitting if value > 0]
    known = {case.balance_id: case for case in cases}
    ids, amounts, until_each = zip(*wanted, strict=True) if wanted else ((), (), ())
    for row in FITTING_ROWS.rows(balance_ids=list(ids), units=list(amounts), until=list(until_each)):
        known[row["balance_id"]].rows.append(as_row(row))
    hold_ids, sides, held_units = zip(*holds, strict=True) if holds else ((), (), ())
    for row in FITTING_HOLDS.rows(balance_ids=list(hold_ids), sides=list(sides), units=list(held_units)):
        known[row["balance_id"]].holds.append(_hold(row))


def as_row(row: dict[str, Any]) -> Row:
    """Return a row of a statement as one of its balances sees it."""
    return Row(
        **row | {"units": units(row["units"]), "precision": row["precision"] or 1, "reference": row["reference"] or ""}
    )


def _hold(row: dict[str, Any]) -> Hold:
    children = {
        name: tuple((child, units(Decimal(amount))) for child, amount in loads(row[name]))
        for name in ("commits", "voids")
    }
    return Hold(**row | children | {"units": units(row["units"])})
