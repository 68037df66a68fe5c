"""Hooks and webhooks, which notify other systems of what happens in the ledger."""

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate


class HooksConfig(AppConfig):
    """Hooks, and every attempt to deliver a webhook or to call a hook; tables that Blnk does not have."""

    name = "balances.apps.hooks"
    label = "hooks"
    verbose_name = "Webhooks"

    def ready(self) -> None:
        """Connect the check and the upkeep of procrastinate's tables, which its own migrations may undo."""
        from balances.events import check_fetching, keep_fetching_fast

        checks.register(check_fetching, checks.Tags.database, deploy=True)
        post_migrate.connect(keep_fetching_fast, sender=self, dispatch_uid="keep_fetching_fast")
