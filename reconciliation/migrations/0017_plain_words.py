"""Plain words for labels, and for a field; its column keeps its name."""

from django.db import migrations, models

from balances.ground.fields import UTCDateTimeField
from balances.models import now

KINDS = (
    ("unexplained_drift", "Unexplained drift that lasts"),
    ("sweep_overdue", "No full proof in time"),
    ("sweep_errored", "Scheduled sweep did not finish"),
    ("schedule_refused", "Schedule could not start"),
    ("watchdog_silent", "Watchdog did not run"),
)
OUTCOMES = (
    ("previewed", "Previewed (nothing changed)"),
    ("corrected", "Corrected"),
    ("no_drift", "No drift"),
    ("undone", "Took a correction back"),
    ("rebooked", "Booked a deleted transaction again"),
)


class Migration(migrations.Migration):
    """No row changes."""

    dependencies = (("reconciliation", "0016_what_was_followed"),)
    operations = (
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("alert", "told_at", "notified_at"),
                migrations.AlterField("alert", "notified_at", UTCDateTimeField(db_column="told_at", default=now)),
            ]
        ),
        migrations.AlterField("alert", "kind", models.TextField(choices=list(KINDS))),
        migrations.AlterField("reconstruction", "outcome", models.TextField(choices=list(OUTCOMES))),
    )
