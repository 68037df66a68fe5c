"""Fund lineage, under Blnk's names for the tables, and an index of the rows that tell it."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.lookups import IsNull

import balances.ground.fields

TYPES = (
    ("credit", "Credit"),
    ("debit", "Debit"),
    ("both", "Debit and credit"),
    ("shadow_commit", "Commit"),
    ("shadow_void", "Void"),
)
STATUSES = (
    ("pending", "Pending"),
    ("processing", "Processing"),
    ("completed", "Completed"),
    ("failed", "Failed"),
)


def protected(to: str, related_name: str = "+") -> models.ForeignKey:
    """Return a reference that keeps what it refers to."""
    return models.ForeignKey(
        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name=related_name, to=to
    )


class Migration(migrations.Migration):
    """Two tables and an index of transactions."""

    dependencies = (("balances", "0011_balance_monitors"),)
    operations = (
        migrations.CreateModel(
            name="LineageMapping",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("balance", protected("balances.balance", "lineage_mappings")),
                ("provider", models.TextField()),
                ("shadow_balance", protected("balances.balance")),
                ("aggregate_balance", protected("balances.balance")),
                ("identity", protected("balances.identity")),
                ("created_at", balances.ground.fields.UTCDateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "db_table": "lineage_mappings",
                "ordering": ("created_at", "id"),
                "indexes": [
                    models.Index(fields=["aggregate_balance", "identity"], name="mappings_of_aggregate"),
                    models.Index(fields=["identity"], name="mappings_of_identity"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("balance", "provider"), name="one_mapping_of_a_provider")
                ],
            },
        ),
        migrations.CreateModel(
            name="LineageOutbox",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("transaction_id", models.TextField(db_collation="C")),
                ("source_balance_id", models.TextField(db_collation="C", null=True)),
                ("destination_balance_id", models.TextField(db_collation="C", null=True)),
                ("provider", models.TextField(null=True)),
                ("lineage_type", models.TextField(choices=TYPES)),
                ("payload", balances.ground.fields.ExactJSONField()),
                ("status", models.TextField(choices=STATUSES, default="pending")),
                ("attempts", models.IntegerField(default=0)),
                ("max_attempts", models.IntegerField(default=5)),
                ("last_error", models.TextField(null=True)),
                ("created_at", balances.ground.fields.UTCDateTimeField(default=django.utils.timezone.now)),
                ("processed_at", balances.ground.fields.UTCDateTimeField(null=True)),
                ("locked_until", balances.ground.fields.UTCDateTimeField(null=True)),
                ("inflight", models.BooleanField(default=False)),
            ],
            options={
                "verbose_name": "movement of tracked funds",
                "verbose_name_plural": "movements of tracked funds",
                "db_table": "lineage_outbox",
                "permissions": (("retry_lineageoutbox", "Can have funds traced again"),),
                "indexes": [
                    models.Index(
                        condition=models.Q(status__in=("pending", "processing")), fields=["id"], name="lineage_in_order"
                    ),
                    models.Index(condition=models.Q(status="failed"), fields=["id"], name="lineage_failed"),
                ],
                "constraints": [models.UniqueConstraint(fields=("transaction_id",), name="traced_once")],
            },
        ),
        migrations.AddIndex(
            "transaction",
            models.Index(
                KeyTextTransform("_shadow_for", "meta_data"),
                models.F("created_at"),
                condition=models.Q(IsNull(KeyTextTransform("_shadow_for", "meta_data"), False)),
                name="shadow_rows",
            ),
        ),
    )
