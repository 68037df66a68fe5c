"""Django's PostgreSQL backend: its own pool, and lost connections are replaced between transactions."""

from __future__ import annotations

from typing import Any

from django.db import NotSupportedError
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from ledgerproj.postgresql.pools import Pool


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes connections out of a ``Pool``."""

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
        """Connect if need be, also where the connection was lost and no transaction was lost with it."""
        if self.connection is not None and self.connection.closed and not self.in_atomic_block:
            self.close()
        super().ensure_connection()
