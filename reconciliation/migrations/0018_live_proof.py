"""Live proof: its state, its gaps, its breaks, and in which snapshots sweeps have measured."""

import django.db.models.deletion
from django.db import migrations, models

import balances.ground.fields
import balances.models.core
import reconciliation.models.proving


class Migration(migrations.Migration):
    dependencies = [
        ("reconciliation", "0017_plain_words"),
    ]

    operations = [
        migrations.AddField(
            model_name="finding",
            name="snapshot",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AlterField(
            model_name="alert",
            name="kind",
            field=models.TextField(
                choices=[
                    ("unexplained_drift", "Unexplained drift that lasts"),
                    ("sweep_overdue", "No full proof in time"),
                    ("sweep_errored", "Scheduled sweep did not finish"),
                    ("schedule_refused", "Schedule could not start"),
                    ("watchdog_silent", "Watchdog did not run"),
                    ("proof_broken", "Commits that do not add up"),
                    ("proof_lost", "Commits are not proved"),
                    ("proof_disagrees", "Sweep and live proof disagree"),
                ]
            ),
        ),
        migrations.CreateModel(
            name="Break",
            fields=[
                (
                    "break_id",
                    models.TextField(
                        default=reconciliation.models.proving.new_break_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "kind",
                    models.TextField(
                        choices=[
                            ("total_changed", "Totals changed without a transaction"),
                            ("row_without_total", "Transaction without its effect on the totals"),
                            ("mismatch", "Totals moved by another amount than the transactions"),
                            ("row_changed", "Transaction changed"),
                            ("row_deleted", "Transaction deleted"),
                            ("balance_born", "Balance created with totals that no transaction explains"),
                            ("balance_deleted", "Balance deleted with its totals"),
                            ("unreadable", "Totals or amounts that are no whole numbers"),
                            ("truncated", "Table emptied"),
                            ("correction", "Correction on record"),
                        ]
                    ),
                ),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("waiting", "Waits whether another commit takes it back"),
                            ("open", "Open"),
                            ("settled", "Taken back within the time of grace"),
                            ("taken_back", "Taken back later"),
                            ("corrected", "Corrected, on record"),
                            ("measured", "Included in a later full proof"),
                            ("on_record", "On record"),
                        ],
                        default="waiting",
                    ),
                ),
                ("stream", models.BigIntegerField()),
                ("position", models.BigIntegerField()),
                ("xid", models.BigIntegerField()),
                ("committed_at", balances.ground.fields.UTCDateTimeField()),
                ("found_at", balances.ground.fields.UTCDateTimeField(default=balances.models.core.now)),
                ("balance_id", models.TextField(blank=True, db_collation="C")),
                ("indicator", models.TextField(null=True)),
                ("currency", models.TextField(blank=True)),
                ("ledger_id", models.TextField(blank=True)),
                ("credit_balance", balances.ground.fields.MinorUnitsField(default=0)),
                ("debit_balance", balances.ground.fields.MinorUnitsField(default=0)),
                ("balance", balances.ground.fields.MinorUnitsField(default=0)),
                ("inflight_credit_balance", balances.ground.fields.MinorUnitsField(default=0)),
                ("inflight_debit_balance", balances.ground.fields.MinorUnitsField(default=0)),
                ("inflight_balance", balances.ground.fields.MinorUnitsField(default=0)),
                ("rows", models.JSONField(default=list)),
                ("row_count", models.BigIntegerField(default=0)),
                ("details", balances.ground.fields.ExactJSONField(default=dict)),
                ("author", balances.ground.fields.ExactJSONField(default=dict)),
                ("record_id", models.TextField(db_collation="C", null=True)),
                ("closed_at", balances.ground.fields.UTCDateTimeField(null=True)),
                ("closed_by", models.TextField(blank=True)),
                ("finding_id", models.TextField(db_collation="C", null=True)),
            ],
            options={
                "ordering": ("-position", "balance_id"),
                "indexes": [
                    models.Index(fields=["-committed_at", "-break_id"], name="breaks_newest"),
                    models.Index(fields=["balance_id", "-position"], name="breaks_of_balance"),
                    models.Index(
                        condition=models.Q(("closed_at", None)),
                        fields=["state", "committed_at"],
                        name="breaks_standing",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("stream", "position", "balance_id", "kind"), name="broken_once_a_commit"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Gap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", balances.ground.fields.UTCDateTimeField()),
                ("ended_at", balances.ground.fields.UTCDateTimeField(null=True)),
                ("closed_at", balances.ground.fields.UTCDateTimeField(null=True)),
                ("stream", models.BigIntegerField()),
                ("position", models.BigIntegerField()),
                ("reason", models.TextField()),
                ("found_at", balances.ground.fields.UTCDateTimeField(default=balances.models.core.now)),
            ],
            options={
                "ordering": ("-started_at", "-pk"),
                "indexes": [models.Index(fields=["-started_at"], name="gaps_newest")],
            },
        ),
        migrations.CreateModel(
            name="Proof",
            fields=[
                ("proof_id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("off", "Off"),
                            ("blocked", "Cannot be done"),
                            ("proving", "Waits for a full proof"),
                            ("proved", "Every commit is proved"),
                        ],
                        default="off",
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("warning", models.TextField(blank=True)),
                ("stream", models.BigIntegerField(default=0)),
                ("since", balances.ground.fields.UTCDateTimeField(null=True)),
                ("identity", balances.ground.fields.ExactJSONField(default=dict)),
                ("before", balances.ground.fields.ExactJSONField(default=dict)),
                ("position", models.BigIntegerField(default=0)),
                ("proved_until", balances.ground.fields.UTCDateTimeField(null=True)),
                ("seen_at", balances.ground.fields.UTCDateTimeField(null=True)),
                ("watcher", models.TextField(blank=True)),
                ("behind", models.BigIntegerField(default=0)),
                ("kept", models.BigIntegerField(default=0)),
                ("commits", models.BigIntegerField(default=0)),
                ("commits_ever", models.BigIntegerField(default=0)),
                ("settled", models.BigIntegerField(default=0)),
                ("disagreement", balances.ground.fields.ExactJSONField(default=dict)),
                (
                    "full_proof",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reconciliation.sweep",
                    ),
                ),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("proof_id", 1)), name="there_is_one_proof")],
            },
        ),
        migrations.CreateModel(
            name="SweepChunk",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("through", models.TextField(db_collation="C")),
                ("snapshot", models.TextField()),
                (
                    "sweep",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="chunks", to="reconciliation.sweep"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("sweep", "through"), name="measured_once_a_sweep")],
            },
        ),
    ]
