"""Sweeps: measure every balance of a scope, chunk by chunk, and write down what is wrong. A sweep changes no balance.

Drift is the same in every snapshot, so chunks need no common one (docs/design/reconstruction.md, "Drift"). No lock is
held while a chunk is measured: a chunk counts only if the sweep is still running and still stands where the chunk
began. So a killed sweep goes on where it stopped, and of two workers on one sweep one gives way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import F

from balances.ground import ONE_SNAPSHOT, LedgerError, NotFound, Statement, is_outage
from balances.models import Balance, now
from reconciliation.checks import CHECKS, FOREIGN, Check, Fault, rates_are_gone
from reconciliation.explaining import evidence, explain_findings
from reconciliation.measuring import (
    MEASURED_AT_ONCE,
    Measurement,
    Scope,
    chunks,
    few_processes,
    long_reads,
    measure,
    trial_balance,
    turn,
)
from reconciliation.models import Finding, Origin, Sweep, SweepChunk
from reconciliation.sweeping.findings import add_faults, findings_of
from reconciliation.sweeping.incidents import group_incidents
from reconciliation.sweeping.open_findings import supersede, supersede_faults

logger = logging.getLogger(__name__)
SCREEN = Statement.beside(__file__, "screen.sql")
SHARE_OF_CORES = Statement.beside(__file__, "share_of_cores.sql")
SNAPSHOT = Statement.beside(__file__, "snapshot.sql")
LOCK_SWEEPS = Statement.beside(__file__, "lock_sweeps.sql")
CHUNK_END = Statement.beside(__file__, "chunk_end.sql")
FIRST_CHUNK, FIRST_GENTLE_CHUNK = 25_000, 500
"""Balances in the first chunk; later ones grow or shrink towards a steady length of work."""
LARGEST_CHUNK, SMALLEST_CHUNK = 100_000, 50
LARGEST_LIST = 1_000
"""Balances in a chunk that are named one by one, because their keys are no range."""
CHUNK_SECONDS = 5.0
"""Work between two commits at full pace: starting the server's parallel processes for each chunk takes time."""
GENTLE_CHUNK_SECONDS = 0.1
"""Work between two pauses of a sweep that leaves most of the machine to others."""
Progress = Callable[[Sweep], None]


class SweepNotFound(NotFound):
    """No sweep has this id."""

    def __init__(self, sweep_id: str) -> None:
        super().__init__(f"Sweep with ID '{sweep_id}' not found")


class SweepRefused(LedgerError):
    """The sweep cannot do that now."""

    code = "GEN_CONFLICT"


@dataclass(frozen=True)
class Chunk:
    """Balances that are measured together: those between two keys, or those named."""

    after: str
    through: str
    size: int
    balance_ids: list[str] | None = None
    looked_at: datetime | None = None
    """An instant before they were measured, where the measurements do not give one."""
    snapshot: str = ""
    """The snapshot in which all of them were measured; the live proof goes on from it."""


def create_sweep(scope: Scope, *, actor: str, origin: Origin, reason: str = "", deep: bool = False) -> Sweep:
    """Create a queued sweep. Raises ``ScopeRefused`` or another ``LedgerError`` of the scope.

    Raises ``SweepRefused`` where one of the same scope is open: both would find the same.
    """
    total = scope.balances().count()
    requested = scope.as_json()
    sweep = Sweep(
        scope=requested,
        checks=[{"check": name, "done": False} for name, check in CHECKS.items() if deep or _is_due(check)],
        actor=actor,
        origin=origin,
        reason=reason,
        total=total,
        out_of_scope=max(Balance.objects.count() - total, 0),
    )
    with transaction.atomic():
        LOCK_SWEEPS.rows()  # of two requests at once the second one sees the sweep of the first
        twin = Sweep.objects.filter(state__in=Sweep.OPEN, scope=requested).first()
        if twin is not None:
            raise SweepRefused(f"Sweep {twin.sweep_id} of {scope} is {twin.state} already; resume or cancel that one.")
        sweep.save(force_insert=True)
    return sweep


