"""Reconstruction as a service: measure, correct by difference, record. API, admin and commands call these functions.

It is correct while money moves: a posting changes a total and adds its row in one commit, so in every snapshot the
drift is the same (docs/design/reconstruction.md, "Drift"). It is measured without locking a row and taken off in one
UPDATE.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from balances.ground import (
    BalanceNotFound,
    EmptySource,
    LedgerError,
    Mode,
    Statement,
    UnreadableTotals,
    atomic_with_lock_limit,
    require_mode,
)
from balances.models import TOTALS
from balances.posting import Correction, restate_balances
from reconciliation.correcting import beside
from reconciliation.correcting.incomplete import NO_NUMBER, NO_ROWS, RATES_GONE, IncompleteSource, followed, sources
from reconciliation.correcting.policy import require_second_person
from reconciliation.measuring import MEASURED_AT_ONCE, Measurement, chunks, measure
from reconciliation.models import Origin, Reconstruction
from reconciliation.records import seal

SERIALISE = Statement.beside(__file__, "serialise.sql")
CORRECTED_AT_ONCE = 500
"""Balances corrected in one commit: each holds an advisory lock, of which the server has a few thousand."""

PATIENCE = "60s"
"""How long a run over many waits for a balance that another reconstruction or a posting holds."""
MAX_REASON = 1000
"""Longest reason that a record keeps, in characters."""


class ReasonTooLong(LedgerError):
    """A reason is longer than ``MAX_REASON``."""

    text = "A reason has at most 1,000 characters"
    code = "GEN_VALIDATION_ERROR"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request to rebuild balances: by whom, from where, and what is allowed.

    ``allow_empty`` permits totals without rows to become zero, ``allow_incomplete`` to follow transactions that are
    known to be incomplete or damaged, empty ones included. ``leave_result`` writes the result into the
    metadata even where there is no drift, because a client that set the flag waits for it there.
    ``record_each`` leaves a record for each balance of a run over many, not only for those that drifted: balances that
    were named one by one each get an answer.
    """

    actor: str
    origin: Origin
    reason: str = ""
    dry_run: bool = False
    allow_empty: bool = False
    allow_incomplete: bool = False
    leave_result: bool = False
    record_each: bool = False

    def __post_init__(self) -> None:
        """Refuse a reason that no record would keep. Raises ``ReasonTooLong``."""
        if len(self.reason) > MAX_REASON:
            raise ReasonTooLong


@dataclass(frozen=True)
class Rebuilt:
    """The result for one balance of a run over many; ``record`` is set where it drifted, unless it was refused."""

    measurement: Measurement
    record: Reconstruction | None = None
    why_not: str = ""
    """Why the drift was not corrected, or would not be, as a clause."""

    @property
    def refused(self) -> bool:
        """Return whether it was left as it is: its transactions may not be followed, or a number is not whole."""
        return self.record is None and (self.measurement.has_drift or not self.measurement.is_readable)

    @property
    def outcome(self) -> str:
        """Return how the run ended for this balance: an outcome of the record, or ``refused``."""
        if self.record is not None:
            return str(self.record.outcome)
        return "refused" if self.refused else str(Reconstruction.Outcome.NO_DRIFT)


def reconstruct(balance_id: str, request: Request) -> Reconstruction:
    """Rebuild one balance from its transactions, or only preview that, and return the record.

    Raises ``BalanceNotFound``, ``BalanceLocked``, ``UnreadableTotals``, ``EmptySource`` where totals without rows
    would become zero, ``IncompleteSource`` where its transactions are known to be incomplete or damaged, or
    ``SecondPersonNeeded`` where a person requests what the policy leaves to two, with nothing written. Without drift
    only the record is written, and the result if it was requested. Raises ``ModeForbids`` for anything but a preview,
    and beside a Blnk that posts also ``DriftMoves`` and, when it was corrected, ``DriftsAgain``.
    """
    _require_mode(request)
    seen = None if request.dry_run else beside.first_look(_if_beside([balance_id]))
    record = beside.retried(lambda: _reconstructed(balance_id, request, seen))
    corrected = record.outcome == Reconstruction.Outcome.CORRECTED
    if drift := beside.off_again([balance_id] if corrected else []).get(balance_id):
        raise beside.DriftsAgain(balance_id, drift)
    return record


def _if_beside(balance_ids: list[str]) -> list[Measurement]:
    return measure(balance_ids) if beside.is_beside() else []


def _reconstructed(balance_id: str, request: Request, seen: beside.Seen) -> Reconstruction:
    with atomic_with_lock_limit(durable=True):
        measurements = measure([balance_id]) if request.dry_run else _measure_serialised([balance_id])
        if not measurements:
            raise BalanceNotFound(balance_id)
        measurement = measurements[0]
        if not measurement.is_readable:
            raise UnreadableTotals(balance_id)
        if beside.unsteady(seen, measurements):
            raise beside.DriftMoves(balance_id)
        gaps = {} if request.dry_run else _gaps(measurements)
        if gap := _refused(gaps, request).get(balance_id):
            raise EmptySource(balance_id) if gap == NO_ROWS else IncompleteSource(balance_id, gap)
        return _settle(measurements, request, gaps)[0]


