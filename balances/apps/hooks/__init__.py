"""Hooks and webhooks."""

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate


class HooksConfig(AppConfig):
    """Hooks, global webhooks, and every attempt to deliver them; tables of our own."""

    name = "balances.apps.hooks"
    label = "hooks"
    verbose_name = "Webhooks"

    def ready(self) -> None:
        """Connect what must hold of the tables of jobs, whoever migrates them."""
        from balances.events import check_fetching, keep_fetching_fast

        checks.register(check_fetching, checks.Tags.database, deploy=True)
        post_migrate.connect(keep_fetching_fast, sender=self, dispatch_uid="keep_fetching_fast")
