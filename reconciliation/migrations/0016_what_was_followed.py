from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reconciliation", "0015_remarks"),
    ]

    operations = [
        migrations.AddField(
            model_name="reconstruction",
            name="note",
            field=models.TextField(blank=True, default=""),
        ),
    ]
