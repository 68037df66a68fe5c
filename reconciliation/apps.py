"""The app that rebuilds balances from their transactions."""

from django.apps import AppConfig
from django.db.models.signals import post_save


class ReconciliationConfig(AppConfig):
    """Reconstruction: its service, records, API, admin, commands and signal."""

    name = "reconciliation"
    verbose_name = "Reconstruction"

    def ready(self) -> None:
        """Connect the metadata flag to the service."""
        from reconciliation.receivers import rebuild_on_request

        post_save.connect(rebuild_on_request, sender="balances.Balance", dispatch_uid="rebuild_on_request")
