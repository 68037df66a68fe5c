"""Indexes of jobs that wait, in the SQL file of the same name."""

from pathlib import Path

from django.db import migrations

REVERSE = """
ALTER FUNCTION procrastinate_fetch_job_v2(character varying[], bigint) RESET plan_cache_mode;
DROP INDEX jobs_webhooks_waiting;
DROP INDEX jobs_webhooks;
DROP INDEX jobs_but_webhooks;
"""


class Migration(migrations.Migration):
    """A backlog of webhooks holds up neither postings nor itself."""

    dependencies = (
        ("hooks", "0001_hooks_and_deliveries"),
        ("procrastinate", "0041_post_retry_failed_job"),
    )
    operations = (migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(), REVERSE),)
