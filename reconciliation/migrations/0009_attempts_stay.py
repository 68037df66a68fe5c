"""Attempts to tell people of an alert are records: append-only by trigger."""

from django.db import migrations

GUARD = """
CREATE TRIGGER records_are_append_only BEFORE UPDATE OR DELETE ON reconciliation_alertdelivery
    FOR EACH ROW EXECUTE FUNCTION refuse_record_change();
CREATE TRIGGER records_are_not_truncated BEFORE TRUNCATE ON reconciliation_alertdelivery
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_record_change();
"""
REVERSE = """
DROP TRIGGER records_are_append_only ON reconciliation_alertdelivery;
DROP TRIGGER records_are_not_truncated ON reconciliation_alertdelivery;
"""


class Migration(migrations.Migration):
    """Append-only deliveries."""

    dependencies = (("reconciliation", "0008_watching"),)
    operations = (migrations.RunSQL(GUARD, REVERSE),)
