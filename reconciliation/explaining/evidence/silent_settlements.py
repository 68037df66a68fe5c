"""Finds settlements that moved other totals than their rows say, as Blnk before 0.15 let them.

It took a settlement off the inflight total of each side, whichever hold that total came from, and where the total was
smaller it did nothing, without a word. So what every row did follows from the rows before it: they are replayed in
their order. A balance with settlements whose hold is gone is left to other causes, for a replay would blame the wrong
row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from balances.ground import Statement, provenance
from reconciliation.explaining.case import Case
from reconciliation.explaining.observations import SilentSettlement
from reconciliation.measuring import units

IN_ORDER = Statement.beside(__file__, "settlements_in_order.sql")


def find_silent_settlements(cases: list[Case]) -> None:
    """Add to each case the settlements that moved other totals than measuring takes them to have moved."""
    found = provenance()
    if found is None or found.silent_until is None or not cases:
        return
    by_id = {case.balance_id: case for case in cases}
    rows = IN_ORDER.rows(balance_ids=list(by_id))
    for balance_id, of_one in groupby(rows, lambda row: str(row["balance_id"])):
        moves = list(of_one)
        if not any(row["is_orphan"] and row["status"] == "VOID" for row in moves):
            settled = [row for row in moves if not row["is_orphan"]]
            by_id[balance_id].silent = list(_replayed(settled, until=found.silent_until))


def _replayed(moves: Iterable[dict[str, Any]], *, until: Any) -> Iterator[SilentSettlement]:
    held: dict[str, int] = defaultdict(int)
    for row in moves:
        side, amount = row["side"], units(row["units"])
        if row["status"] == "INFLIGHT":
            held[side] += amount
            continue
        had_effect = held[side] >= amount or row["created_at"] >= until
        if had_effect:
            held[side] -= amount
        if not (had_effect and row["settles"]):
            yield SilentSettlement(
                transaction_id=row["transaction_id"],
                side=side,
                is_void=row["status"] == "VOID",
                units=amount,
                had_effect=had_effect,
                settles=row["settles"],
                created_at=row["created_at"],
            )
