"""Sweeps and findings as rows, so that what watches over them can be shown without running any."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from balances.models import TOTALS, Balance
from reconciliation.models import Finding, Origin, Schedule, Sweep, Watchdog

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
EVERYTHING = {"everything": True}


def sweep(finished: datetime | None = NOON, *, scope: dict[str, Any] | None = None, **fields: Any) -> Sweep:
    given: dict[str, Any] = {
        "state": Sweep.State.FINISHED if finished else Sweep.State.RUNNING,
        "scope": EVERYTHING if scope is None else scope,
        "actor": "schedule",
        "origin": Origin.SCHEDULE,
        "requested_at": (finished or NOON) - timedelta(minutes=5),
        "started_at": finished,
        "finished_at": finished,
    }
    return Sweep.objects.create(**(given | fields))


def finding(of: Sweep, balance: Balance, unexplained: int = 0, **fields: Any) -> Finding:
    given: dict[str, Any] = {
        "balance_id": balance.pk,
        "indicator": balance.indicator,
        "currency": balance.currency,
        "ledger_id": balance.ledger_id,
        "ledger_name": balance.ledger.name,
        "found_at": of.finished_at or NOON,
        "explained_at": of.finished_at or NOON,
        "drifted": bool(unexplained or fields.get("explained")),
        "unexplained": unexplained,
        "cause": "unexplained" if unexplained else "",
        **dict.fromkeys(("version", "credit_rows", "debit_rows", "hold_rows"), 1),
        **{f"{when}_{total}": 0 for when in ("previous", "recalculated") for total in TOTALS},
    }
    return Finding.objects.create(sweep=of, **(given | fields))


def all_is_quiet(at: datetime = NOON) -> None:
    """Set the clock of the rows: the watchdog has just looked, nothing was due, both schedules are old."""
    Watchdog.objects.update(looked_at=at)
    Schedule.objects.update(last_due_at=at, changed_at=at)
