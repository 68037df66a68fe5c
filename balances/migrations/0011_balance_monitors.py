"""Balance monitors, under Blnk's name for the table."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import balances.ground.fields
import balances.models.monitors

WATCHED = (
    ("debit_balance", "Debit"),
    ("credit_balance", "Credit"),
    ("balance", "Balance"),
    ("inflight_debit_balance", "Inflight debit"),
    ("inflight_credit_balance", "Inflight credit"),
    ("inflight_balance", "Inflight balance"),
)
OPERATORS = (
    (">", "is more than"),
    ("<", "is less than"),
    (">=", "is at least"),
    ("<=", "is at most"),
    ("=", "is"),
    ("!=", "is not"),
)


class Migration(migrations.Migration):
    """One table; value and precision are of any size and scale."""

    dependencies = (("balances", "0010_identities_and_accounts"),)
    operations = (
        migrations.CreateModel(
            name="BalanceMonitor",
            fields=[
                (
                    "monitor_id",
                    models.TextField(
                        db_collation="C",
                        default=balances.models.monitors.new_monitor_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("field", models.TextField(choices=WATCHED, verbose_name="total")),
                ("operator", models.TextField(choices=OPERATORS, verbose_name="speaks when it")),
                ("value", balances.ground.fields.MajorUnitsField()),
                ("precision", balances.ground.fields.MajorUnitsField(null=True)),
                ("precise_value", balances.ground.fields.MinorUnitsField(editable=False, null=True)),
                ("description", models.TextField(blank=True, default="", null=True)),
                ("call_back_url", models.TextField(blank=True, default="", null=True, verbose_name="call-back URL")),
                (
                    "created_at",
                    balances.ground.fields.UTCDateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "balance",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="monitors",
                        to="balances.balance",
                    ),
                ),
            ],
            options={
                "db_table": "balance_monitors",
                "ordering": ("-created_at", "-monitor_id"),
                "indexes": [
                    models.Index(fields=["balance"], name="monitors_of_balance"),
                    models.Index(fields=["-created_at", "-monitor_id"], name="monitors_newest"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(field__in=[value for value, _ in WATCHED]),
                        name="monitor_watches_a_total",
                        violation_error_message="A monitor watches one of the six totals of a balance.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(operator__in=[value for value, _ in OPERATORS]),
                        name="monitor_operator_is_known",
                        violation_error_message="A monitor compares by one of > < >= <= = !=.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(precision__gt=0),
                        name="monitor_precision_is_positive",
                        violation_error_message="The precision of a monitor must be more than zero.",
                    ),
                ],
            },
        ),
    )
