"""What keeps a backlog of webhooks from slowing down the workers survives migrations of procrastinate."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.core.management.sql import emit_post_migrate_signal
from django.db import DEFAULT_DB_ALIAS, connection

from balances.events import check_fetching

LOST = "ALTER FUNCTION procrastinate_fetch_job_v2(character varying[], bigint) RESET plan_cache_mode"


def migrated() -> None:
    emit_post_migrate_signal(verbosity=0, interactive=False, db=DEFAULT_DB_ALIAS)


def warnings() -> list[str]:
    return [message.msg for message in check_fetching(databases=[DEFAULT_DB_ALIAS])]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("loss", "missing"),
    [
        (LOST, "plan_cache_mode of procrastinate_fetch_job_v2"),
        ("DROP INDEX jobs_webhooks", "jobs_webhooks"),
        ("DROP INDEX jobs_but_webhooks, jobs_webhooks_waiting", "jobs_but_webhooks, jobs_webhooks_waiting"),
    ],
)
def test_what_a_migration_took_away_is_named_and_made_again(loss: str, missing: str) -> None:
    assert warnings() == []
    with connection.cursor() as cursor:
        cursor.execute(loss)
    assert warnings() == [f"A backlog of webhooks would slow down every posting: the database lacks {missing}."]
    migrated()
    assert warnings() == []


@pytest.mark.django_db
def test_nothing_is_made_where_the_migration_was_taken_back() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX jobs_webhooks")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'hooks' AND name = '0002_backlog'")
    migrated()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('jobs_webhooks')")
        assert cursor.fetchone() == (None,)


@pytest.mark.django_db
def test_the_check_of_a_deployment_asks_the_database_only_where_it_is_named() -> None:
    assert check_fetching() == []
    with connection.cursor() as cursor:
        cursor.execute(LOST)
    call_command("check", "--deploy", "--fail-level", "CRITICAL")
    with pytest.raises(SystemCheckError, match=r"hooks\.W001"):
        call_command("check", "--deploy", "--database", "default", "--fail-level", "WARNING")
