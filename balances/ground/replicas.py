"""A replica of the database, where one is named: long reads go there, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

REPLICA = "replica"
"""Its name among Django's databases."""
_alias: ContextVar[str] = ContextVar("alias", default=DEFAULT_DB_ALIAS)


@dataclass(frozen=True)
class Replica:
    """What a replica says of itself."""

    host: str
    is_standby: bool
    system: int
    """The number that a cluster and its replicas share."""
    replayed_at: datetime | None
    """When the last commit that it has replayed was made; missing where it has replayed none."""
    asked_at: datetime

    def __str__(self) -> str:
        return f"the replica at {self.host}, {self.lag / timedelta(seconds=1):,.1f} s behind at most"

    @property
    def lag(self) -> timedelta:
        """Return how far it may be behind: no more than since the last commit that it has replayed."""
        return max(self.asked_at - self.replayed_at, timedelta(0)) if self.replayed_at else timedelta(0)


def has_replica() -> bool:
    """Return whether a replica is named."""
    return REPLICA in settings.DATABASES


def alias() -> str:
    """Return the database that statements are sent to now."""
    return _alias.get()


@contextmanager
def on_replica() -> Iterator[str]:
    """Send statements, but for hot ones, to the replica until the block ends; return the alias."""
    before = _alias.set(REPLICA)
    try:
        yield REPLICA
    finally:
        _alias.reset(before)
        connections[REPLICA].close()
