"""What is wrong enough for people to know, and how they are notified."""

from reconciliation.alerting.alerts import look, look_at_proof
from reconciliation.alerting.conditions import sweep_overdue
from reconciliation.alerting.figures import last_proof
from reconciliation.alerting.metrics import exposition
