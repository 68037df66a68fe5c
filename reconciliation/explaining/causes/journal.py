"""What the edit journal saw change past the ledger. These are facts: they are subtracted, not guessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from balances.ground import amounts
from balances.models import Transaction
from reconciliation.explaining.case import Case
from reconciliation.explaining.causes.number_changes import amounts_to, totals_amount_to
from reconciliation.explaining.drift import SIDES, Drift
from reconciliation.explaining.explanation import Cause, Certainty, Explanation
from reconciliation.explaining.observations import Status
from reconciliation.measuring import units
from reconciliation.models import BalanceEdit, TransactionEdit

CAUSES = (
    Cause(
        "edited_total",
        "Stored total edited",
        "The stored totals were changed in SQL, without a posting. The edit journal has when, by whom and from where.",
    ),
    Cause(
        "edited_row",
        "Transaction edited",
        "A transaction was changed by force after it was posted; the totals still have its old effect.",
        blocks=True,
    ),
    Cause(
        "deleted_row",
        "Transaction deleted",
        "A transaction was deleted by force; its effect is still in the stored totals. It can be booked again from the "
        "edit journal, which leaves the totals as they are.",
        blocks=True,
    ),
    Cause(
        "opening_not_booked",
        "Opening balance or import never booked",
        "The balance was created with totals that no transaction accounts for. Rebuilding would drop them.",
        blocks=True,
    ),
)
A_POSTING_TAKES = timedelta(seconds=5)
"""Time within which a foreign writer writes a row and the total."""


def facts(case: Case) -> list[Explanation]:
    """Return what the journal knows since the balance was last right. The caller subtracts their drift."""
    since = case.last_right.at if case.last_right else None
    edits = [edit for edit in case.edits if since is None or edit.edited_at > since]
    found = [*_openings(case, edits), *_edits_of_totals(case, edits)]
    by_row: dict[str, list[TransactionEdit]] = {}
    for edit in case.row_edits:
        if since is None or edit.edited_at > since:
            by_row.setdefault(edit.transaction_id, []).append(edit)
    return found + [fact for edits_of_row in by_row.values() if (fact := _edits_of_row(case, edits_of_row))]


def stored_change(edit: BalanceEdit) -> Drift:
    """Return by how much an edit moved the stored totals."""
    old, new = edit.old or {}, edit.new or {}
    return Drift(**{side: _units(new, f"{side}_balance") - _units(old, f"{side}_balance") for side in SIDES})


def _units(totals: dict[str, Any], name: str) -> int:
    return units(Decimal(totals.get(name) or 0))


def _who(edit: BalanceEdit | TransactionEdit) -> str:
    where = f" from {edit.client_address}" if edit.client_address else ""
    through = f" through {edit.application_name}" if edit.application_name else ""
    return f"by database user {edit.database_user}{where}{through} on {edit.edited_at:%Y-%m-%d %H:%M:%S} UTC"


def _evidence(edit: BalanceEdit | TransactionEdit) -> dict[str, Any]:
    return {
        "edited_at": edit.edited_at.isoformat(),
        "database_user": edit.database_user,
        "client_address": edit.client_address,
        "application_name": edit.application_name,
        "backend_pid": edit.backend_pid,
    }


def _openings(case: Case, edits: list[BalanceEdit]) -> Iterator[Explanation]:
    """Find balances that were created with totals before any row existed: opened, or imported, and never booked."""
    births = {point.at for point in case.points if point.source == "birth" and not point.rows}
    for edit in edits:
        if edit.operation == BalanceEdit.Operation.INSERT and edit.edited_at in births and stored_change(edit):
            yield Explanation(
                "opening_not_booked",
                f"The balance was created with totals {_who(edit)}, and no transaction accounts for them.",
                stored_change(edit),
                Certainty.CERTAIN,
                evidence=_evidence(edit),
                since=edit.edited_at,
            )


def _edits_of_totals(case: Case, edits: list[BalanceEdit]) -> Iterator[Explanation]:
    """Explain all edits together, for the totals hold them all; those of foreign writers with a row are postings."""
    changes = [edit for edit in edits if edit.operation == BalanceEdit.Operation.UPDATE and stored_change(edit)]
    if sum((stored_change(edit) for edit in changes), Drift()) != case.drift:
        changes = [edit for edit in changes if not _left_a_row(case, edit)]
    drift = sum((stored_change(edit) for edit in changes), Drift())
    if not drift or not drift.is_finite:
        return  # by how much a total was moved cannot be known after NaN or infinity
    times = "" if len(changes) == 1 else f" {len(changes)} times, last"
    words = _totals_amount_to(changes[0]) if len(changes) == 1 else ""
    yield Explanation(
        "edited_total",
        f"The stored totals were changed in SQL{times} {_who(changes[-1])}, without a posting"
        + (f": {words}." if words else "."),
        drift,
        Certainty.CERTAIN,
        evidence={
            "edits": [_evidence(edit) | {"amounts_to": _totals_amount_to(edit)} for edit in changes[-10:]],
            "count": len(changes),
        },
        since=changes[0].edited_at,
    )


def _totals_amount_to(edit: BalanceEdit) -> str:
    old, new = ({side: _units(totals or {}, f"{side}_balance") for side in SIDES} for totals in (edit.old, edit.new))
    return totals_amount_to(old, new)


def _left_a_row(case: Case, edit: BalanceEdit) -> bool:
    change = stored_change(edit)
    return any(
        row.effect == change and abs(row.created_at - edit.edited_at) <= A_POSTING_TAKES
        for row in case.rows
        if row.status in (Status.APPLIED, Status.INFLIGHT, Status.VOID)
    )


def _edits_of_row(case: Case, edits: list[TransactionEdit]) -> Explanation | None:
    """Compare a row as it was before its first change with what it is now: it may have been restored since."""
    old, edit, present = edits[0].old or {}, edits[-1], case.family.get(edits[0].transaction_id)
    drift = _effect(case, old) - _effect(case, _as_journaled(present) if present else None)
    if not drift or not drift.is_finite:
        return None
    was = f"{edit.transaction_id} ({old.get('reference')}, {old.get('status')})"
    deleted = present is None
    what = "deleted" if deleted else "changed"
    words = _row_amounts_to(old, _as_journaled(present)) if present else _was(old)
    return Explanation(
        "deleted_row" if deleted else "edited_row",
        f"Transaction {was} was {what} {_who(edit)}"
        + (f": {words}. The totals still have its old effect." if words else "; the totals still have its old effect."),
        drift,
        Certainty.CERTAIN,
        rows=(edit.transaction_id,),
        evidence=_evidence(edit) | {"old": old} | ({} if deleted else {"new": edit.new, "amounts_to": words}),
        since=edits[0].edited_at,
    )


def _was(old: dict[str, Any]) -> str:
    """Return in words what a deleted row moved."""
    return f"it moved {row_units(old):,} from {old.get('source') or 'nowhere'} to {old.get('destination') or 'nowhere'}"


def _row_amounts_to(old: dict[str, Any], present: dict[str, Any]) -> str:
    """Return in words which of the columns that move money were changed, and by what rule the amount was."""
    changed = [
        f"its {column} was {old.get(column) or 'nothing'} and is {present.get(column) or 'nothing'}"
        for column in ("status", "source", "destination", "parent_transaction")
        if (old.get(column) or "") != (present.get(column) or "")
    ]
    was, amount = row_units(old), row_units(present)
    if was != amount:
        words = amounts_to(was, amount)
        changed.append(f"its amount was {was:,} and is {amount:,}" + (f", {words}" if words else ""))
    return "; ".join(changed)


def _as_journaled(row: Transaction) -> dict[str, Any]:
    """Return a row as the journal writes one."""
    return {field.column: getattr(row, field.attname) for field in row._meta.concrete_fields}


def _effect(case: Case, row: dict[str, Any] | None) -> Drift:
    """Return what a row adds to the recalculated totals of this balance, less what its commits subtract."""
    if not row:
        return Drift()
    status, moved = row.get("status"), row_units(row)
    drift = Drift()
    for column, side, effect in (("source", "debit", moved), ("destination", "credit", _credited(row, moved))):
        if row.get(column) == case.balance_id:
            if status == Status.APPLIED:
                taken = {f"inflight_{side}": -effect} if _settles(case, row) else {}
                drift += Drift(**{side: effect} | taken)
            elif status in (Status.INFLIGHT, Status.VOID):
                drift += Drift.on(f"inflight_{side}", effect if status == Status.INFLIGHT else -effect)
    return drift + (_commits_of(case, row) if status == Status.INFLIGHT else Drift())


def _credited(row: dict[str, Any], moved: int) -> int:
    """Return what a row credits: in the journal of an adopted database it may have an exchange rate."""
    rate = row.get("rate")
    return moved if rate is None or row.get("status") == Status.VOID else amounts.at_rate(moved, float(rate))


def row_units(row: dict[str, Any]) -> int:
    """Return the minor units of a journaled row, as the measuring statement counts them."""
    if row.get("precise_amount") is not None:
        return units(Decimal(row["precise_amount"]))
    scaled = Decimal(row.get("amount") or 0) * Decimal(row.get("precision") or 1)
    return units(scaled.quantize(Decimal(1), ROUND_HALF_UP) if scaled.is_finite() else scaled)


def _settles(case: Case, row: dict[str, Any]) -> bool:
    parent = case.family.get(row.get("parent_transaction") or "")
    if parent is None:
        return _parent_was_hold(case, row)
    if parent.status == Status.QUEUED:
        held = any(
            child.parent_transaction == parent.pk and child.status == Status.INFLIGHT for child in case.family.values()
        )
        return held and row.get("reference") != f"{parent.reference}_q"
    return parent.status == Status.INFLIGHT


def _parent_was_hold(case: Case, row: dict[str, Any]) -> bool:
    """Return whether the parent is gone, and was a hold while this row was there."""
    return any(
        (edit.old or {}).get("status") == Status.INFLIGHT
        for edit in case.row_edits
        if edit.transaction_id == row.get("parent_transaction")
    )


def _commits_of(case: Case, hold: dict[str, Any]) -> Drift:
    """Return what the commits of a hold subtract: they count against inflight only while the hold is there."""
    drift = Drift()
    for child in case.family.values():
        if child.parent_transaction == hold.get("transaction_id") and child.status == Status.APPLIED:
            units = int(child.precise_amount or 0)
            drift += Drift(
                inflight_debit=-units if child.source_id == case.balance_id else 0,
                inflight_credit=-units if child.destination_id == case.balance_id else 0,
            )
    return drift


def related_ids(edits: list[TransactionEdit]) -> tuple[set[str], set[str]]:
    """Return the ids of rows that matter, edited ones and their parents, and of those whose children do."""
    rows: list[dict[str, Any]] = [row for edit in edits for row in (edit.old, edit.new) if row]
    parents = {str(row["parent_transaction"]) for row in rows if row.get("parent_transaction")}
    edited = {edit.transaction_id for edit in edits}
    return parents | edited, edited | parents
