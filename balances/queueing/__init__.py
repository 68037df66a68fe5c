"""The queue: applies what waits in order, recovers lost rows, and checks whether workers are alive."""

from balances.queueing import draining, pulse
from balances.queueing.pulse import LATE_SECONDS, living_workers, seconds_due
from balances.queueing.recovery import LEAST_AGE, recover