def run_sweep(sweep_id: str, *, pace: int = 100, progress: Progress = lambda sweep: None) -> Sweep:
    """Run a sweep, or go on with one, until it is finished, paused or cancelled, and return it.

    ``pace`` is the share of time spent working, in per cent: a sweep beside postings leaves most of it to them.
    ``progress`` is called after every chunk. A refusal ends it as *failed*, any other error as *errored*; both are
    raised, and both can be resumed. Raises ``SweepNotFound`` or ``SweepRefused``.
    """
    sweep = _start(sweep_id)
    try:
        size = FIRST_CHUNK if pace == 100 else FIRST_GENTLE_CHUNK
        while sweep.state == Sweep.State.RUNNING:
            began = time.monotonic()
            done = _step(sweep, size, pace)
            took = time.monotonic() - began
            size = _next_size(size, took, pace)
            progress(find_sweep(sweep_id))
            if done and pace < 100:
                time.sleep(took * (100 - pace) / pace)
            sweep = find_sweep(sweep_id)
    except (KeyboardInterrupt, SystemExit):
        pause_sweep(sweep_id)
        raise
    except Exception as error:
        if is_outage(error):
            raise  # it is running still, for a worker to go on with
        refused = isinstance(error, LedgerError)
        _end(sweep_id, Sweep.State.FAILED if refused else Sweep.State.ERRORED, str(error))
        raise
    return sweep


def pause_sweep(sweep_id: str) -> Sweep:
    """Stop a sweep after its current chunk. Raises ``SweepNotFound``, or ``SweepRefused`` where it has ended."""
    return _move(sweep_id, (Sweep.State.QUEUED, Sweep.State.RUNNING), Sweep.State.PAUSED, "paused")


def resume_sweep(sweep_id: str) -> Sweep:
    """Queue a stopped sweep again; the caller has it run. Raises as ``pause_sweep`` does."""
    stopped = (Sweep.State.PAUSED, Sweep.State.FAILED, Sweep.State.ERRORED)
    return _move(sweep_id, stopped, Sweep.State.QUEUED, "resumed")


def cancel_sweep(sweep_id: str) -> Sweep:
    """End a sweep for good; what it found stays. Raises as ``pause_sweep`` does."""
    stopped = (Sweep.State.FAILED, Sweep.State.ERRORED)
    return _move(sweep_id, (*Sweep.OPEN, *stopped), Sweep.State.CANCELLED, "cancelled")


def find_sweep(sweep_id: str) -> Sweep:
    """Return a sweep. Raises ``SweepNotFound``."""
    sweep = Sweep.objects.filter(pk=sweep_id).first()
    if sweep is None:
        raise SweepNotFound(sweep_id)
    return sweep


def _move(sweep_id: str, states: tuple[Sweep.State, ...], state: Sweep.State, word: str) -> Sweep:
    ended = {"finished_at": now()} if state == Sweep.State.CANCELLED else {}
    moved = Sweep.objects.filter(pk=sweep_id, state__in=states).update(state=state, error="", **ended)
    sweep = find_sweep(sweep_id)
    if not moved:
        raise SweepRefused(f"Sweep {sweep_id} is {sweep.state} and cannot be {word}.")
    return sweep


def _start(sweep_id: str) -> Sweep:
    """Set a sweep running; one that runs already, because its worker died, goes on."""
    sweep = find_sweep(sweep_id)
    if sweep.state not in (Sweep.State.QUEUED, Sweep.State.RUNNING):
        raise SweepRefused(f"Sweep {sweep_id} is {sweep.state}; it cannot be run. Resume it first.")
    evidence.take_up_journal()  # for the checks of edits by force
    started = {"state": Sweep.State.RUNNING, "heartbeat_at": now(), "started_at": sweep.started_at or now()}
    Sweep.objects.filter(pk=sweep_id, state=sweep.state).update(**started)
    return find_sweep(sweep_id)


def _end(sweep_id: str, state: Sweep.State, error: str = "") -> None:
    Sweep.objects.filter(pk=sweep_id, state=Sweep.State.RUNNING).update(
        state=state, error=error[:2_000], finished_at=now(), heartbeat_at=now()
    )


def _next_size(size: int, took: float, pace: int) -> int:
    """Return how many balances to measure next, for a steady length of work: balances differ in their history."""
    wanted = CHUNK_SECONDS if pace == 100 else GENTLE_CHUNK_SECONDS
    factor = min(max(wanted / max(took, 0.001), 0.25), 4.0)
    return min(max(int(size * factor), SMALLEST_CHUNK), LARGEST_CHUNK)


def _step(sweep: Sweep, size: int, pace: int) -> bool:
    """Do the next piece of work, if there is room for it; return whether it moved the sweep on without ending it."""
    with turn() as is_ours:
        return _work(sweep, size, pace) if is_ours else _advance(sweep)


