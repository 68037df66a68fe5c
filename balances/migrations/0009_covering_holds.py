"""Holds are summed from their indexes alone."""

from django.db import migrations, models

HOLD = ("transaction_id", "parent_transaction", "status", "precise_amount", "amount", "precision")


def covering(side: str, other: str, name: str) -> migrations.AddIndex:
    """Return the index of one side of a hold, with all that must be known to sum it."""
    condition = models.Q(status__in=("INFLIGHT", "VOID"))
    return migrations.AddIndex(
        "transaction", models.Index(fields=(side,), include=(other, *HOLD), condition=condition, name=name)
    )


class Migration(migrations.Migration):
    """Replace the indexes of holds."""

    dependencies = (("balances", "0008_newest_row_of_a_balance"),)
    operations = (
        migrations.RemoveIndex("transaction", "hold_debits"),
        migrations.RemoveIndex("transaction", "hold_credits"),
        covering("source", "destination", "hold_debits"),
        covering("destination", "source", "hold_credits"),
    )
