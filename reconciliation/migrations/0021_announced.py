"""Whether people were notified of a break."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reconciliation", "0020_measured_in"),
    ]

    operations = [
        migrations.AddField(
            model_name="break",
            name="announced",
            field=models.BooleanField(default=False),
        ),
    ]
