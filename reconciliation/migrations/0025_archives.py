"""Months that were archived: records, append-only by trigger."""

from django.db import migrations, models

import balances.ground.fields
import balances.models.core
import reconciliation.models.records

GUARD = """
CREATE TRIGGER records_are_append_only BEFORE UPDATE OR DELETE ON reconciliation_archive
    FOR EACH ROW EXECUTE FUNCTION refuse_record_change();
CREATE TRIGGER records_are_not_truncated BEFORE TRUNCATE ON reconciliation_archive
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_record_change();
"""
REVERSE = """
DROP TRIGGER records_are_append_only ON reconciliation_archive;
DROP TRIGGER records_are_not_truncated ON reconciliation_archive;
"""


class Migration(migrations.Migration):
    """The table of archived months, and its guard."""

    dependencies = [
        ("reconciliation", "0024_audit_log"),
    ]

    operations = [
        migrations.CreateModel(
            name="Archive",
            fields=[
                (
                    "archive_id",
                    models.TextField(
                        default=reconciliation.models.records.new_archive_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("archived_at", balances.ground.fields.UTCDateTimeField(default=balances.models.core.now)),
                ("month", models.TextField(db_collation="C", unique=True)),
                ("manifest", models.TextField()),
                ("previous", models.TextField(blank=True)),
                ("legs", models.BigIntegerField()),
                ("files", models.IntegerField()),
                ("actor", models.TextField()),
                (
                    "origin",
                    models.TextField(
                        choices=[
                            ("metadata", "Metadata flag (REST)"),
                            ("api", "REST"),
                            ("admin", "Admin"),
                            ("command", "Command"),
                            ("script", "Script"),
                            ("schedule", "Schedule"),
                        ]
                    ),
                ),
            ],
            options={
                "verbose_name": "archived month",
                "ordering": ("-month",),
            },
        ),
        migrations.RunSQL(GUARD, REVERSE),
    ]
