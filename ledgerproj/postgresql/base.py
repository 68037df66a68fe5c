"""Django's PostgreSQL backend: its own pool, and lost connections are replaced between transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import NotSupportedError, OperationalError
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from ledgerproj.postgresql.pools import Pool


class SavepointLost(Exception):
    """A savepoint could be neither rolled back nor released, because the connection was lost."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes connections out of a ``Pool``."""

    in_pipeline = False
    """Whether ``balances.statements.pipeline`` runs a transaction, which is no atomic block of Django's."""
    _connection_pools: dict[str, Pool]
    _configure_connection: Any

    @property
    def pool(self) -> Any:
        """Return the pool of the process; Django's own would make one that waits half a minute for a lost database."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        pools = self._connection_pools
        if self.alias not in pools:
            if self.settings_dict["CONN_MAX_AGE"]:
                raise NotSupportedError("A pool keeps its connections by itself: CONN_MAX_AGE must be 0.")
            made = Pool(kwargs=self._pooled_params, configure=self._configure_connection, open=False, **options)
            pools.setdefault(self.alias, made)  # another thread may have made one meanwhile
        return pools[self.alias]

    def _pooled_params(self) -> dict[str, Any]:
        """Return the parameters of a new connection: asked for each time, because they may change."""
        return self.get_connection_params() | {"autocommit": True}

    def ensure_connection(self) -> None:
        """Connect if need be, also where the connection was lost between transactions: never in the middle of one."""
        if self.connection is not None and self.connection.closed and not (self.in_atomic_block or self.in_pipeline):
            self.close()
        super().ensure_connection()

    def _savepoint_rollback(self, sid: str) -> None:
        with _savepoints_kept():
            super()._savepoint_rollback(sid)  # type: ignore[misc]

    def _savepoint_commit(self, sid: str) -> None:
        with _savepoints_kept():
            super()._savepoint_commit(sid)  # type: ignore[misc]


@contextmanager
def _savepoints_kept() -> Iterator[None]:
    """Raise ``SavepointLost``, which is no ``Error`` on purpose, where a savepoint is lost with the connection.

    At the end of an inner block Django swallows an ``Error``. Where the exception that ended the block is suppressed
    as well, it would then roll the outer block back, and let its caller believe that it was committed.
    """
    try:
        yield
    except OperationalError as error:
        raise SavepointLost(str(error)) from error
