"""Seals the records that were there before the chain, in the order in which they came about."""

from itertools import islice

from django.db import migrations

from reconciliation.records.sealing import before_the_first, chained

AT_ONCE = 2_000


def seal_what_is_there(apps, schema_editor):
    """Append a seal for each record without one, in flat memory."""
    seals = apps.get_model("reconciliation", "Seal").objects
    last = seals.order_by("-sequence").first() or before_the_first()
    for kind, instant in (("reconstruction", "executed_at"), ("step", "taken_at"), ("refusal", "refused_at")):
        records = apps.get_model("reconciliation", kind).objects
        sealed = seals.filter(kind=kind).values("record_id")
        remaining = records.exclude(pk__in=sealed).order_by(instant, "pk").iterator(chunk_size=AT_ONCE)
        while chunk := list(islice(remaining, AT_ONCE)):
            last = seals.bulk_create(chained(kind, chunk, last, link=seals.model, version=1))[-1]


class Migration(migrations.Migration):
    """The beginning of the chain."""

    dependencies = (("reconciliation", "0004_append_only"),)
    operations = (migrations.RunPython(seal_what_is_there, migrations.RunPython.noop),)
