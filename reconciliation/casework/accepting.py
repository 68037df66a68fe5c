"""Accepting what was found: the balance stays as it is, and as wrong as it is, with a reason on record.

An acceptance is about one drift, and about what the checks had found by then. Where the drift becomes another one, or
another check finds something, the finding is open again by itself.
"""

from __future__ import annotations

from typing import Any

from balances.ground import LedgerError, NotFound, approving, atomic_with_lock_limit
from balances.models import TOTALS
from reconciliation.correcting import MAX_REASON, NotPossibleNow, ReasonRequired, ReasonTooLong
from reconciliation.models import Acceptance, Finding, Origin
from reconciliation.records import lock_chain, seal
from reconciliation.sweeping import STANDING, State, drift_stays, state_of, with_state


class FindingNotFound(NotFound):
    """There is no such finding."""

    def __init__(self, finding_id: str) -> None:
        super().__init__(f"Finding with ID '{finding_id}' not found")


class NoAmount(LedgerError):
    """What could not be measured has no drift to accept."""

    text = "The totals are no whole numbers, so there is no drift to accept"
    code = "GEN_VALIDATION_ERROR"


def accept(finding_id: str, actor: str, origin: Origin, reason: str) -> Acceptance:
    """Accept an open finding as it is, and return the sealed record.

    Raises ``FindingNotFound``, ``ReasonRequired``, ``ReasonTooLong``, ``NoAmount``, ``NotPossibleNow`` where the
    finding is not open or already accepted, or what receivers of ``approving`` raise.
    """
    approving.send(sender=Acceptance, actor=actor, requesters=[])
    return _decide(finding_id, Acceptance.Kind.ACCEPTED, actor, origin, reason)


def withdraw(finding_id: str, actor: str, origin: Origin, reason: str) -> Acceptance:
    """Take an acceptance back, so that the finding is open again. Raises as ``accept`` does."""
    return _decide(finding_id, Acceptance.Kind.WITHDRAWN, actor, origin, reason)


def acceptances(balance_id: str) -> list[Acceptance]:
    """Return what was accepted on a balance and taken back again, newest first."""
    return list(Acceptance.objects.filter(balance_id=balance_id))


def _decide(finding_id: str, kind: Acceptance.Kind, actor: str, origin: Origin, reason: str) -> Acceptance:
    if not reason.strip():
        raise ReasonRequired
    if len(reason) > MAX_REASON:
        raise ReasonTooLong
    with atomic_with_lock_limit(durable=True):
        last = lock_chain()  # one decision at a time
        finding = _finding(finding_id)
        _require(finding, kind)
        acceptance = Acceptance.objects.create(kind=kind, actor=actor, origin=origin, reason=reason, **_about(finding))
        if kind == Acceptance.Kind.ACCEPTED and state_of(_finding(finding_id)) != State.ACCEPTED:
            raise NotPossibleNow("What was found is not what is there now: sweep the balance again first.")
        seal([acceptance], last)
    return acceptance


def _finding(finding_id: str) -> Any:
    finding = with_state(Finding.objects.filter(pk=finding_id)).first()
    if finding is None:
        raise FindingNotFound(finding_id)
    return finding


def _require(finding: Any, kind: Acceptance.Kind) -> None:
    state = state_of(finding)
    if kind == Acceptance.Kind.WITHDRAWN:
        if state != State.ACCEPTED:
            raise NotPossibleNow(f"The finding is not accepted, but {state}.")
    elif state not in STANDING or state == State.ACCEPTED:
        raise NotPossibleNow(f"The finding is {state} and cannot be accepted.")
    elif state == State.PLANNED:
        raise NotPossibleNow("The finding is planned: cancel the plan first, or have it applied.")


def _about(finding: Any) -> dict[str, Any]:
    """Return what the acceptance holds for: the drift as it stands, and the checks that found something besides."""
    difference = finding.difference
    stays = drift_stays(finding)
    drift = {total: -getattr(difference, total) if stays else 0 for total in TOTALS}
    if not all(isinstance(units, int) for units in drift.values()):
        raise NoAmount
    found = {each["check"] for each in (*finding.faults, *finding.not_proved, *finding.remarks)}
    whose = {name: getattr(finding, name) for name in ("finding_id", "balance_id", "indicator", "currency")}
    return whose | drift | {"checks": sorted(found)}
