"""Keeps a backlog of webhooks from slowing down the workers: indexes and a setting on tables that are procrastinate's.

Its next migrations may take them away. They are made again after each migrate, and a check of the database warns where
they are missing (``manage.py check --deploy --database default``).
"""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.db import DEFAULT_DB_ALIAS

from balances.ground import Statement

MISSING = Statement.beside(__file__, "fetch_is_fast.sql")
KEEP = Statement.beside(__file__, "keep_fetch_fast.sql")


def check_fetching(app_configs: Any = None, databases: Any = None, **_: Any) -> list[checks.CheckMessage]:
    """Return a warning where workers would read through a backlog of webhooks."""
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    missing = ", ".join(row["missing"] for row in MISSING.rows())
    if not missing:
        return []
    return [
        checks.Warning(
            f"A backlog of webhooks would slow down every posting: the database lacks {missing}.",
            hint="Run manage.py migrate, which makes them again.",
            id="hooks.W001",
        )
    ]


def keep_fetching_fast(using: str, **_: Any) -> None:
    """Make again what is missing, after a migrate of the default database."""
    if using == DEFAULT_DB_ALIAS and MISSING.rows():
        KEEP.execute()
