"""Guards and storage settings of the core tables, in the SQL file of the same name."""

from pathlib import Path

from django.db import migrations

REVERSE = """
DROP TRIGGER transactions_are_append_only ON transactions;
DROP TRIGGER transactions_are_not_truncated ON transactions;
DROP FUNCTION refuse_transaction_change();
ALTER TABLE transactions RESET (
    autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_insert_threshold, autovacuum_analyze_scale_factor
);
ALTER TABLE balances RESET (fillfactor);
"""


class Migration(migrations.Migration):
    """Append-only transactions by trigger."""

    dependencies = (("balances", "0001_core_tables"),)
    operations = (migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(), REVERSE),)
