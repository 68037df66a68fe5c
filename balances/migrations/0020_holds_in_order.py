"""An index for the list of open holds, oldest first; built beside postings."""

from importlib import import_module

from django.db import migrations, models

RebuildIndex = import_module("balances.migrations.0017_narrow_indexes").RebuildIndex


class Migration(migrations.Migration):
    """Not in one transaction, which CONCURRENTLY cannot be in: an interrupted migration is run again."""

    atomic = False
    dependencies = (("balances", "0019_legs"),)
    operations = (
        RebuildIndex(
            "transaction",
            models.Index(fields=["created_at"], condition=models.Q(status="INFLIGHT"), name="holds_in_order"),
        ),
    )
