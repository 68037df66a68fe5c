"""Each row as its two legs, as a view, in the SQL file of the same name."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    """What an archive is written from; an adopted database has none."""

    dependencies = (("balances", "0018_search"),)
    operations = (migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(), "DROP VIEW legs"),)