def _work(sweep: Sweep, size: int, pace: int) -> bool:
    if not sweep.measured_all:
        return _measure_chunk(sweep, size, pace)
    waiting = next((entry["check"] for entry in sweep.checks if not entry["done"]), None)
    if waiting is not None:
        return _run_once(sweep, CHECKS[waiting])
    if not sweep.trial_balance and sweep.total:
        drifting = list(sweep.findings.filter(drifted=True).values_list("balance_id", flat=True))
        return _advance(sweep, trial_balance=trial_balance(drifting if "everything" in sweep.scope else None))
    if explain_findings(sweep.sweep_id):
        return _advance(sweep)
    group_incidents(sweep.sweep_id)
    supersede_faults(sweep)
    _end(sweep.sweep_id, Sweep.State.FINISHED)
    return False


def _measure_chunk(sweep: Sweep, size: int, pace: int) -> bool:
    """Measure the next balances and keep what is wrong with them, in one commit with the sweep's progress."""
    began = time.monotonic()
    scope = Scope.from_json(sweep.scope)
    chunk = _next_chunk(sweep, scope, size)
    if chunk is None:
        return _measure_newcomers(sweep, scope)
    if chunk.balance_ids is None:
        measurements, chunk = _screened(sweep, chunk, pace)
    else:
        measurements = measure(chunk.balance_ids)
    findings = findings_of(sweep, measurements, _faults(sweep, scope, chunk.balance_ids))
    worked = F("worked") + timedelta(seconds=time.monotonic() - began)
    progress = {"cursor": chunk.through, "measured": F("measured") + chunk.size, "worked": worked}
    looked_at = chunk.looked_at or min((each.executed_at for each in measurements), default=None)
    return _keep(sweep, findings, progress, replace(chunk, looked_at=looked_at))


def _measure_newcomers(sweep: Sweep, scope: Scope) -> bool:
    """Measure the balances opened since the sweep began, as their keys may lie behind it, and count all again.

    A balance inserted in SQL under an earlier date stays unmeasured, and the sweep says so.
    """
    newcomers = scope.remaining().filter(created_at__gte=sweep.started_at).order_by("balance_id")
    known = set(
        sweep.findings.filter(balance_id__in=newcomers.values("balance_id")).values_list("balance_id", flat=True)
    )
    count, findings = 0, list[Finding]()
    for ids in chunks(newcomers.values_list("balance_id", flat=True).iterator(chunk_size=10_000), MEASURED_AT_ONCE):
        count += len(ids)
        fresh = [balance_id for balance_id in ids if balance_id not in known]
        findings += findings_of(sweep, measure(fresh), _faults(sweep, scope, fresh)) if fresh else []
    total = sweep.total if scope.names_balances else scope.remaining().count()
    done = _done_with(sweep, _checks_of_chunks(sweep, scope))
    progress = {"measured_all": True, "measured": F("measured") + count, "total": total, "checks": done}
    return _keep(sweep, findings, progress)


def _keep(sweep: Sweep, findings: list[Finding], progress: dict[str, object], chunk: Chunk | None = None) -> bool:
    """Write down findings with the sweep's progress, in one commit, or neither; answer earlier ones of the chunk."""
    with transaction.atomic(durable=True):
        if not _advance(
            sweep,
            drifted=F("drifted") + sum(finding.drifted for finding in findings),
            faulty=F("faulty") + sum(bool(finding.faults) for finding in findings),
            not_proved=F("not_proved") + sum(bool(finding.not_proved) for finding in findings),
            remarked=F("remarked") + sum(bool(finding.remarks) for finding in findings),
            **progress,
        ):
            return False
        Finding.objects.bulk_create(findings, batch_size=500)
        if chunk is not None and chunk.snapshot:
            SweepChunk.objects.create(sweep=sweep, through=chunk.through, snapshot=chunk.snapshot)
        if chunk is not None and chunk.looked_at is not None:
            supersede(
                sweep,
                measured_at=chunk.looked_at,
                after=chunk.after,
                through=chunk.through,
                balance_ids=chunk.balance_ids,
            )
    return True


def _faults(sweep: Sweep, scope: Scope, balance_ids: list[str] | None) -> list[Fault]:
    return [fault for check in _checks_of_chunks(sweep, scope) for fault in check.faults(balance_ids=balance_ids)]


