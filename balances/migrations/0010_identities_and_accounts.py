"""Identities and accounts, under Blnk's names for their tables, and whose a balance is."""

import datetime

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import balances.ground.fields
import balances.models.people

COLUMN = {"null": True, "blank": True, "db_column": "identity_id"}
TEXT = {"blank": True, "default": ""}
PROTECTED = {"on_delete": django.db.models.deletion.PROTECT, "db_index": False}


class Migration(migrations.Migration):
    """Two tables, and a foreign key on a column that is there already."""

    dependencies = (("balances", "0009_covering_holds"),)
    operations = (
        migrations.CreateModel(
            name="Identity",
            fields=[
                (
                    "identity_id",
                    models.TextField(
                        db_collation="C",
                        default=balances.models.people.new_identity_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                *((name, models.TextField(null=True, **TEXT)) for name in ("identity_type", "organization_name")),
                ("category", models.TextField(null=True, **TEXT)),
                ("first_name", models.TextField(**TEXT)),
                ("last_name", models.TextField(**TEXT)),
                *(
                    (name, models.TextField(null=True, **TEXT))
                    for name in (
                        *("other_names", "gender", "email_address", "phone_number", "nationality"),
                        *("street", "country", "state", "post_code", "city"),
                    )
                ),
                (
                    "dob",
                    models.DateField(
                        blank=True, default=datetime.date(1, 1, 1), null=True, verbose_name="date of birth"
                    ),
                ),
                (
                    "created_at",
                    balances.ground.fields.UTCDateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("meta_data", balances.ground.fields.MetadataField()),
            ],
            options={
                "verbose_name_plural": "identities",
                "db_table": "identity",
                "permissions": (("detokenize_identity", "Can see the original values of tokenized fields"),),
                "indexes": [
                    models.Index(fields=["-created_at", "-identity_id"], name="identities_newest"),
                    models.Index(fields=["last_name"], name="identities_by_last_name", opclasses=("text_pattern_ops",)),
                    models.Index(
                        fields=["organization_name"], name="identities_by_organization", opclasses=("text_pattern_ops",)
                    ),
                ],
            },
        ),
        # The column stays where it is: first it bears its name, then the field around it becomes the key.
        migrations.AlterField("balance", "identity_id", models.TextField(**COLUMN)),
        migrations.RenameField("balance", "identity_id", "identity"),
        migrations.AlterField(
            "balance",
            "identity",
            models.ForeignKey(blank=True, null=True, related_name="balances", to="balances.identity", **PROTECTED),
        ),
        migrations.AddIndex(
            "balance",
            models.Index(
                condition=models.Q(("identity__isnull", False)), fields=["identity"], name="balances_of_identity"
            ),
        ),
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "account_id",
                    models.TextField(
                        db_collation="C",
                        default=balances.models.people.new_account_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.TextField()),
                ("number", models.TextField(blank=True)),
                ("bank_name", models.TextField(blank=True)),
                ("currency", models.TextField()),
                (
                    "created_at",
                    balances.ground.fields.UTCDateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("meta_data", balances.ground.fields.MetadataField()),
                ("balance", models.ForeignKey(related_name="accounts", to="balances.balance", **PROTECTED)),
                ("identity", models.ForeignKey(related_name="accounts", to="balances.identity", **PROTECTED)),
                ("ledger", models.ForeignKey(related_name="+", to="balances.ledger", **PROTECTED)),
            ],
            options={
                "db_table": "accounts",
                "indexes": [
                    models.Index(fields=["-created_at", "-account_id"], name="accounts_newest"),
                    models.Index(fields=["identity"], name="accounts_of_identity"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("number", ""), _negated=True),
                        fields=("number",),
                        name="unique_account_number",
                        violation_error_message="An account with this number exists already.",
                    )
                ],
            },
        ),
    )
