"""Gathers what surrounds rows that fit: overwriters, other balances, the last day, rounding, pairs."""

from __future__ import annotations

from collections import defaultdict

from balances.ground import Statement, loads
from reconciliation.explaining.case import Case
from reconciliation.explaining.causes import sets_of_rows, whole_totals
from reconciliation.explaining.drift import OTHER_SIDE, Drift
from reconciliation.explaining.evidence.fitting import as_row
from reconciliation.explaining.evidence.lots import find_lots
from reconciliation.explaining.evidence.net_only import find_net_only
from reconciliation.explaining.evidence.peers import Peers
from reconciliation.explaining.observations import (
    ForeignCredits,
    Grain,
    LegacyRows,
    Opened,
    Overwriter,
    Pair,
    Row,
    ScalePeers,
)
from reconciliation.measuring import units

OVERWRITERS = Statement.beside(__file__, "overwriters.sql")
FIRST_AFTER = Statement.beside(__file__, "first_after.sql")
LAST_DAY = Statement.beside(__file__, "last_day.sql")
FIRST_ROWS = Statement.beside(__file__, "first_rows.sql")
GRAIN = Statement.beside(__file__, "grain.sql")
LEGACY = Statement.beside(__file__, "legacy.sql")
PAIRS = Statement.beside(__file__, "pairs.sql")
MIRRORS = Statement.beside(__file__, "mirrors.sql")
ODD_ROWS = Statement.beside(__file__, "odd_rows.sql")
SCALE_PEERS = Statement.beside(__file__, "scale_peers.sql")
SMALL = 1_000
"""Drift in minor units below which rounding may account for it."""
READ_WHOLE = 200_000
"""The most rows of a balance that are all read for a hypothesis that needs every one."""


def find_surroundings(cases: list[Case], peers: Peers, sweep_id: str | None) -> None:
    """Find what surrounds rows that fit: what may have overwritten them, other balances, the last day, and so on."""
    suspects = {
        (case.balance_id, row.transaction_id): row for case in cases for row in case.rows if _is_suspect(case, row)
    }
    known = {case.balance_id: case for case in cases}
    found = OVERWRITERS.rows(
        balance_ids=[balance_id for balance_id, _ in suspects], transaction_ids=[row_id for _, row_id in suspects]
    )
    for row in found:
        known[row["balance_id"]].overwriters[row["transaction_id"]] = Overwriter(row["overwriter"], row["apart"])
    drifts = peers({row.other for row in suspects.values() if row.other})
    _find_odd(known, suspects)
    lags = {case.balance_id: case.lag for case in cases}
    for case in cases:
        case.peers, case.peer_lags = drifts, lags
    _find_first_after(known)
    _find_mirrors(cases, sweep_id)
    _find_scale_peers(cases, sweep_id)
    _find_last_day(known)
    find_net_only(cases, sweep_id)
    find_lots(known, peers)
    _find_grain(known)
    _find_pairs(known)
    for row in LEGACY.rows(balance_ids=list(known)):
        known[row["balance_id"]].legacy[row["side"]] = LegacyRows(
            units(row["units"]), units(row["unscaled"]), row["row_count"], tuple(row["rows"])
        )


def _is_suspect(case: Case, row: Row) -> bool:
    return row.effect.fits(case.rest) or row.effect.times(-1).fits(case.rest)


def _find_odd(known: dict[str, Case], suspects: dict[tuple[str, str], Row]) -> None:
    """Find damaged rows, which count nowhere, with the amount of a candidate and on one of its balances."""
    ends = {
        (end, row.units): balance_id
        for (balance_id, _), row in suspects.items()
        if known[balance_id].rows_seen <= READ_WHOLE
        for end in (balance_id, row.other)
        if end
    }
    ids, amounts = map(list, zip(*ends, strict=True)) if ends else ([], [])
    found = ODD_ROWS.rows(balance_ids=ids, units=amounts) if ends else ()
    odd = {(row["balance_id"], units(row["units"])) for row in found}
    for (balance_id, _), row in suspects.items():
        if {(balance_id, row.units), (row.other, row.units)} & odd:
            known[balance_id].odd.add(row.units)


def _find_first_after(known: dict[str, Case]) -> None:
    records = [
        record
        for case in known.values()
        for record in case.corrected
        if Drift.of(record.recalculated, record.previous) == case.rest
    ]
    ids = {(record.balance_id, record.executed_at): record.reconstruction_id for record in records}
    for row in FIRST_AFTER.rows(
        balance_ids=[record.balance_id for record in records], instants=[record.executed_at for record in records]
    ):
        known[row["balance_id"]].after[ids[row["balance_id"], row["instant"]]] = row["transaction_id"]


