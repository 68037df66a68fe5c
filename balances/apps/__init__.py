"""The core app: rows, rules, REST API and admin of the ledger."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def ensure_general_ledger(using: str, **_: Any) -> None:
    """Create the ledger of ``@`` balances unless it exists."""
    from balances.ground import adoption
    from balances.models import GENERAL_LEDGER_ID, Ledger

    if adoption():
        return  # Blnk makes it by itself
    Ledger.objects.using(using).get_or_create(
        ledger_id=GENERAL_LEDGER_ID, defaults={"name": "General Ledger", "meta_data": {}}
    )


class BalancesConfig(AppConfig):
    """Ledgers, balances and transactions."""

    name = "balances"
    verbose_name = "Ledger"

    def ready(self) -> None:
        """Connect the receiver that runs after every migrate."""
        post_migrate.connect(ensure_general_ledger, sender=self, dispatch_uid="ensure_general_ledger")
