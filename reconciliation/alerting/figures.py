"""What a finished sweep found, counted once and kept: findings do not change after it, and there may be a million."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Q

from balances.ground import Statement
from reconciliation.models import Sweep, SweepFigures

SWEEP_FIGURES = Statement.beside(__file__, "sweep_figures.sql")
LASTING_DRIFT = Statement.beside(__file__, "lasting_drift.sql")
BIGGEST = 3
"""Balances that are named of each currency."""


def last_finished() -> Sweep | None:
    """Return the sweep that finished last, of any scope."""
    return Sweep.objects.filter(state=Sweep.State.FINISHED).order_by("-finished_at", "-sweep_id").first()


def last_proof(scope: dict[str, Any] | None = None) -> Sweep | None:
    """Return the last finished sweep of everything, or of this very scope where one is given."""
    whole = Q(scope__everything=True)
    finished = Sweep.objects.filter(whole | Q(scope=scope) if scope else whole, state=Sweep.State.FINISHED)
    return finished.order_by("-finished_at", "-sweep_id").first()


def figures_of(sweep: Sweep) -> dict[str, Any]:
    """Return the figures of a finished sweep, counting them only once, after all are explained.

    ``drift``: by currency, drifted balances and gross drift ``explained`` and ``unexplained`` in minor units;
    ``causes``, ``checks`` and ``not_proved``: how many balances each was found on; ``lasting``: what of all
    unexplained drift has lasted, as ``lasting_drift`` says.
    """
    kept = SweepFigures.objects.filter(sweep=sweep).first()
    if kept is not None:
        return dict(kept.figures)
    figures = _counted(sweep)
    if not sweep.findings.filter(explained_at=None, drifted=True).exists():
        SweepFigures.objects.bulk_create([SweepFigures(sweep=sweep, figures=figures)], ignore_conflicts=True)
    return figures


def _counted(sweep: Sweep) -> dict[str, Any]:
    figures: dict[str, Any] = {"drift": {}, "causes": {}, "checks": {}, "not_proved": {}}
    for row in SWEEP_FIGURES.rows(sweep_id=sweep.sweep_id):
        figure = figures[row["figure"]]
        figure[row["label"]] = row["balances"]
        if row["figure"] == "drift":
            amounts = {name: int(row[name]) for name in ("explained", "unexplained")}
            figure[row["label"]] = {"balances": row["balances"]} | amounts
    return figures | {"lasting": lasting_drift()}


def lasting_drift() -> dict[str, Any]:
    """Return the unexplained drift that each of the last sweeps over a balance has found, or an empty object.

    How many sweeps is ``LEDGER_ALERT_AFTER_SWEEPS``. A sweep counts for a balance when its scope covers it and it
    could judge it; one that found the balance right, or could explain all of its drift, ends the series.
    """
    sweeps = settings.LEDGER_ALERT_AFTER_SWEEPS
    rows = LASTING_DRIFT.rows(sweeps=sweeps, biggest=BIGGEST)
    if not rows:
        return {}
    drift = {row["currency"]: int(row["currency_unexplained"]) for row in rows}
    counts = {row["currency"]: row["currency_balances"] for row in rows}
    names = ("balance_id", "indicator", "ledger_name", "currency")
    biggest = [{name: row[name] for name in names} | {"unexplained": int(row["unexplained"])} for row in rows]
    return {"sweeps": sweeps, "balances": sum(counts.values()), "unexplained": drift, "biggest": biggest}
