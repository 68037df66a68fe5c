"""Returns the drift of other balances: measured now, or as a sweep found it."""

from __future__ import annotations

from collections.abc import Callable

from reconciliation.explaining.drift import Drift
from reconciliation.measuring import measure
from reconciliation.models import Finding, Sweep

Peers = Callable[[set[str]], dict[str, Drift]]
"""The drift of balances by their ids."""


def drift_now(balance_ids: set[str]) -> dict[str, Drift]:
    """Measure the drift of other balances."""
    return {each.balance_id: Drift.of(each.recalculated, each.stored) for each in measure(sorted(balance_ids))}


def drift_in(sweep: Sweep) -> Peers:
    """Return a function for the drift of other balances as a sweep found it; it measures what the sweep did not see."""

    def known(balance_ids: set[str]) -> dict[str, Drift]:
        found = {
            finding.balance_id: Drift.of(finding.recalculated, finding.previous)
            for finding in Finding.objects.filter(sweep=sweep, balance_id__in=balance_ids)
        }
        if sweep.scope.get("everything") and sweep.measured_all:
            return {balance_id: found.get(balance_id, Drift()) for balance_id in balance_ids}
        return found | drift_now(balance_ids - found.keys())

    return known
