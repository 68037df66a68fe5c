"""Who makes an entry of the edit journal, as the database knows it, in the SQL file of the same name."""

from pathlib import Path

from django.db import migrations

REVERSE = "".join(
    f"ALTER TABLE reconciliation_{table} ALTER COLUMN database_user DROP DEFAULT,"
    "ALTER COLUMN client_address DROP DEFAULT, ALTER COLUMN application_name DROP DEFAULT,"
    "ALTER COLUMN backend_pid DROP DEFAULT;"
    for table in ("balanceedit", "transactionedit")
)


class Migration(migrations.Migration):
    """Defaults of the journal's columns."""

    dependencies = (("reconciliation", "0005_seal_what_is_there"),)
    operations = (migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(), REVERSE),)
