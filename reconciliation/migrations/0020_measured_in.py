"""The snapshot in which a sweep measured a balance, as a function."""

from pathlib import Path

from django.db import migrations

MADE = Path(__file__).with_suffix(".sql").read_text()


class Migration(migrations.Migration):
    """No table changes."""

    dependencies = (("reconciliation", "0019_posting_hours"),)
    operations = (migrations.RunSQL(MADE, "DROP FUNCTION measured_in(text, text)"),)
