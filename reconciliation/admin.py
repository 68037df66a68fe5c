"""Where Django looks for admin pages; they stand in ``reconciliation.backoffice``."""

from reconciliation import backoffice  # noqa: F401
