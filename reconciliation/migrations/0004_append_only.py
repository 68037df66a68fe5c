"""Append-only steps, refusals, seals and journal by trigger, in the SQL file of the same name."""

from pathlib import Path

from django.db import migrations

TABLES = ("step", "refusal", "seal", "balanceedit", "transactionedit")
REVERSE = "".join(
    f"DROP TRIGGER records_are_append_only ON reconciliation_{table};"
    f"DROP TRIGGER records_are_not_truncated ON reconciliation_{table};"
    for table in TABLES
)


class Migration(migrations.Migration):
    """Append-only records by trigger."""

    dependencies = (("reconciliation", "0003_sweeps_plans_evidence"),)
    operations = (migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(), REVERSE),)
