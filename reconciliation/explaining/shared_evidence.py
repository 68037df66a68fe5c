"""Finds what only several balances together show: a source that kept only nets, and lots."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from balances.ground import Statement
from reconciliation.explaining.causes import OTHER_SIDE, Case, Drift, Lot
from reconciliation.measuring import units

LOTS = Statement.beside(__file__, "lots.sql")
ONE_SIDED = Statement.beside(__file__, "one_sided.sql")
Peers = Callable[[set[str]], dict[str, Drift]]
ONE_SIDE = {(True, False, False), (False, True, False)}
NET_ONLY = 10
"""Balances that must drift on one side of a ledger, and none on another, to show that its source kept only nets."""
MOST_LINES = 10_000
"""The most rows of a balance among which lots are looked for."""


def find_net_only(cases: list[Case], sweep_id: str | None) -> None:
    """Mark cases of ledgers whose source kept only nets: all drift there is on one and the same side.

    Such a source has one side summed from rows, and the other computed from the net. Errors in sides that were kept
    would be on either; so there must be several, too much and too little, and none on another side.
    """
    imported = [case for case in cases if case.imported and case.rest == case.drift]
    ledgers = {case.measurement.ledger_id for case in imported}
    together: dict[str, Counter[Any]] = defaultdict(Counter)
    for case in cases:
        off = case.drift.sides.keys()
        more = case.drift.credit - case.drift.debit > 0
        kind = ("credit" in off, "debit" in off, bool(off - OTHER_SIDE.keys()), more)
        together[case.measurement.ledger_id][kind] += 1
    swept: dict[str, Counter[Any]] = defaultdict(Counter)
    for row in ONE_SIDED.rows(ledger_ids=sorted(ledgers), sweep_id=sweep_id) if ledgers else ():
        kind = (row["credit"], row["debit"], row["inflight"], row["is_more"])
        swept[row["ledger_id"]][kind] += int(row["balances"])
    for case in imported:
        ledger_id = case.measurement.ledger_id
        seen = together[ledger_id].keys() | swept[ledger_id].keys()
        enough = max(together[ledger_id].total(), swept[ledger_id].total()) >= NET_ONLY
        case.net_only = enough and len(seen) == 2 and len({kind[:3] for kind in seen} & ONE_SIDE) == 1


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
