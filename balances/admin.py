"""Where Django looks for admin pages; they stand in ``balances.backoffice``."""

from balances import backoffice  # noqa: F401
