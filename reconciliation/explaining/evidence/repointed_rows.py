"""Finds rows that one balance lacks and another one has, as if their source or destination was changed."""

from __future__ import annotations

from collections import defaultdict

from balances.ground import Statement
from reconciliation.explaining.case import Case
from reconciliation.explaining.drift import OTHER_SIDE
from reconciliation.explaining.evidence.surroundings import MIRRORS
from reconciliation.explaining.observations import Repointed
from reconciliation.measuring import units

REPOINTED = Statement.beside(__file__, "repointed.sql")
MOST_PAIRS = 5_000
"""The most pairs of balances with opposite drift; with more of them, a pair proves nothing."""


def find_repointed(cases: list[Case], sweep_id: str | None) -> None:
    """Add to each case the rows that would account for its drift and for the opposite one of another balance.

    In a sweep, its findings give such balances; elsewhere only those that are explained together are compared.
    """
    drifts: dict[tuple[str, int], set[str]] = defaultdict(set)
    for case in cases:
        for side, value in case.rest.sides.items():
            drifts[side, value].add(case.balance_id)
    wanted = sorted({(side, -value) for side, value in drifts if side in OTHER_SIDE})
    if sweep_id is not None and wanted:
        found = MIRRORS.rows(
            sweep_id=sweep_id, sides=[side for side, _ in wanted], units=[value for _, value in wanted]
        )
        for row in found:
            drifts[row["side"], units(row["units"])].add(row["balance_id"])
    opposite = {
        (side, value): (formers, drifts.get((side, -value), set()))
        for (side, value), formers in drifts.items()
        if value > 0 and side in OTHER_SIDE
    }
    if not 0 < sum(len(formers) * len(intos) for formers, intos in opposite.values()) <= MOST_PAIRS:
        return
    pairs = [
        (into, former, side, value)
        for (side, value), (formers, intos) in opposite.items()
        for former in formers
        for into in intos
    ]
    into_ids, former_ids, sides, amounts = map(list, zip(*pairs, strict=True))
    known = {case.balance_id: case for case in cases}
    for row in REPOINTED.rows(into_ids=into_ids, former_ids=former_ids, sides=sides, units=amounts):
        for balance_id in (row["into_id"], row["former_id"]):
            if balance_id in known:
                known[balance_id].repointed.append(Repointed(**row))
