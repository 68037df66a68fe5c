"""Guards of snapshots, in the SQL file of the same name."""

from pathlib import Path

from django.db import migrations

REVERSE = """
DROP TRIGGER snapshots_are_append_only ON balance_snapshots;
DROP TRIGGER snapshots_are_not_truncated ON balance_snapshots;
DROP FUNCTION refuse_snapshot_change();
DROP INDEX one_snapshot_a_day;
"""


class Migration(migrations.Migration):
    """Append-only snapshots by trigger, one a day by index."""

    dependencies = (("balances", "0003_balance_snapshots"),)
    operations = (migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(), REVERSE),)
