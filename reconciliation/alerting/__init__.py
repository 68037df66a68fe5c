"""What is wrong enough for people to know, and how they are notified."""

from reconciliation.alerting.alerts import look
from reconciliation.alerting.metrics import exposition