def _screened(sweep: Sweep, chunk: Chunk, pace: int) -> tuple[list[Measurement], Chunk]:
    """Measure the balances between two keys that drift, and return them with the chunk as it was seen.

    At full pace several processes of the server look for them. What that sets is undone before they are measured. On a
    replica it is seen as of what that has replayed, so the live proof has its own sweeps measured on the primary.
    """
    reads = long_reads(on_primary=sweep.actor == Sweep.OF_LIVE_PROOF)
    with reads as (using, replica), transaction.atomic(durable=True, using=using):
        ONE_SNAPSHOT.execute()
        if replica is None:
            chunk = replace(chunk, snapshot=str(SNAPSHOT.rows()[0]["snapshot"]))
        elif chunk.looked_at is not None:
            chunk = replace(chunk, looked_at=min(chunk.looked_at, replica.replayed_at or chunk.looked_at))
        with few_processes(using):
            SHARE_OF_CORES.rows(gentle=pace < 100)
            drifted = [row["balance_id"] for row in SCREEN.rows(after=chunk.after, through=chunk.through)]
            transaction.set_rollback(True, using=using)
        return measure(drifted) if drifted else [], chunk


def _next_chunk(sweep: Sweep, scope: Scope, size: int) -> Chunk | None:
    """Return the balances that follow the cursor: a range of keys where all are meant, else the ids in scope."""
    if scope.everything:
        row = CHUNK_END.rows(after=sweep.cursor, size=size, started_at=sweep.started_at)[0]
        return Chunk(sweep.cursor, row["through"], row["balances"], None, row["looked_at"]) if row["through"] else None
    there = scope.remaining().filter(created_at__lt=sweep.started_at)
    following = there.filter(balance_id__gt=sweep.cursor).order_by("balance_id")
    ids = list(following.values_list("balance_id", flat=True)[: min(size, LARGEST_LIST)])
    return Chunk(sweep.cursor, ids[-1], len(ids), ids) if ids else None


def _checks_of_chunks(sweep: Sweep, scope: Scope) -> list[Check]:
    """Return the checks that run with each chunk: none where all balances are meant, for one statement does it then."""
    wanted = [] if scope.everything else [CHECKS[entry["check"]] for entry in sweep.checks]
    return [check for check in wanted if check.runs == "chunk" or _decides_drift(check)]


def _is_due(check: Check) -> bool:
    """Return whether a sweep that is not deep runs a check."""
    return check.runs != "deep" or _decides_drift(check)


def _decides_drift(check: Check) -> bool:
    """Return whether it follows from a check what is drift: without rates it does, so every sweep runs it."""
    return check is FOREIGN and rates_are_gone()


def _done_with(sweep: Sweep, checks: list[Check]) -> list[dict[str, Any]]:
    done = {check.name for check in checks}
    return [entry | {"done": entry["done"] or entry["check"] in done} for entry in sweep.checks]


def _run_once(sweep: Sweep, check: Check) -> bool:
    """Run a check that is one statement over all rows, and add what it found to the findings."""
    faults = _found_at_once(sweep, check)
    if "everything" not in sweep.scope:
        in_scope = Scope.from_json(sweep.scope).remaining().filter(pk__in={fault.balance_id for fault in faults})
        known = set(in_scope.values_list("balance_id", flat=True))
        faults = [fault for fault in faults if fault.balance_id in known]
    with transaction.atomic(durable=True):
        if not _advance(sweep, checks=_done_with(sweep, [check])):
            return False
        add_faults(sweep, faults)
        counts = sweep.findings.all()
        Sweep.objects.filter(pk=sweep.pk).update(
            drifted=counts.filter(drifted=True).count(),
            faulty=counts.exclude(faults=[]).count(),
            not_proved=counts.exclude(not_proved=[]).count(),
            remarked=counts.exclude(remarks=[]).count(),
        )
    return True


def _found_at_once(sweep: Sweep, check: Check) -> list[Fault]:
    """Run a check over all rows; what asks for findings of the sweep needs the database that has them."""
    if check.asks_for_findings:
        with few_processes(DEFAULT_DB_ALIAS):
            return check.faults(sweep_id=sweep.sweep_id)
    with long_reads() as (using, _), few_processes(using):
        return check.faults(sweep_id=sweep.sweep_id)


def _advance(sweep: Sweep, **progress: object) -> bool:
    """Write progress, unless the sweep was stopped or another worker got further meanwhile."""
    standing = Sweep.objects.filter(
        pk=sweep.pk,
        state=Sweep.State.RUNNING,
        cursor=sweep.cursor,
        measured_all=sweep.measured_all,
        checks=sweep.checks,
    )
    return bool(standing.update(heartbeat_at=now(), **progress))
