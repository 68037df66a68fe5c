"""Shadow rows are found by a hash: a client's own text of any length fits under their name in the metadata."""

from django.contrib.postgres.indexes import HashIndex
from django.db import migrations, models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.lookups import IsNull

SHADOW_FOR = KeyTextTransform("_shadow_for", "meta_data")


class Migration(migrations.Migration):
    dependencies = [("balances", "0012_lineage")]

    operations = [
        migrations.RemoveIndex("transaction", "shadow_rows"),
        migrations.AddIndex(
            "transaction",
            HashIndex(SHADOW_FOR, condition=models.Q(IsNull(SHADOW_FOR, False)), name="shadow_rows"),
        ),
    ]
