"""Who was shown original values of tokenized fields: records, append-only by trigger."""

from django.db import migrations, models

import balances.ground.fields
import balances.models
import reconciliation.models.records

GUARD = """
CREATE TRIGGER records_are_append_only BEFORE UPDATE OR DELETE ON reconciliation_disclosure
    FOR EACH ROW EXECUTE FUNCTION refuse_record_change();
CREATE TRIGGER records_are_not_truncated BEFORE TRUNCATE ON reconciliation_disclosure
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_record_change();
"""
REVERSE = """
DROP TRIGGER records_are_append_only ON reconciliation_disclosure;
DROP TRIGGER records_are_not_truncated ON reconciliation_disclosure;
"""


class Migration(migrations.Migration):
    """The table of disclosures, and its guard."""

    dependencies = (("reconciliation", "0011_plan_drift_and_newest_steps"),)
    operations = (
        migrations.CreateModel(
            name="Disclosure",
            fields=[
                (
                    "disclosure_id",
                    models.TextField(
                        default=reconciliation.models.records.new_disclosure_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("disclosed_at", balances.ground.fields.UTCDateTimeField(default=balances.models.now)),
                ("identity_id", models.TextField(db_collation="C")),
                ("field_names", models.TextField(verbose_name="fields")),
                ("actor", models.TextField()),
                ("door", models.TextField()),
                ("address", models.TextField(blank=True)),
            ],
            options={
                "ordering": ("-disclosed_at", "-disclosure_id"),
                "indexes": [
                    models.Index(fields=["-disclosed_at", "-disclosure_id"], name="disclosures_newest"),
                    models.Index(fields=["identity_id", "-disclosed_at"], name="disclosures_of_identity"),
                ],
            },
        ),
        migrations.RunSQL(GUARD, REVERSE),
    )
