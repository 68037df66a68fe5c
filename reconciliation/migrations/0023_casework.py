"""What people decide and say: acceptances, exports, assignments and notes, append-only by trigger; saved views."""

from django.db import migrations, models

import balances.ground.fields
import balances.models.core
import reconciliation.models.casework
import reconciliation.models.records

GUARDED = ("acceptance", "export", "assignment", "note")
GUARD = "".join(
    f"""
CREATE TRIGGER records_are_append_only BEFORE UPDATE OR DELETE ON reconciliation_{table}
    FOR EACH ROW EXECUTE FUNCTION refuse_record_change();
CREATE TRIGGER records_are_not_truncated BEFORE TRUNCATE ON reconciliation_{table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_record_change();
"""
    for table in GUARDED
)
REVERSE = "".join(
    f"""
DROP TRIGGER records_are_append_only ON reconciliation_{table};
DROP TRIGGER records_are_not_truncated ON reconciliation_{table};
"""
    for table in GUARDED
)


class Migration(migrations.Migration):
    dependencies = [
        ("reconciliation", "0022_search"),
    ]

    operations = [
        migrations.CreateModel(
            name="Acceptance",
            fields=[
                (
                    "acceptance_id",
                    models.TextField(
                        default=reconciliation.models.records.new_acceptance_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("decided_at", balances.ground.fields.UTCDateTimeField(default=balances.models.core.now)),
                ("kind", models.TextField(choices=[("accepted", "Accepted"), ("withdrawn", "Acceptance taken back")])),
                ("finding_id", models.TextField(db_collation="C")),
                ("balance_id", models.TextField(db_collation="C")),
                ("indicator", models.TextField(null=True)),
                ("currency", models.TextField()),
                ("credit_balance", balances.ground.fields.MinorUnitsField()),
                ("debit_balance", balances.ground.fields.MinorUnitsField()),
                ("balance", balances.ground.fields.MinorUnitsField()),
                ("inflight_credit_balance", balances.ground.fields.MinorUnitsField()),
                ("inflight_debit_balance", balances.ground.fields.MinorUnitsField()),
                ("inflight_balance", balances.ground.fields.MinorUnitsField()),
                ("checks", models.JSONField(default=list)),
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
                ("reason", models.TextField()),
            ],
            options={
                "ordering": ("-decided_at", "-acceptance_id"),
            },
        ),
        migrations.CreateModel(
            name="Assignment",
            fields=[
                ("kind", models.TextField(choices=[("finding", "Finding")])),
                ("object_id", models.TextField(db_collation="C")),
                ("balance_id", models.TextField(db_collation="C", null=True)),
                ("actor", models.TextField()),
                (
                    "assignment_id",
                    models.TextField(
                        default=reconciliation.models.casework.new_assignment_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("assigned_at", balances.ground.fields.UTCDateTimeField(default=balances.models.core.now)),
                ("assignee", models.TextField(blank=True)),
                ("due_on", models.DateField(null=True)),
            ],
            options={
                "ordering": ("-assigned_at", "-assignment_id"),
            },
        ),
        migrations.CreateModel(
            name="Export",
            fields=[
                (
                    "export_id",
                    models.TextField(
                        default=reconciliation.models.records.new_export_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("exported_at", balances.ground.fields.UTCDateTimeField(default=balances.models.core.now)),
                ("actor", models.TextField()),
                ("address", models.TextField(blank=True)),
                ("listed", models.TextField()),
                ("filters", models.TextField(blank=True)),
                ("file_kind", models.TextField()),
                ("rows", models.BigIntegerField()),
            ],
            options={
                "ordering": ("-exported_at", "-export_id"),
            },
        ),
        migrations.CreateModel(
            name="Note",
            fields=[
                ("kind", models.TextField(choices=[("finding", "Finding")])),
                ("object_id", models.TextField(db_collation="C")),
                ("balance_id", models.TextField(db_collation="C", null=True)),
                ("actor", models.TextField()),
                (
                    "note_id",
                    models.TextField(
                        default=reconciliation.models.casework.new_note_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("written_at", balances.ground.fields.UTCDateTimeField(default=balances.models.core.now)),
                ("text", models.TextField()),
            ],
            options={
                "ordering": ("-written_at", "-note_id"),
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("listed", models.TextField()),
                ("name", models.TextField()),
                ("query", models.TextField(blank=True)),
                ("owner", models.TextField()),
                ("shared", models.BooleanField(default=False)),
                ("saved_at", balances.ground.fields.UTCDateTimeField(default=balances.models.core.now)),
            ],
            options={
                "ordering": ("listed", "name", "owner"),
                "permissions": (("share_savedview", "Can share saved views with all staff"),),
            },
        ),
        migrations.AlterModelOptions(
            name="finding",
            options={
                "ordering": ("sweep", "balance_id"),
                "permissions": (
                    ("accept_finding", "Can accept findings, and take that back"),
                    ("assign_finding", "Can assign findings, and write notes on them"),
                ),
            },
        ),
        migrations.AddIndex(
            model_name="plan",
            index=models.Index(
                condition=models.Q(("state__in", ("proposed", "approved", "applying"))),
                fields=["plan_id"],
                name="plans_open",
            ),
        ),
        migrations.AddIndex(
            model_name="acceptance",
            index=models.Index(fields=["balance_id", "-decided_at", "-acceptance_id"], name="acceptances_of_balance"),
        ),
        migrations.AddIndex(
            model_name="acceptance",
            index=models.Index(fields=["-decided_at", "-acceptance_id"], name="acceptances_newest"),
        ),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(fields=["kind", "object_id", "-assigned_at"], name="assignments_of_object"),
        ),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(
                condition=models.Q(("balance_id__isnull", False)),
                fields=["balance_id", "-assigned_at", "-assignment_id"],
                name="assignments_of_balance",
            ),
        ),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(fields=["assignee", "balance_id"], name="assignments_of_assignee"),
        ),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(
                condition=models.Q(("due_on__isnull", False)), fields=["due_on", "balance_id"], name="assignments_due"
            ),
        ),
        migrations.AddIndex(
            model_name="export",
            index=models.Index(fields=["-exported_at", "-export_id"], name="exports_newest"),
        ),
        migrations.AddIndex(
            model_name="export",
            index=models.Index(fields=["actor", "-exported_at"], name="exports_of_actor"),
        ),
        migrations.AddIndex(
            model_name="note",
            index=models.Index(fields=["kind", "object_id", "-written_at"], name="notes_of_object"),
        ),
        migrations.AddIndex(
            model_name="note",
            index=models.Index(
                condition=models.Q(("balance_id__isnull", False)),
                fields=["balance_id", "-written_at"],
                name="notes_of_balance",
            ),
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.UniqueConstraint(fields=("listed", "owner", "name"), name="saved_once"),
        ),
        migrations.RunSQL(GUARD, REVERSE),
    ]
