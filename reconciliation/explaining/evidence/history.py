"""Opens a case for each balance: its edits, its records, and the moments at which its drift is known."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from balances.ground import Statement
from balances.models import Transaction
from reconciliation.explaining.case import Case
from reconciliation.explaining.causes import journal
from reconciliation.explaining.drift import SIDES, Drift
from reconciliation.explaining.evidence.blnks_journal import take_up_journal
from reconciliation.explaining.observations import Point
from reconciliation.measuring import Measurement, units
from reconciliation.models import BalanceEdit, Break, Finding, Reconstruction, Sweep, TransactionEdit

HISTORY = Statement.beside(__file__, "history.sql")
MOST_EDITS = 20_000
"""Journal entries read for a batch, newest first: of a foreign writer, every posting is journaled."""
SWEEPS_BACK = 50
"""Finished sweeps of everything that are looked at for proof that a balance was right."""


def open_cases(measurements: list[Measurement]) -> list[Case]:
    """Return a case for each balance, with its edits, its records, and the moments at which its drift is known."""
    take_up_journal()
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
    standing = Break.objects.filter(balance_id__in=ids, closed_at=None, state__in=Break.STANDING)
    for each_break in standing.order_by("committed_at", "position"):
        _keep(cases, each_break.balance_id, "breaks", each_break, each_break.committed_at)
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
