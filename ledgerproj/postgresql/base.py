"""Django's PostgreSQL backend: its own pool, atomic blocks that save round trips, no connection lost unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import Error, NotSupportedError, OperationalError, transaction
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg.abc import Buffer
from psycopg.pq import PipelineStatus
from psycopg.types.datetime import TimestamptzLoader

from balances.ground import Adoption, Provenance
from ledgerproj.postgresql import adopted
from ledgerproj.postgresql.pools import Pool

LOST = "the connection was lost in a pipeline"


class SavepointLost(Exception):
    """A savepoint could be neither rolled back nor released, because the connection was lost."""


class InstantLoader(TimestamptzLoader):
    """Reads an instant by what Python has in C; psycopg's own way, by a pattern, takes forty times as long."""

    timezone = UTC
    """Django makes a loader of its own for any other."""

    def load(self, data: Buffer) -> datetime:
        """Return the instant in UTC. Raises ``psycopg.DataError`` where a ``datetime`` cannot hold it."""
        try:
            return datetime.fromisoformat(bytes(data).decode()).astimezone(UTC)
        except ValueError:
            return super().load(data).replace(tzinfo=UTC)


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes connections out of a ``Pool``."""

    _is_pipelined = False
    """Whether the next transaction begins in a pipeline."""
    _pipeline: ExitStack | None = None
    """What ends the pipeline that the connection is in."""
    _connection_pools: dict[str, Pool]

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

    @property
    def adoption(self) -> Adoption | None:
        """Return how this database was adopted, if it is one of Blnk's."""
        found = self.provenance
        return found if isinstance(found, Adoption) else None

    @property
    def provenance(self) -> Provenance | None:
        """Return what is known of rows of Blnk's in this database, if there are any."""
        return adopted.provenance_of(self.settings_dict, self.get_server_params)

    def get_server_params(self) -> dict[str, Any]:
        """Return psycopg's parameters, whatever the database is, with a loader of our own."""
        params: dict[str, Any] = super().get_connection_params()
        if self.timezone == UTC:
            params["context"].adapters.register_loader("timestamptz", InstantLoader)
        return params

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg's parameters; in an adopted database names are looked up in our schema alone."""
        params = self.get_server_params()
        return adopted.with_schema(params) if self.adoption else params

    def _configure_connection(self, connection: Any) -> Any:
        if self.adoption:
            for loader in (adopted.UTCLoader, adopted.UTCBinaryLoader):
                connection.adapters.register_loader("timestamp", loader)
        return super()._configure_connection(connection)  # type: ignore[misc]

    def _pooled_params(self) -> dict[str, Any]:
        """Return the parameters of a new connection: asked for each time, because they may change."""
        return self.get_connection_params() | {"autocommit": True}

    def ensure_connection(self) -> None:
        """Connect if need be, also where the connection was lost between transactions: never in the middle of one."""
        if self.connection is not None and self.connection.closed and not self.in_atomic_block:
            self.close()
        super().ensure_connection()

    @contextmanager
    def pipelined(self) -> Iterator[None]:
        """Open an atomic block that needs no round trip to begin or to commit, as long as all its statements are hot.

        Those are sent as soon as rows of one are fetched, and what is sent then reports errors. A pipeline is one
        transaction without a BEGIN. Any other statement ends it, after a BEGIN that makes that transaction, with its
        locks and all that was written, a block like any other. Inside another block it is that from the beginning. A
        lost connection raises ``OperationalError``: psycopg may say something else, or nothing.
        """
        raw = None
        self.ensure_connection()
        self._is_pipelined = not self.in_atomic_block
        try:
            with transaction.atomic(self.alias):
                self._is_pipelined, raw = False, self.connection
                yield
        except Error as error:
            answered = getattr(error.__cause__, "sqlstate", None)  # by the server, as it refused to commit
            if raw is not None and raw.closed and not answered and not isinstance(error, OperationalError):
                with self.wrap_database_errors:
                    raise psycopg.OperationalError(LOST) from error
            raise
        finally:
            self._is_pipelined = False

    def create_cursor(self, name: str | None = None) -> Any:
        """Return a cursor for statements that are not hot."""
        try:
            self._end_pipeline(b"BEGIN")
        except Error:
            self.needs_rollback = True  # there was no BEGIN: any further statement would commit by itself
            raise
        return super().create_cursor(name)

    def _set_autocommit(self, autocommit: bool) -> None:
        if self._is_pipelined and not autocommit:  # psycopg would wait for a BEGIN of its own
            stack = ExitStack()
            with self.wrap_database_errors:
                stack.enter_context(self.connection.pipeline())
            self._pipeline = stack
        elif self.connection.autocommit != autocommit:
            super()._set_autocommit(autocommit)  # type: ignore[misc]

    def _commit(self) -> None:
        if self._pipeline:
            self._end_pipeline()
        else:
            super()._commit()  # type: ignore[misc]

    def _rollback(self) -> None:
        with suppress(Error):  # of a statement of which the caller knows, or of one that is undone
            self._end_pipeline(b"BEGIN", b"ROLLBACK")
        super()._rollback()  # type: ignore[misc]

    def _close(self) -> None:
        with suppress(Error):
            self._end_pipeline(b"BEGIN")
        super()._close()  # type: ignore[misc]

    def _end_pipeline(self, *commands: bytes) -> None:
        """End the pipeline, if there is one, and commit, unless its last commands say otherwise.

        The server skips them where a statement failed. A connection that cannot get out of the pipeline is closed: it
        would take the answers of what was sent before for those of what comes next.
        """
        stack, self._pipeline = self._pipeline, None
        if stack is None:
            return
        raw = self.connection
        waiting = raw._pipeline.result_queue
        try:
            with self.wrap_database_errors:
                with _refusals_kept(), stack:
                    for command in commands:  # a cursor would have psycopg forget what is prepared, at a ROLLBACK
                        next(raw._exec_command(command), None)
                if raw.closed or waiting:
                    raise psycopg.OperationalError(LOST)
        finally:
            if not raw.closed and raw.info.pipeline_status != PipelineStatus.OFF:
                raw.close()

    def _savepoint_rollback(self, sid: str) -> None:
        with _savepoints_kept():
            super()._savepoint_rollback(sid)  # type: ignore[misc]

    def _savepoint_commit(self, sid: str) -> None:
        with _savepoints_kept():
            super()._savepoint_commit(sid)  # type: ignore[misc]


@contextmanager
def _refusals_kept() -> Iterator[None]:
    """Raise what the server said as it refused to commit, and not that psycopg cannot leave the pipeline after that."""
    try:
        yield
    except psycopg.OperationalError as error:
        refusal = error.__context__
        if error.sqlstate is None and isinstance(refusal, psycopg.Error) and refusal.sqlstate:
            raise refusal from None
        raise


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
