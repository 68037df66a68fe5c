"""Tables of our own: records, sweeps and findings, plans, evidence."""

from reconciliation.models.evidence import BalanceEdit, TransactionEdit
from reconciliation.models.plans import Plan, PlanItem
from reconciliation.models.records import Origin, Reconstruction, Refusal, Seal, Step
from reconciliation.models.sweeps import Finding, Incident, Sweep
from reconciliation.models.totals import TwoTotals

__all__ = [
    "BalanceEdit",
    "Finding",
    "Incident",
    "Origin",
    "Plan",
    "PlanItem",
    "Reconstruction",
    "Refusal",
    "Seal",
    "Step",
    "Sweep",
    "TransactionEdit",
    "TwoTotals",
]
