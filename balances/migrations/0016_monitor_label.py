"""Labels the operator of a monitor in plain words; the database does not change."""

from django.db import migrations, models

OPERATORS = [
    (">", "is more than"),
    ("<", "is less than"),
    (">=", "is at least"),
    ("<=", "is at most"),
    ("=", "is"),
    ("!=", "is not"),
]


class Migration(migrations.Migration):
    """Renames a label."""

    dependencies = (("balances", "0015_settlements"),)
    operations = (
        migrations.AlterField(
            model_name="balancemonitor",
            name="operator",
            field=models.TextField(choices=OPERATORS, verbose_name="fires when it"),
        ),
    )
