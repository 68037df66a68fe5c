"""Figures for Prometheus, read from the database at each scrape: any of many processes may be asked.

A gauge is a 64-bit float: amounts above 2^53 minor units are rounded there, for display; the pages and REST are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from balances.models import now
from balances.queueing import pulse
from reconciliation.alerting.conditions import sweep_overdue
from reconciliation.alerting.figures import figures_of, last_proof
from reconciliation.models import (
    Alert,
    AlertDelivery,
    Break,
    Gap,
    Proof,
    Refusal,
    Schedule,
    Sweep,
    TransactionEdit,
    Watchdog,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOTHING: dict[str, Any] = {"drift": {}, "causes": {}, "checks": {}, "not_proved": {}}
"""The figures of a ledger that was never proved; the age of its proof is infinite."""


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LedgerCollector(now()))
    return generate_latest(registry)


class LedgerCollector(Collector):
    """Reads everything once, in a fixed number of queries whatever the size of the ledger."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def collect(self) -> Iterable[Metric]:
        """Yield every metric."""
        yield from self._proof()
        yield from self._live()
        yield from self._sweeps()
        yield from self._watching()
        yield from self._working()
        yield from self._evidence()

    def _proof(self) -> Iterable[Metric]:
        proof = last_proof()
        figures = figures_of(proof) if proof else NOTHING
        began = proof.started_at if proof else None
        age = math.inf if began is None else _seconds(self.at, began)
        yield _gauge("ledger_last_proof_age_seconds", "Since the last finished sweep of all balances began.", age)
        yield _gauge("ledger_balances_measured", "Balances in the last full proof.", proof.measured if proof else 0)
        not_proved = proof.not_proved if proof else 0
        yield _gauge("ledger_balances_not_proved", "Balances that the last full proof could not judge.", not_proved)
        drifted = proof.drifted if proof else 0
        yield _gauge("ledger_drifted_balances", "Balances with drift in the last full proof.", drifted)
        drift = figures["drift"]
        for word in ("unexplained", "explained"):
            yield _labelled(
                f"ledger_{word}_drift_minor_units",
                f"Gross drift that is {word}, in the last full proof; rounded above 2^53.",
                "currency",
                {currency: found[word] for currency, found in drift.items()},
            )
        of_proof = "in the last full proof"
        yield _labelled("ledger_findings_by_check", f"Balances with a fault, {of_proof}.", "check", figures["checks"])
        yield _labelled("ledger_findings_by_cause", f"Drifted balances, {of_proof}.", "cause", figures["causes"])

    def _live(self) -> Iterable[Metric]:
        proof = Proof.objects.filter(pk=Proof.ONLY).first() or Proof()
        state = "silent" if proof.is_silent(self.at) else proof.state
        states = dict.fromkeys([*Proof.State.values, "silent"], 0) | {state: 1}
        yield _labelled("ledger_live_proof_state", "1 for the state that the live proof is in.", "state", states)
        lag = math.inf if proof.proved_until is None else _seconds(self.at, proof.proved_until)
        yield _gauge("ledger_live_proof_lag_seconds", "Since the instant up to which every commit is read.", lag)
        yield _gauge("ledger_live_proof_lag_bytes", "Bytes of the log written and not read.", proof.behind)
        yield _gauge("ledger_live_proof_kept_bytes", "Bytes of the log that the server keeps for it.", proof.kept)
        commits = "Commits that were ever read from the log."
        yield _gauge("ledger_live_proof_commits", commits, proof.commits_ever)
        counts = dict(Break.objects.filter(closed_at=None).order_by().values_list("state").annotate(Count("pk")))
        breaks = {str(state): counts.get(state, 0) for state in Break.STANDING}
        yield _labelled("ledger_breaks", "Commits that do not add up, and stand.", "state", breaks)
        open_gaps = Gap.objects.filter(closed_at=None).count()
        yield _gauge("ledger_live_proof_gaps", "Times that no full proof has followed yet.", open_gaps)

    def _sweeps(self) -> Iterable[Metric]:
        states = dict.fromkeys(Sweep.State.values, 0)
        states |= dict(Sweep.objects.order_by().values_list("state").annotate(Count("pk")))
        yield _labelled("ledger_sweeps", "Sweeps by state.", "state", states)
        last = Sweep.objects.filter(worked__gt=timedelta(0)).first()
        rate = last.measured / last.worked.total_seconds() if last else 0
        yield _gauge("ledger_sweep_balances_per_second", "Throughput of the newest sweep.", rate)

    def _watching(self) -> Iterable[Metric]:
        looked_at = Watchdog.objects.get().looked_at
        age = _seconds(self.at, looked_at)
        yield _gauge("ledger_watchdog_age_seconds", "Since the watchdog looked; it looks every minute.", age)
        overdue = sweep_overdue(self.at) is not None
        yield _gauge("ledger_sweep_overdue", "1 where no proof has finished in time, worker or not.", overdue)
        enabled = {each.name: int(each.enabled) for each in Schedule.objects.all()}
        yield _labelled("ledger_schedule_enabled", "1 where a schedule is switched on.", "schedule", enabled)
        alerts = dict.fromkeys(Alert.Kind.values, 0)
        alerts |= dict.fromkeys(Alert.objects.filter(state=Alert.State.OPEN).values_list("kind", flat=True), 1)
        yield _labelled("ledger_open_alerts", "Open alerts by kind.", "kind", alerts)
        failed = AlertDelivery.objects.filter(
            attempted_at__gte=self.at - DAY, outcome=AlertDelivery.Outcome.FAILED
        ).count()
        yield _gauge("ledger_alert_attempts_failed", "Attempts to notify people that failed, in 24 hours.", failed)

    def _working(self) -> Iterable[Metric]:
        living = pulse.living_workers()
        yield _gauge("ledger_workers_alive", "Workers with a fresh heartbeat: one for each lane of a process.", living)
        oldest = "Since the oldest entry of the queue became due; 0 where none is."
        yield _gauge("ledger_queue_oldest_due_seconds", oldest, pulse.seconds_due())

    def _evidence(self) -> Iterable[Metric]:
        edits = TransactionEdit.objects.count()
        yield _gauge("ledger_transaction_edits", "Transactions changed or deleted by force, ever.", edits)
        refusals = Refusal.objects.filter(refused_at__gte=self.at - HOUR).count()
        yield _gauge("ledger_refusals", "Refused attempts by somebody known, in the last hour.", refusals)


def _seconds(at: datetime, since: datetime) -> float:
    return max((at - since).total_seconds(), 0.0)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=float(value))


def _labelled(name: str, meaning: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for given, value in sorted(values.items()):
        family.add_metric([given], _as_float(value))
    return family


def _as_float(value: int) -> float:
    """Return the nearest float; an amount beyond all floats is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf
