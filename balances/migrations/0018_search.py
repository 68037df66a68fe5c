"""Indexes for what staff search by: amounts of transactions, and words of the names of ledgers and identities."""

from typing import Any

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.contrib.postgres.search import SearchVector
from django.db import migrations, models

NAMES = ("first_name", "last_name", "other_names", "organization_name", "email_address")


class RebuildIndex(AddIndexConcurrently):
    """Builds an index beside postings; one that an interrupted build left behind is dropped first."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop what has the name, then build."""
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
        super().database_forwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    """Not in one transaction, which CONCURRENTLY cannot be in: an interrupted migration is run again."""

    atomic = False
    dependencies = (("balances", "0017_narrow_indexes"),)
    operations = (
        RebuildIndex("transaction", models.Index(fields=("precise_amount",), name="transactions_by_amount")),
        RebuildIndex("ledger", GinIndex(SearchVector("name", config="simple"), name="ledgers_by_words")),
        RebuildIndex("identity", GinIndex(SearchVector(*NAMES, config="simple"), name="identities_by_words")),
        # How often a word occurs is known once the tables are analyzed.
        migrations.RunSQL("ANALYZE ledgers, identity", migrations.RunSQL.noop),
    )
