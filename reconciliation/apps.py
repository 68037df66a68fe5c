"""The app that rebuilds balances from their transactions."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate, post_save


class ReconciliationConfig(AppConfig):
    """Reconstruction: its service, records, API, admin, commands and signal."""

    name = "reconciliation"
    verbose_name = "Reconstruction"

    def ready(self) -> None:
        """Connect signals to their services, and what must hold after every migrate."""
        from balances.ground import changed, changed_together, disclosed, exported, refused
        from reconciliation.receivers import (
            rebuild_on_request,
            record_changed,
            record_changed_together,
            record_disclosed,
            record_exported,
            record_refused,
        )
        from reconciliation.watching import ensure_schedules

        post_save.connect(rebuild_on_request, sender="balances.Balance", dispatch_uid="rebuild_on_request")
        refused.connect(record_refused, dispatch_uid="record_refused")
        disclosed.connect(record_disclosed, dispatch_uid="record_disclosed")
        exported.connect(record_exported, dispatch_uid="record_exported")
        changed.connect(record_changed, dispatch_uid="record_changed")
        changed_together.connect(record_changed_together, dispatch_uid="record_changed_together")
        post_migrate.connect(ensure_schedules, sender=self, dispatch_uid="ensure_schedules")
