"""Hooks and webhooks: who outside is told what happens in the ledger."""

from django.apps import AppConfig


class HooksConfig(AppConfig):
    """Hooks, global webhooks, and every attempt to deliver them; tables of our own."""

    name = "balances.apps.hooks"
    label = "hooks"
    verbose_name = "Webhooks"
