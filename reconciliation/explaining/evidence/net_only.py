"""Finds ledgers whose source kept only nets, by the sides on which their balances drift."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from balances.ground import Statement
from reconciliation.explaining.case import Case
from reconciliation.explaining.drift import OTHER_SIDE

ONE_SIDED = Statement.beside(__file__, "one_sided.sql")
ONE_SIDE = {(True, False, False), (False, True, False)}
NET_ONLY = 10
"""Balances that must drift on one side of a ledger, and none on another, to show that its source kept only nets."""


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
