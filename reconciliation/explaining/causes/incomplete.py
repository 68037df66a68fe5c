"""Incomplete transactions: archived, an opening never booked, a rate missing. Rebuilding would do damage."""

from __future__ import annotations

from collections.abc import Iterator

from reconciliation.explaining.case import Case
from reconciliation.explaining.causes.ranking import Rank
from reconciliation.explaining.drift import OTHER_SIDE, Drift
from reconciliation.explaining.explanation import Cause, Certainty, Explanation
from reconciliation.explaining.observations import Point

CAUSES = (
    Cause(
        "archived_rows",
        "Rows archived away",
        "Older transactions are no longer here, but the stored totals have them. Rebuilding would drop them.",
        blocks=True,
    ),
    Cause(
        "forgotten_rate",
        "Exchange rate forgotten",
        "Credits came from balances in another currency, at a rate that is no longer stored. Rebuilding would credit "
        "the unconverted amounts.",
        blocks=True,
    ),
)


def propose(case: Case) -> Iterator[Explanation]:
    """Propose incomplete transactions where a snapshot, or the currencies of other balances, are evidence of it."""
    yield from _before_all_rows(case)
    yield from _rate(case)
    yield from _brought_along(case)


def _before_all_rows(case: Case) -> Iterator[Explanation]:
    """Look for a snapshot that is older than every row and holds exactly what is too much now."""
    for point in case.points:
        if point.source != "snapshot" or point.rows or point.stored != case.rest:
            continue
        evidence = {"snapshot_at": point.at.isoformat(), "last_row": point.last_row}
        if _had_rows(case, point):
            yield Explanation(
                "archived_rows",
                f"Every transaction left is newer than the snapshot of {point.at:%Y-%m-%d}, whose totals are exactly "
                "what is too much now: older transactions were archived. Rebuilding would drop them.",
                case.rest,
                Certainty.STRONG,
                evidence=evidence,
                rank=Rank.BEFORE_ALL_ROWS,
            )
        else:
            yield Explanation(
                "opening_not_booked",
                f"The snapshot of {point.at:%Y-%m-%d} is older than every transaction, and its totals are exactly what "
                "is too much now: they were never booked.",
                case.rest,
                Certainty.STRONG,
                evidence=evidence,
                rank=Rank.BEFORE_ALL_ROWS,
            )
        return


def _had_rows(case: Case, point: Point) -> bool:
    """Return whether there were rows: the snapshot names the last one, or ``version`` counted more than there are."""
    return point.last_row is not None or case.measurement.version > 1 + case.rows_seen


def _rate(case: Case) -> Iterator[Explanation]:
    """Propose one rate for all credits from other currencies that makes up the difference."""
    foreign = case.foreign
    if foreign is None or set(case.rest.sides) != {"credit"}:
        return
    ratio = (foreign.units + case.rest.credit) / foreign.units
    if not 0 < ratio <= MOST_RATE:
        return
    yield Explanation(
        "forgotten_rate",
        f"{foreign.row_count} credits came from balances in {foreign.currencies}, at a rate that is no longer stored: "
        f"one of about {ratio:.6g} would account for the difference. Rebuilding would destroy it.",
        Drift(credit=case.rest.credit),
        Certainty.LIKELY,
        rows=foreign.rows,
        evidence={"rate": f"{ratio:.10g}", "rows": foreign.row_count, "units": foreign.units},
        rank=Rank.RATE_FORGOTTEN,
    )


def _brought_along(case: Case) -> Iterator[Explanation]:
    """Propose an opening that no row records, where imported totals are larger than all rows.

    The evidence is that the balance was opened before its first row. Without it this is a hint; so it is where another
    balance has the same excess on its other side, for a missing row between the two would fit as well. A row of this
    amount suggests something else. Where a source knew only nets, too much and too little look alike.
    """
    sides = case.rest.sides
    if not case.imported or case.rest != case.drift or not sides.keys() <= OTHER_SIDE.keys():
        return
    if min(sides.values()) <= 0 or any(row.effect.fits(case.rest) for row in case.rows):
        return
    evidence: dict[str, object] = {"rows": case.rows_seen}
    opened = ""
    if case.opened:
        at, first = case.opened.at, case.opened.first_row_at
        opened = f", and it was opened on {at:%Y-%m-%d}, before its first transaction of {first:%Y-%m-%d}"
        evidence |= {"opened_at": at.isoformat(), "first_row_at": first.isoformat()}
    mirrors = {balance for side in sides.items() for balance in case.mirrors.get(side, ())}
    doubtful = case.net_only or any(row.units in sides.values() for row in case.rows)
    too_much = " and ".join(f"{units:,} more {side}" for side, units in sides.items())
    yield Explanation(
        "opening_not_booked",
        f"The balance was imported with {too_much} than its transactions give{opened}: an opening balance, or earlier "
        "transactions, that no row records.",
        case.rest,
        Certainty.LIKELY if case.opened and not mirrors and not doubtful else Certainty.POSSIBLE,
        evidence=evidence,
        rank=Rank.BROUGHT_ALONG,
    )


MOST_RATE = 1_000_000
"""A rate beyond this is no rate."""