def _require_mode(request: Request) -> None:
    if not request.dry_run:
        require_mode(Mode.REPAIR)


def _gaps(measurements: list[Measurement]) -> dict[str, str]:
    """Return, by balance id, why the transactions of balances that drift should not be followed."""
    drifted = [each for each in measurements if each.has_drift]
    return {each: source.gap for each, source in sources(drifted).items() if source.gap}


def _refused(gaps: dict[str, str], request: Request) -> dict[str, str]:
    """Return the gaps that the request does not allow; only Blnk's own flag follows rows whose rates are gone."""
    if request.allow_incomplete:
        return {} if request.leave_result else {each: gap for each, gap in gaps.items() if gap == RATES_GONE}
    return {each: gap for each, gap in gaps.items() if not (request.allow_empty and gap == NO_ROWS)}


def reconstruct_many(balance_ids: Iterable[str], request: Request) -> Iterator[Rebuilt]:
    """Measure many balances set-wise, correct those that drifted, and yield the result for each, in order.

    A record is left for each balance that drifted. Chunks are committed one by one, so an interrupted run
    is complete for every balance it has yielded. Ids that do not exist are left out. Raises ``BalanceLocked``, or
    ``SecondPersonNeeded`` where a person requests what the policy leaves to two, with nothing of that chunk written, or
    ``ModeForbids``.
    """
    _require_mode(request)
    for chunk in chunks(balance_ids, MEASURED_AT_ONCE):
        measurements = measure(chunk)
        seen = None if request.dry_run else beside.first_look(measurements)
        concerned = (each for each in measurements if each.has_drift or not each.is_readable or request.record_each)
        settled: dict[str, Rebuilt] = {}
        for portion in chunks(concerned, beside.at_once(CORRECTED_AT_ONCE)):
            settled |= beside.retried(partial(_settle_concerned, portion, request, seen))
        for measurement in measurements:
            yield settled.get(measurement.balance_id, Rebuilt(measurement))


def _settle_concerned(
    measurements: list[Measurement], request: Request, seen: beside.Seen = None
) -> dict[str, Rebuilt]:
    """Settle a portion in one commit; before anything is corrected it is measured again, serialised."""
    with atomic_with_lock_limit(beside.patience(PATIENCE), durable=True):
        if not request.dry_run:
            measurements = _measure_serialised([each.balance_id for each in measurements])
        unread = {each.balance_id: NO_NUMBER for each in measurements if not each.is_readable}
        gaps = _gaps(measurements)
        against = _refused(gaps, request) | beside.unsteady(seen, measurements) | unread
        left = unread if request.dry_run else against
        wanted = [
            each for each in measurements if (each.has_drift or request.record_each) and each.balance_id not in left
        ]
        records = {record.balance_id: record for record in _settle(wanted, request, gaps)}
    again = {} if request.dry_run else beside.off_again(list(records))
    against |= {balance_id: f"off again right after it was corrected: {drift}" for balance_id, drift in again.items()}
    return {
        each.balance_id: Rebuilt(each, records.get(each.balance_id), against.get(each.balance_id, ""))
        for each in measurements
    }


def _measure_serialised(balance_ids: list[str]) -> list[Measurement]:
    """Measure after every other reconstruction of these balances, and before any that comes later."""
    SERIALISE.rows(balance_ids=balance_ids)
    return measure(balance_ids)


def _settle(measurements: list[Measurement], request: Request, gaps: dict[str, str]) -> list[Reconstruction]:
    """Record each measurement, sealed, and correct what drifted, unless this is a dry run.

    The record of a correction says which of ``gaps`` it ignored. The correction comes last, so that rows of balances
    are locked for one update and the commit.
    """
    if not request.dry_run:
        require_second_person(measurements, request.actor, request.origin)
    records = Reconstruction.objects.bulk_create(
        Reconstruction.of(
            each,
            outcome=_outcome(each, request),
            dry_run=request.dry_run,
            actor=request.actor,
            reason=request.reason,
            origin=request.origin,
            note=""
            if request.dry_run or each.balance_id not in gaps
            else followed(gaps[each.balance_id], by_flag=request.leave_result and not request.allow_incomplete),
        )
        for each in measurements
    )
    seal(records)
    restated = [each for each in measurements if each.has_drift or request.leave_result]
    if restated and not request.dry_run:
        restate_balances([correction(each) for each in restated])
    return records


def correction(measurement: Measurement, *, with_result: bool = True) -> Correction:
    """Return the correction from the stored to the recalculated totals, with the result for the metadata."""
    difference = measurement.difference
    return Correction(
        balance_id=measurement.balance_id,
        result=measurement.result if with_result else None,
        **{total: getattr(difference, total) for total in TOTALS},
    )


def _outcome(measurement: Measurement, request: Request) -> Reconstruction.Outcome:
    if not measurement.has_drift:
        return Reconstruction.Outcome.NO_DRIFT
    return Reconstruction.Outcome.PREVIEWED if request.dry_run else Reconstruction.Outcome.CORRECTED
