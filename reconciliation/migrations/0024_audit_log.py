"""What people did in the back-office: records, append-only by trigger."""

from django.db import migrations, models

import balances.ground.fields
import balances.models.core
import reconciliation.models.records

GUARD = """
CREATE TRIGGER records_are_append_only BEFORE UPDATE OR DELETE ON reconciliation_auditentry
    FOR EACH ROW EXECUTE FUNCTION refuse_record_change();
CREATE TRIGGER records_are_not_truncated BEFORE TRUNCATE ON reconciliation_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_record_change();
"""
REVERSE = """
DROP TRIGGER records_are_append_only ON reconciliation_auditentry;
DROP TRIGGER records_are_not_truncated ON reconciliation_auditentry;
"""


class Migration(migrations.Migration):
    """The table of the audit log, and its guard."""

    dependencies = [
        ("reconciliation", "0023_casework"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "audit_id",
                    models.TextField(
                        default=reconciliation.models.records.new_audit_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("done_at", balances.ground.fields.UTCDateTimeField(default=balances.models.core.now)),
                ("actor", models.TextField(db_collation="C")),
                (
                    "action",
                    models.TextField(
                        choices=[
                            ("added", "Added"),
                            ("changed", "Changed"),
                            ("deleted", "Deleted"),
                            ("acted", "Acted"),
                            ("signed in", "Signed in"),
                            ("signed out", "Signed out"),
                        ]
                    ),
                ),
                ("subject", models.TextField()),
                ("subject_id", models.TextField(db_collation="C")),
                ("name", models.TextField()),
                ("before", models.TextField(blank=True)),
                ("after", models.TextField(blank=True)),
                ("address", models.TextField(blank=True)),
            ],
            options={
                "verbose_name": "entry of the audit log",
                "verbose_name_plural": "audit log",
                "ordering": ("-done_at", "-audit_id"),
                "indexes": [
                    models.Index(fields=["-done_at", "-audit_id"], name="audit_newest"),
                    models.Index(fields=["actor", "-done_at"], name="audit_of_actor"),
                    models.Index(fields=["subject_id", "-done_at"], name="audit_of_subject"),
                ],
            },
        ),
        migrations.RunSQL(GUARD, REVERSE),
    ]
