"""Lots, several payments that a bank books as one, whose total an importer wrote into each of their lines."""

from __future__ import annotations

from collections.abc import Iterator

from reconciliation.explaining.case import Case
from reconciliation.explaining.causes.ranking import Rank
from reconciliation.explaining.drift import OTHER_SIDE, Drift
from reconciliation.explaining.explanation import Cause, Certainty, Explanation

CAUSES = (
    Cause(
        "lot_total",
        "Total of a lot in each line",
        "Several payments came as one lot, and each transaction has the amount of the whole lot. The totals hold what "
        "the payments were; rebuilding would count the lot once for each line.",
        blocks=True,
    ),
)


def propose(case: Case) -> Iterator[Explanation]:
    """Propose each lot that its rows count once for each line and the totals once, on both ends."""
    for lot in case.lots:
        line_side = OTHER_SIDE[lot.hub_side]
        lacking = [getattr(case.peers.get(other, Drift()), line_side) for other in lot.others]
        there = getattr(case.peers.get(lot.hub, Drift()), lot.hub_side)
        shares = all(-lot.units < each <= 0 for each in lacking)
        if there != lot.drift or sum(lacking) != lot.drift or not shares:
            continue
        side = lot.hub_side if lot.hub == case.balance_id else line_side
        yield Explanation(
            "lot_total",
            f"{len(lot.rows)} transactions of one moment on balance {lot.hub} have {lot.units} each. Its stored "
            f"{lot.hub_side} has that once, and so have the stored {line_side}s of the other balances together: it is "
            "the total of a lot, written into each of its lines.",
            case.rest.only(side),
            Certainty.STRONG,
            rows=lot.rows,
            evidence={"lot": lot.units, "lines": len(lot.rows), "balance": lot.hub, "counterparties": list(lot.others)},
            rank=Rank.LOT_TOTAL,
        )
