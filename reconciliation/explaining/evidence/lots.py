"""Finds lots, rows of one amount and moment, that several balances count once instead of once for each row."""

from __future__ import annotations

from balances.ground import Statement
from reconciliation.explaining.case import Case
from reconciliation.explaining.drift import OTHER_SIDE, Drift
from reconciliation.explaining.evidence.peers import Peers
from reconciliation.explaining.observations import Lot
from reconciliation.measuring import units

LOTS = Statement.beside(__file__, "lots.sql")
MOST_LINES = 10_000
"""The most rows of a balance among which lots are looked for."""


def find_lots(known: dict[str, Case], peers: Peers) -> None:
    """Find lots where one imported side lacks something; other balances are looked up only where the hub fits."""
    wanted = [
        (case.balance_id, side, -value)
        for case in known.values()
        if case.imported and len(case.rest.sides) == 1 and case.rows_seen <= MOST_LINES
        for side, value in case.rest.sides.items()
        if side in OTHER_SIDE and value < 0
    ]
    ids, sides, missing = zip(*wanted, strict=True) if wanted else ((), (), ())
    found: list[tuple[str, Lot]] = []
    for row in LOTS.rows(balance_ids=list(ids), sides=list(sides), missing=list(missing)) if wanted else ():
        lot = Lot(row["hub"], row["hub_side"], units(row["units"]), tuple(row["rows"]), tuple(row["others"]))
        found.append((row["balance_id"], lot))
    hubs = peers({lot.hub for _, lot in found}) if found else {}
    fitting = [
        (balance_id, lot) for balance_id, lot in found if getattr(hubs.get(lot.hub, Drift()), lot.hub_side) == lot.drift
    ]
    if not fitting:
        return
    lines = peers({other for _, lot in fitting for other in lot.others if other})
    for balance_id, lot in fitting:
        case = known[balance_id]
        case.lots.append(lot)
        case.peers = case.peers | hubs | lines
