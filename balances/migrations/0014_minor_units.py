"""What a row moves, as a function of its columns, in the SQL file of the same name."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    """One function, which the statements of both apps call."""

    dependencies = (("balances", "0013_shadow_rows_by_hash"),)
    operations = (
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(), "DROP FUNCTION minor_units(numeric, numeric, bigint)"
        ),
    )
