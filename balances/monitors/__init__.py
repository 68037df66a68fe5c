"""Monitors of balances: their conditions, and which of them hold."""

from balances.monitors import monitoring
from balances.monitors.monitoring import fired
