"""Where Django looks for the tables of this app; they stand in ``balances.models``."""

from balances.models import HoldPlan, Instruction, OpenHold, PlannedHold
