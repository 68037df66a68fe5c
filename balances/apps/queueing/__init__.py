"""The app of the queue."""

from django.apps import AppConfig


class QueueingConfig(AppConfig):
    """What waits to be applied or settled, in a table that Blnk does not have."""

    name = "balances.apps.queueing"
    label = "queueing"
    verbose_name = "Queue"
    default_auto_field = "django.db.models.BigAutoField"