def _find_mirrors(cases: list[Case], sweep_id: str | None) -> None:
    """Find balances with the same drift on the opposite side: in the findings of a sweep, else among these cases."""
    applied = ((side, value) for case in cases for side, value in case.rest.sides.items() if side in OTHER_SIDE)
    wanted = {(OTHER_SIDE[side], value) for side, value in applied}
    found: dict[tuple[str, int], set[str]] = defaultdict(set)
    if sweep_id is None:
        for case in cases:
            for side, value in case.drift.sides.items():
                found[side, value].add(case.balance_id)
    else:
        ordered = sorted(wanted)
        rows = MIRRORS.rows(
            sweep_id=sweep_id, sides=[side for side, _ in ordered], units=[value for _, value in ordered]
        )
        for row in rows:
            found[row["side"], units(row["units"])].add(row["balance_id"])
    for case in cases:
        case.mirrors = {
            (side, value): found.get((OTHER_SIDE[side], value), set()) - {case.balance_id}
            for side, value in case.rest.sides.items()
            if side in OTHER_SIDE
        }


def _find_scale_peers(cases: list[Case], sweep_id: str | None) -> None:
    """Count the balances of a ledger and currency that a sweep found off by the same factor, and those right."""
    wanted: dict[tuple[str, str, int, bool], list[Case]] = defaultdict(list)
    for case in cases if sweep_id else ():
        if scale := whole_totals.scale_of(case):
            key = (case.measurement.ledger_id, case.measurement.currency, scale.factor, scale.enlarged)
            wanted[key].append(case)
    if not wanted:
        return
    names = ("ledger_ids", "currencies", "factors", "enlarged")
    columns = dict(zip(names, map(list, zip(*wanted, strict=True)), strict=True))
    for row in SCALE_PEERS.rows(sweep_id=sweep_id, **columns):
        for case in wanted[row["ledger_id"], row["currency"], int(row["factor"]), row["enlarged"]]:
            case.scale_peers = ScalePeers(row["balances_alike"], row["balances_right"])


def _find_last_day(known: dict[str, Case]) -> None:
    imported = [case.balance_id for case in known.values() if case.imported]
    for row in LAST_DAY.rows(balance_ids=imported) if imported else ():
        known[row["balance_id"]].recent.append(as_row(row))
    for row in FIRST_ROWS.rows(balance_ids=imported) if imported else ():
        if row["opened_at"] and row["first_at"] and row["opened_at"] < row["first_at"]:
            known[row["balance_id"]].opened = Opened(row["opened_at"], row["first_at"])


def _find_grain(known: dict[str, Case]) -> None:
    """Find how finely amounts are written, where it matters: for drift that is small, in credits, or of a last day."""
    wanted, other_currencies = [], []
    for case in known.values():
        alone = set(case.rest.sides) == {"credit"}
        if case.rows_seen <= READ_WHOLE and case.rest and (case.rest.gross <= SMALL or alone or _may_be_cut(case)):
            wanted.append(case.balance_id)
            other_currencies += [case.balance_id] if alone else []
    for row in GRAIN.rows(balance_ids=wanted, other_currencies=other_currencies):
        case = known[row.pop("balance_id")]
        case.foreign = _foreign(row.pop("other_currency"))
        case.grain = Grain(**row | {"precision": row["precision"] or 1, "rows": tuple(row["rows"] or ())})


def _may_be_cut(case: Case) -> bool:
    return 0 < len(case.recent) <= sets_of_rows.MOST_ROWS


def _foreign(text: str) -> ForeignCredits | None:
    sums = loads(text)
    return ForeignCredits(**sums | {"rows": tuple(sums["rows"])}) if sums["units"] else None


def _find_pairs(known: dict[str, Case]) -> None:
    wanted = [
        (case.balance_id, side, -value)
        for case in known.values()
        if case.rows_seen <= READ_WHOLE
        for side, value in case.rest.sides.items()
        if side in OTHER_SIDE and value < 0
    ]
    ids, sides, amounts = zip(*wanted, strict=True) if wanted else ((), (), ())
    for row in PAIRS.rows(balance_ids=list(ids), sides=list(sides), units=list(amounts)):
        case = known[row.pop("balance_id")]
        case.pairs.append(Pair(units=-getattr(case.rest, row["side"]), **row))
