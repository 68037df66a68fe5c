"""Gathers the evidence about many balances: a fixed number of statements, however many balances there are."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from balances.ground import Statement, loads
from balances.models import Transaction
from reconciliation.explaining.causes import (
    OTHER_SIDE,
    SIDES,
    Case,
    Drift,
    Hold,
    Pair,
    Point,
    Row,
    arithmetic,
    days,
    journal,
    whole,
)
from reconciliation.explaining.shared_evidence import Peers, find_lots, find_net_only
from reconciliation.measuring import Measurement, measure, units
from reconciliation.models import BalanceEdit, Finding, Reconstruction, Sweep, TransactionEdit

FITTING_ROWS = Statement.beside(__file__, "fitting_rows.sql")
FITTING_HOLDS = Statement.beside(__file__, "fitting_holds.sql")
OVERWRITERS = Statement.beside(__file__, "overwriters.sql")
FIRST_AFTER = Statement.beside(__file__, "first_after.sql")
HISTORY = Statement.beside(__file__, "history.sql")
LAST_DAY = Statement.beside(__file__, "last_day.sql")
FIRST_ROWS = Statement.beside(__file__, "first_rows.sql")
GRAIN = Statement.beside(__file__, "grain.sql")
LEGACY = Statement.beside(__file__, "legacy.sql")
PAIRS = Statement.beside(__file__, "pairs.sql")
MIRRORS = Statement.beside(__file__, "mirrors.sql")
ODD_ROWS = Statement.beside(__file__, "odd_rows.sql")
SCALE_PEERS = Statement.beside(__file__, "scale_peers.sql")
MOST_EDITS = 20_000
"""Journal entries read for a batch, newest first: of a foreign writer, every posting is journaled."""
CLOCKS = timedelta(minutes=1)
"""How far the clocks of writers, which date rows, may be ahead of that of the database, which dates measurements."""
SMALL = 1_000
"""Drift in minor units below which rounding may account for it."""
READ_WHOLE = 200_000
"""The most rows of a balance that are all read for a hypothesis that needs every one."""
SWEEPS_BACK = 50
"""Finished sweeps of everything that are looked at for proof that a balance was right."""


def drift_now(balance_ids: set[str]) -> dict[str, Drift]:
    """Measure the drift of other balances."""
    return {each.balance_id: Drift.of(each.recalculated, each.stored) for each in measure(sorted(balance_ids))}


def open_cases(measurements: list[Measurement]) -> list[Case]:
    """Return a case for each balance, with its edits, its records, and the moments at which its drift is known."""
    cases = {}
    for each in measurements:
        drift = Drift.of(each.recalculated, each.stored)
        cases[each.balance_id] = Case(each, drift, drift)
    ids = list(cases)
    for edit in reversed(BalanceEdit.objects.filter(balance_id__in=ids).order_by("-edited_at", "-pk")[:MOST_EDITS]):
        _keep(cases, edit.balance_id, "edits", edit, edit.edited_at)
    for row_edit in reversed(edits_touching(ids).order_by("-edited_at", "-pk")[:MOST_EDITS]):
        ends = {row.get(end) for row in (row_edit.old, row_edit.new) if row for end in ("source", "destination")}
        for balance_id in ends & cases.keys():
            _keep(cases, balance_id, "row_edits", row_edit, row_edit.edited_at)
    for record in Reconstruction.objects.filter(balance_id__in=ids).order_by("-executed_at", "-pk"):
        _keep(cases, record.balance_id, "records", record, record.executed_at)
    _remember(cases)
    _know_families(cases)
    return list(cases.values())


def edits_touching(balance_ids: list[str]) -> QuerySet[TransactionEdit]:
    """Return forced changes of rows that moved these balances before the change, or do after it."""
    new = {f"new_{end}": KeyTextTransform(end, "new") for end in ("source", "destination")}
    since = Q(new_source__in=balance_ids) | Q(new_destination__in=balance_ids)
    return TransactionEdit.objects.alias(**new).filter(
        Q(source__in=balance_ids) | Q(destination__in=balance_ids) | Q(operation="UPDATE") & since
    )


def _keep(cases: dict[str, Case], balance_id: str, name: str, item: Any, at: datetime) -> None:
    """Add an item to a case, unless it is newer than the measurement."""
    case = cases[balance_id]
    if at <= case.measurement.executed_at:
        getattr(case, name).append(item)


def _remember(cases: dict[str, Case]) -> None:
    """Add the moments at which the drift of each balance is known, in order of time."""
    births = [
        (edit.balance_id, edit.edited_at, journal.stored_change(edit))
        for case in cases.values()
        for edit in case.edits
        if edit.operation == BalanceEdit.Operation.INSERT
    ]
    born = {(balance_id, at): stored for balance_id, at, stored in births}
    rows = HISTORY.rows(
        balance_ids=list(cases),
        given_ids=[balance_id for balance_id, _, _ in births],
        given_at=[at for _, at, _ in births],
    )
    for row in rows:
        if row["is_snapshot"]:
            stored = Drift(**{side: units(row[f"{side}_balance"]) for side in SIDES})
        else:
            stored = born[row["balance_id"], row["at"]]
        ought = Drift(**{side: units(row[side]) for side in SIDES})
        point = Point(
            row["at"],
            stored - ought,
            "snapshot" if row["is_snapshot"] else "birth",
            stored,
            int(row["row_count"]),
            row["last_tx_id"],
        )
        cases[row["balance_id"]].points.append(point)
    for case in cases.values():
        undone = {record.undoes for record in case.records}
        for record in case.records:
            if record.reconstruction_id not in undone:
                case.points += _points_of(record)
    _remember_sweeps(cases)
    for case in cases.values():
        case.points = sorted(
            (point for point in case.points if point.at <= case.measurement.executed_at), key=lambda point: point.at
        )


def _points_of(record: Reconstruction) -> list[Point]:
    """Return the drift that a record found, and that a corrected balance was right from then on."""
    found = Drift.of(record.recalculated, record.previous)
    if record.outcome == Reconstruction.Outcome.UNDONE:
        return []
    points = [Point(record.executed_at, found, "record")]
    if record.outcome == Reconstruction.Outcome.CORRECTED:
        points.append(Point(record.executed_at, Drift(), "correction"))
    return points


def _remember_sweeps(cases: dict[str, Case]) -> None:
    """Add the drift in findings; a finished sweep of everything without a finding proved the balance right."""
    found: dict[str, set[str]] = defaultdict(set)
    for finding in Finding.objects.filter(balance_id__in=list(cases)).select_related(None):
        found[finding.sweep_id].add(finding.balance_id)
        drift = Drift.of(finding.recalculated, finding.previous)
        cases[finding.balance_id].points.append(Point(finding.found_at, drift, "finding"))
    proofs = Sweep.objects.filter(state=Sweep.State.FINISHED, measured_all=True, scope__everything=True)
    for sweep in proofs.order_by("-requested_at")[:SWEEPS_BACK]:
        for balance_id in cases.keys() - found[sweep.sweep_id]:
            if sweep.started_at and balance_id <= sweep.cursor:
                cases[balance_id].points.append(Point(sweep.started_at, Drift(), "sweep"))


def _know_families(cases: dict[str, Case]) -> None:
    """Look up rows that were edited as they are now, their parents, and their children."""
    edits = [edit for case in cases.values() for edit in case.row_edits]
    if not edits:
        return
    parents, with_children = journal.related_ids(edits)
    related = Transaction.objects.filter(
        Q(transaction_id__in=parents) | Q(parent_transaction__in=with_children, parent_transaction__gt="")
    )
    family = {row.transaction_id: row for row in related}
    for case in cases.values():
        if case.row_edits:
            case.family = family


def find_rows(cases: list[Case]) -> None:
    """Find rows and holds whose amounts would account for the drift, or for edits by foreign writers."""
    wanted: list[tuple[str, int, datetime]] = []
    holds: list[tuple[str, str, int]] = []
    for case in cases:
        until, key = case.measurement.executed_at + CLOCKS, case.balance_id
        fitting = {abs(value) for value in case.rest.sides.values()}
        for side in OTHER_SIDE:
            fitting |= arithmetic.amounts(getattr(case.rest, side)) if getattr(case.rest, side) else set()
            if held := getattr(case.rest, f"inflight_{side}"):
                holds.append((key, side, abs(held)))
        changes = [journal.stored_change(edit) for edit in case.edits[-MOST_CHANGES:]]
        fitting |= {abs(value) for change in changes for value in change.sides.values()}
        wanted += [(key, value, until) for value in fitting if value > 0]
    known = {case.balance_id: case for case in cases}
    ids, amounts, until_each = zip(*wanted, strict=True) if wanted else ((), (), ())
    for row in FITTING_ROWS.rows(balance_ids=list(ids), units=list(amounts), until=list(until_each)):
        known[row["balance_id"]].rows.append(_row(row))
    hold_ids, sides, held_units = zip(*holds, strict=True) if holds else ((), (), ())
    for row in FITTING_HOLDS.rows(balance_ids=list(hold_ids), sides=list(sides), units=list(held_units)):
        known[row["balance_id"]].holds.append(_hold(row))


MOST_CHANGES = 50
"""Edits of one balance for which a row is looked up: with one, the edit was a posting."""


def _row(row: dict[str, Any]) -> Row:
    return Row(
        **row
        | {
            "units": units(row["units"]),
            "precision": row["precision"] or 1,
            "reference": row["reference"] or "",
            "description": row["description"] or "",
        }
    )


def _hold(row: dict[str, Any]) -> Hold:
    children = {
        name: tuple((child, units(Decimal(amount))) for child, amount in loads(row[name]))
        for name in ("commits", "voids")
    }
    return Hold(**row | children | {"units": units(row["units"])})


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
        known[row["balance_id"]].overwriters[row["transaction_id"]] = (row["overwriter"], row["apart"])
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
        sums = {"units": units(row["units"]), "unscaled": units(row["unscaled"])}
        known[row["balance_id"]].legacy[row["side"]] = row | sums


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
        if scale := whole.scale_of(case):
            key = (case.measurement.ledger_id, case.measurement.currency, scale.factor, scale.enlarged)
            wanted[key].append(case)
    if not wanted:
        return
    names = ("ledger_ids", "currencies", "factors", "enlarged")
    columns = dict(zip(names, map(list, zip(*wanted, strict=True)), strict=True))
    for row in SCALE_PEERS.rows(sweep_id=sweep_id, **columns):
        alike = wanted[row["ledger_id"], row["currency"], int(row["factor"]), row["enlarged"]]
        for case in alike:
            case.scale_peers = {
                name: row[name] for name in ("balances_alike", "balances_right") if row[name] is not None
            }


def _find_last_day(known: dict[str, Case]) -> None:
    imported = [case.balance_id for case in known.values() if case.imported]
    for row in LAST_DAY.rows(balance_ids=imported) if imported else ():
        known[row["balance_id"]].recent.append(_row(row))
    for row in FIRST_ROWS.rows(balance_ids=imported) if imported else ():
        if row["opened_at"] and row["first_at"] and row["opened_at"] < row["first_at"]:
            known[row["balance_id"]].began = (row["opened_at"], row["first_at"])


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
        case.foreign = _exact(row.pop("other_currency"))
        case.grain_rows = row.pop("rows") or []
        case.grain = row | {"precision": row["precision"] or 1}


def _may_be_cut(case: Case) -> bool:
    return 0 < len(case.recent) <= days.MOST_ROWS


def _exact(text: str | None) -> dict[str, Any]:
    return loads(text) or {} if text else {}


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


def drift_in(sweep: Sweep) -> Peers:
    """Return a function for the drift of other balances as a sweep found it; it measures what the sweep did not see."""

    def known(balance_ids: set[str]) -> dict[str, Drift]:
        found = {
            finding.balance_id: Drift.of(finding.recalculated, finding.previous)
            for finding in Finding.objects.filter(sweep=sweep, balance_id__in=balance_ids)
        }
        if sweep.scope.get("everything") and sweep.measured_all:
            return {balance_id: found.get(balance_id, Drift()) for balance_id in balance_ids}
        return found | drift_now(balance_ids - found.keys())

    return known
