"""The conditions for alerts: each reads the rows and returns what is wrong, or ``None``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings

from reconciliation.alerting.figures import figures_of, last_finished, last_proof
from reconciliation.alerting.live import proof_broken, proof_disagrees, proof_lost
from reconciliation.alerting.symptoms import Symptom
from reconciliation.models import Alert, Origin, Schedule, Sweep, Watchdog, last_due

SILENCE = timedelta(minutes=10)
"""The longest time between two runs of the watchdog before it is reported; it runs every minute."""


def unexplained_drift(at: datetime) -> Symptom | None:
    """Return the unexplained drift that lasts; explained drift is shown on the pages and wakes no one at night."""
    sweep = last_finished()
    lasting = figures_of(sweep)["lasting"] if sweep else {}
    if not sweep or not lasting:
        return None
    one = lasting["balances"] == 1
    return Symptom(
        f"{lasting['balances']:,} {'balance has' if one else 'balances have'} drift for which no known cause fits, "
        f"as the last {lasting['sweeps']} sweeps over {'it' if one else 'them'} found.",
        lasting | {"sweep_id": sweep.sweep_id},
    )


def sweep_overdue(at: datetime, whole: Sweep | None = None) -> Symptom | None:
    """Return that the scheduled sweep did not prove its balances in time.

    ``whole`` is the last finished sweep of everything, where that has been read already.
    """
    schedule = Schedule.objects.filter(name=Schedule.Name.SWEEP, enabled=True).first()
    if schedule is None:
        return None
    due = last_due(schedule.cron, at - settings.LEDGER_SWEEP_GRACE)
    proof = whole if whole and schedule.scope == {"everything": True} else last_proof(schedule.scope)
    if due <= schedule.changed_at or (proof and proof.finished_at and proof.finished_at >= due):
        return None
    return Symptom(
        f"No sweep has finished since the one that was due at {due:%Y-%m-%d %H:%M} UTC.",
        {
            "due_at": due.isoformat(),
            "last_sweep_id": proof.sweep_id if proof else None,
            "last_finished_at": proof.finished_at.isoformat() if proof and proof.finished_at else None,
        },
    )


def sweep_errored(at: datetime) -> Symptom | None:
    """Return that the last scheduled sweep ended with an error or was refused."""
    ended = (Sweep.State.FINISHED, Sweep.State.FAILED, Sweep.State.ERRORED)
    sweep = Sweep.objects.filter(origin=Origin.SCHEDULE, state__in=ended).order_by("-requested_at", "-sweep_id").first()
    if sweep is None or sweep.state == Sweep.State.FINISHED:
        return None
    word = "was refused" if sweep.state == Sweep.State.FAILED else "stopped by an error"
    return Symptom(
        f"The scheduled sweep of {sweep.requested_at:%Y-%m-%d %H:%M} UTC {word}.",
        {"sweep_id": sweep.sweep_id, "error": sweep.error, "measured": sweep.measured, "total": sweep.total},
    )


def schedule_refused(at: datetime) -> Symptom | None:
    """Return which schedules could not start."""
    refusals = {each.name: each.refusal for each in Schedule.objects.filter(enabled=True).exclude(refusal="")}
    if not refusals:
        return None
    return Symptom(f"Could not start what was due: {', '.join(sorted(refusals))}.", {"refusals": refusals})


def watchdog_silent(at: datetime) -> Symptom | None:
    """Return that the watchdog did not run for a while: noticed by its next run, or earlier on the page of metrics."""
    looked_at = Watchdog.objects.get().looked_at
    if at - looked_at <= SILENCE:
        return None
    return Symptom(
        f"The watchdog did not run from {looked_at:%Y-%m-%d %H:%M} to {at:%Y-%m-%d %H:%M} UTC: no worker was there.",
        {"from": looked_at.isoformat(), "to": at.isoformat()},
    )


Condition = Callable[[datetime], Symptom | None]
CONDITIONS: dict[str, Condition] = {
    Alert.Kind.UNEXPLAINED_DRIFT: unexplained_drift,
    Alert.Kind.SWEEP_OVERDUE: sweep_overdue,
    Alert.Kind.SWEEP_ERRORED: sweep_errored,
    Alert.Kind.SCHEDULE_REFUSED: schedule_refused,
    Alert.Kind.WATCHDOG_SILENT: watchdog_silent,
    Alert.Kind.PROOF_BROKEN: proof_broken,
    Alert.Kind.PROOF_LOST: proof_lost,
    Alert.Kind.PROOF_DISAGREES: proof_disagrees,
}
"""One condition for each kind of alert."""
OF_PROOF = (Alert.Kind.PROOF_BROKEN, Alert.Kind.PROOF_LOST, Alert.Kind.PROOF_DISAGREES)
