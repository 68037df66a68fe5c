"""The jobs that sweep. Each is deferred in the transaction that causes it, so none is ever lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from procrastinate.contrib.django import app

from balances.ground import defer_once
from balances.models import now
from reconciliation.alerting import look
from reconciliation.measuring import Scope
from reconciliation.models import Origin, Sweep
from reconciliation.sweeping.service import create_sweep, resume_sweep, run_sweep

LOST_AFTER = timedelta(minutes=2)
"""A running sweep that has not moved for so long has lost its worker."""


def request_sweep(scope: Scope, *, actor: str, origin: Origin, reason: str = "", deep: bool = False) -> Sweep:
    """Write down a sweep and have the background worker run it. Raises what ``create_sweep`` raises."""
    with transaction.atomic():
        sweep = create_sweep(scope, actor=actor, origin=origin, reason=reason, deep=deep)
        _defer_sweep(sweep.sweep_id)
    return sweep


def request_resume(sweep_id: str) -> Sweep:
    """Let the background worker go on with a sweep. Raises what ``resume_sweep`` raises."""
    with transaction.atomic():
        sweep = resume_sweep(sweep_id)
        _defer_sweep(sweep_id)
    return sweep


@app.task(name="sweep")
def sweep(sweep_id: str) -> None:
    """Run a sweep beside other work, at the pace of the settings, and look at what it means for people."""
    waiting = Sweep.objects.filter(pk=sweep_id, state__in=(Sweep.State.QUEUED, Sweep.State.RUNNING))
    if waiting.exists():  # it may have been paused or cancelled before a worker was free
        run_sweep(sweep_id, pace=settings.LEDGER_SWEEP_PACE)
        look(now())


@app.periodic(cron="* * * * *")
@app.task(name="resume_lost_sweeps", queueing_lock="resume_lost_sweeps")
def resume_lost_sweeps(timestamp: int) -> None:
    """Go on with sweeps whose worker died, every minute, be it before it began."""
    before = now() - LOST_AFTER
    with transaction.atomic():
        lost = Sweep.objects.filter(
            Q(state=Sweep.State.RUNNING, heartbeat_at__lt=before) | Q(state=Sweep.State.QUEUED, requested_at__lt=before)
        )
        for sweep_id in lost.values_list("sweep_id", flat=True):
            _defer_sweep(sweep_id)


def _defer_sweep(sweep_id: str) -> None:
    task: Any = sweep
    defer_once(task.configure(queueing_lock=sweep_id), sweep_id=sweep_id)
