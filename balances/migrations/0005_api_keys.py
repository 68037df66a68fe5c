"""API keys, under Blnk's name for their table."""

import datetime

import django.contrib.postgres.fields
import django.utils.timezone
from django.db import migrations, models

import balances.ground.fields
import balances.models.keys


class Migration(migrations.Migration):
    """The table, with an index for each of its two reads."""

    dependencies = (("balances", "0004_snapshot_guards"),)
    operations = (
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "api_key_id",
                    models.TextField(
                        db_collation="C",
                        default=balances.models.keys.new_api_key_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("key", models.TextField(editable=False)),
                ("key_prefix", models.CharField(editable=False, max_length=16, null=True, verbose_name="prefix")),
                ("name", models.TextField()),
                ("owner_id", models.TextField(verbose_name="owner")),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("expires_at", balances.ground.fields.UTCDateTimeField(verbose_name="expires")),
                (
                    "created_at",
                    balances.ground.fields.UTCDateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "last_used_at",
                    balances.ground.fields.UTCDateTimeField(
                        default=datetime.datetime(1, 1, 1, tzinfo=datetime.UTC), editable=False
                    ),
                ),
                ("is_revoked", models.BooleanField(default=False, editable=False)),
                ("revoked_at", balances.ground.fields.UTCDateTimeField(editable=False, null=True)),
            ],
            options={
                "verbose_name": "API key",
                "db_table": "api_keys",
                "permissions": (("revoke_api_key", "Can revoke an API key"),),
                "indexes": [
                    models.Index(fields=["key_prefix"], name="api_keys_by_prefix"),
                    models.Index(fields=["owner_id", "-created_at"], name="api_keys_of_owner"),
                ],
                "constraints": [models.UniqueConstraint(fields=("key",), name="unique_api_key")],
            },
        ),
    )
