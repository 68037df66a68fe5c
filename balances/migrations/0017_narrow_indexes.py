"""Indexes of transactions that take a third of the space: by hashes of keys, and growing at their end."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


def hashed(key: str) -> models.Func:
    """Return what is in an index in place of a key."""
    template = "hashtextextended(%(expressions)s, 0)"
    return models.Func(key, template=template, output_field=models.BigIntegerField())


class RebuildIndex(AddIndexConcurrently):
    """Builds an index beside postings; one that an interrupted build left behind is dropped first."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop what has the name, then build."""
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
        super().database_forwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    """Build the new ones before the old ones go, so that every query has an index at any time.

    Not in one transaction, which CONCURRENTLY cannot be in: an interrupted migration is run again.
    """

    atomic = False
    dependencies = (("balances", "0016_monitor_label"),)
    operations = (
        RebuildIndex("transaction", models.Index(hashed("source"), "created_at", name="debits_of_balance")),
        RebuildIndex("transaction", models.Index(hashed("destination"), "created_at", name="credits_of_balance")),
        RebuildIndex("transaction", models.Index("created_at", hashed("transaction_id"), name="transactions_in_order")),
        # How often a hash occurs is known once the table is analyzed.
        migrations.RunSQL("ANALYZE transactions", migrations.RunSQL.noop),
        RemoveIndexConcurrently("transaction", "debits_by_creation"),
        RemoveIndexConcurrently("transaction", "credits_by_creation"),
        RemoveIndexConcurrently("transaction", "transactions_newest"),
    )
