"""Append-only records by trigger, in the SQL file of the same name."""

from pathlib import Path

from django.db import migrations

REVERSE = """
DROP TRIGGER records_are_append_only ON reconciliation_reconstruction;
DROP TRIGGER records_are_not_truncated ON reconciliation_reconstruction;
DROP FUNCTION refuse_record_change();
"""


class Migration(migrations.Migration):
    """Append-only records by trigger."""

    dependencies = (("reconciliation", "0001_reconstructions"),)
    operations = (migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(), REVERSE),)
