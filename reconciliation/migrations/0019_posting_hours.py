"""Keeps what was applied in each hour, for the home page."""

from django.db import migrations

import balances.ground.fields


class Migration(migrations.Migration):
    """Adds a table."""

    dependencies = (("reconciliation", "0018_live_proof"),)
    operations = (
        migrations.CreateModel(
            name="PostingHour",
            fields=[
                ("hour", balances.ground.fields.UTCDateTimeField(primary_key=True, serialize=False)),
                ("figures", balances.ground.fields.ExactJSONField()),
                ("counted_at", balances.ground.fields.UTCDateTimeField()),
            ],
        ),
    )
