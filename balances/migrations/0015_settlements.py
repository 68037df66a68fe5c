"""Which rows settle holds, as a function and a view, in the SQL file of the same name."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    """What the statements of both apps ask."""

    dependencies = (("balances", "0014_minor_units"),)
    operations = (
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(),
            "DROP VIEW settlements; DROP FUNCTION settlements_of(text, text); DROP FUNCTION settles(text, text, text)",
        ),
    )
