"""The app of the queue."""

from django.apps import AppConfig


class QueueingConfig(AppConfig):
    """What waits to be applied or settled: a table of our own beside the rows of the contract."""

    name = "balances.apps.queueing"
    label = "queueing"
    verbose_name = "Queue"
    default_auto_field = "django.db.models.BigAutoField"
