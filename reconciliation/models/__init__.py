"""Tables of our own: records, sweeps and findings, plans, evidence, live proof."""

from reconciliation.models.casework import Assignment, Note, SavedView, Subject
from reconciliation.models.cron import last_due, next_due, validate_cron
from reconciliation.models.evidence import BalanceEdit, TransactionEdit
from reconciliation.models.plans import Plan, PlanItem
from reconciliation.models.proving import ROWS_NAMED, Break, Gap, Proof, SweepChunk, as_lsn, from_lsn
from reconciliation.models.records import (
    Acceptance,
    Archive,
    AuditEntry,
    Disclosure,
    Export,
    Origin,
    Reconstruction,
    Refusal,
    Seal,
    Step,
)
from reconciliation.models.sweeps import Finding, Incident, Sweep
from reconciliation.models.totals import COPIED
from reconciliation.models.watching import Alert, AlertDelivery, PostingHour, Schedule, SweepFigures, Watchdog
