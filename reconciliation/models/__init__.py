"""Tables of our own: records, sweeps and findings, plans, evidence."""

from reconciliation.models.cron import last_due, next_due, validate_cron
from reconciliation.models.evidence import BalanceEdit, TransactionEdit
from reconciliation.models.plans import Plan, PlanItem
from reconciliation.models.records import Disclosure, Origin, Reconstruction, Refusal, Seal, Step
from reconciliation.models.sweeps import Finding, Incident, Sweep
from reconciliation.models.totals import COPIED, TwoTotals
from reconciliation.models.watching import Alert, AlertDelivery, Schedule, SweepFigures, Watchdog

__all__ = [
    "COPIED",
    "Alert",
    "AlertDelivery",
    "BalanceEdit",
    "Disclosure",
    "Finding",
    "Incident",
    "Origin",
    "Plan",
    "PlanItem",
    "Reconstruction",
    "Refusal",
    "Schedule",
    "Seal",
    "Step",
    "Sweep",
    "SweepFigures",
    "TransactionEdit",
    "TwoTotals",
    "Watchdog",
    "last_due",
    "next_due",
    "validate_cron",
]
