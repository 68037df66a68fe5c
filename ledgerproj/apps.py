"""The project as a Django app, for its commands and background tasks."""

from django.apps import AppConfig


class LedgerProjectConfig(AppConfig):
    """Commands that start things: ``quickstart``, ``serve`` and ``work``."""

    name = "ledgerproj"
    verbose_name = "Ledger back-office"
