"""A replication connection by libpq itself: statements, the slot, and the stream of changes."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import psycopg
from django.db import connection
from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn

from reconciliation.models import from_lsn

KEEPALIVE, DATA = 0x6B, 0x77
APPLICATION = "ledger-backoffice live proof"
PLUGIN = "pgoutput"
DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
WAITING_SECONDS = 1.0
READ_AT_ONCE = 2_000
"""Messages that are handed over together: signals and the clock are looked at between."""
EPOCH_SECONDS = 946_684_800
"""The instant from which PostgreSQL counts microseconds."""


class CannotReplicate(Exception):
    """The server refuses a replication connection, or a command on one; the text is its own."""


class StreamEnded(Exception):
    """The stream can not be followed any further on this slot; the text is the server's."""


@dataclass(frozen=True)
class Server:
    """Which server this is, in which of its histories."""

    system: str
    timeline: int


class Line:
    """One replication connection: at first it takes statements and commands, then it streams."""

    def __init__(self, stop: Event) -> None:
        """Connect as Django does; ``stop`` ends what takes long. Raises as ``run`` does."""
        self._stop = stop
        known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
        params: dict[str, Any] = connection.get_connection_params()
        given = {name: value for name, value in params.items() if name in known and value is not None}
        given |= {"application_name": APPLICATION, "client_encoding": "UTF8"}
        self._line = _connected(given, tries=2)
        self.end = 0
        """Up to where the server has sent what there is."""
        self._reply_wanted = False
        self._waiting: Callable[[], None] | None = None

    def close(self) -> None:
        """Let go of the connection, and with it of the slot and the lock."""
        self._line.finish()

    def run(self, text: str) -> list[dict[str, str | None]]:
        """Run a statement or a command of replication and return its rows as texts.

        Raises ``CannotReplicate``, or ``psycopg.OperationalError`` where the connection is lost or it is stopped.
        """
        self._line.send_query(text.encode())
        result = last = self._result()
        while last is not None:  # of several statements the last one counts, unless one fails
            result, last = last, self._result() if last.status in DONE else None
        if result is None or result.status not in DONE:
            self._refuse(result)
        names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
        return [
            {name: _text(result.get_value(row, column)) for column, name in enumerate(names)}
            for row in range(result.ntuples)
        ]

    def _result(self) -> Any:
        asked_at = time.monotonic()
        while self._line.is_busy():
            if self._waiting is not None and time.monotonic() - asked_at > WAITING_SECONDS:
                asked_at = time.monotonic()
                self._waiting()
            if self._stop.is_set():
                self._line.get_cancel().cancel()
                raise psycopg.OperationalError("stopped")
            self._wait(time.monotonic() + 0.2)
        return self._line.get_result()

    def identify(self) -> Server:
        """Return which server this is."""
        row = self.run("IDENTIFY_SYSTEM")[0]
        return Server(str(row["systemid"]), int(row["timeline"] or 0))

    def make_slot(self, name: str, waiting: Callable[[], None]) -> int:
        """Make a slot and return the position from which its stream has every commit.

        It waits for all transactions that run; ``waiting`` is called meanwhile, every now and then.
        """
        self._waiting = waiting
        row = self.run(f"CREATE_REPLICATION_SLOT {quoted(name)} LOGICAL {PLUGIN} (SNAPSHOT 'nothing')")[0]
        self._waiting = None
        return from_lsn(str(row["consistent_point"]))

    def drop_slot(self, name: str) -> bool:
        """Drop a slot of this database, and end the connection that reads it; return whether it was there."""
        text = literal(name)
        ours = f"slot_name = {text} AND database = current_database()"
        there = self.run(f"SELECT active_pid FROM pg_replication_slots WHERE {ours}")  # noqa: S608
        if not there:
            return False
        if there[0]["active_pid"]:
            self.run(f"SELECT pg_terminate_backend({int(there[0]['active_pid'])}, 5000)")
        self.run(f"SELECT pg_drop_replication_slot({text})")
        return True

    def try_lock(self, name: str) -> bool:
        """Take the lock of a name for as long as the connection lives; return whether no other process has it."""
        row = self.run(f"SELECT pg_try_advisory_lock(hashtextextended({literal(name)}, 0)) AS taken")[0]
        return row["taken"] == "t"

    def start(self, slot: str, position: int, publications: Sequence[str]) -> None:
        """Begin to stream from a position. Raises ``StreamEnded`` where the slot is gone or of no use any more."""
        at = f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
        named = ", ".join(quoted(each) for each in publications)
        command = f"START_REPLICATION SLOT {quoted(slot)} LOGICAL {at} (proto_version '1', publication_names '{named}')"
        result = self._line.exec_(command.encode())
        if result.status != ExecStatus.COPY_BOTH:
            self._refuse(result, StreamEnded)
        self._line.nonblocking = 1
        self.end = position

    def read(self, seconds: float) -> list[bytes]:
        """Return messages of the plugin that have arrived, after waiting for the first one.

        Raises ``StreamEnded`` where the server ended the stream for a reason that stays, and
        ``psycopg.OperationalError`` where it was lost.
        """
        messages: list[bytes] = []
        deadline = time.monotonic() + seconds
        while len(messages) < READ_AT_ONCE:
            size, data = self._line.get_copy_data(1)
            if size > 0:
                message = bytes(data or b"")
                if message[0] == DATA:
                    messages.append(message)
                elif message[0] == KEEPALIVE:
                    self.end = max(self.end, int.from_bytes(message[1:9]))
                    self._reply_wanted |= message[17] == 1
            elif size < 0:
                self._refuse(self._line.get_result())
            elif not self._wait(0 if messages or self._reply_wanted else deadline):  # libpq takes 16 kB in at a time
                break
        return messages

    def confirm(self, position: int, *, ask: bool = False) -> None:
        """Let the server forget the log before a position; ``ask`` for how far it has sent."""
        self._reply_wanted = False
        clock = int((time.time() - EPOCH_SECONDS) * 1_000_000)
        numbers = b"".join(each.to_bytes(8, "big") for each in (position, position, position, clock))
        self._line.put_copy_data(b"r" + numbers + bytes([ask]))
        self._line.flush()

    @property
    def must_reply(self) -> bool:
        """Return whether the server asked for a sign of life."""
        return self._reply_wanted

    def _wait(self, deadline: float) -> bool:
        """Wait until something arrives; return whether it did in time."""
        ready, _, _ = select.select([self._line.socket], [], [], max(deadline - time.monotonic(), 0))
        if ready:
            self._line.consume_input()
        return bool(ready)

    def _refuse(self, result: Any, refusal: type[Exception] = CannotReplicate) -> None:
        """Raise what went wrong: an outage is one, everything else is a refusal that stays."""
        said = (result.error_message if result else self._line.error_message).decode(errors="replace").strip()
        state = result and result.error_field(DiagnosticField.SQLSTATE)
        if self._line.status != ConnStatus.OK or not state or state[:2] in (b"57", b"08") or state == b"55006":
            raise psycopg.OperationalError(said or "the stream was lost")
        raise (StreamEnded if self._line.nonblocking else refusal)(said)


def _connected(given: dict[str, Any], tries: int) -> PGconn:
    """Connect for replication. Raises ``CannotReplicate``, or an outage where the server lets no one in just now.

    A refused connection has no SQLSTATE, and its text is in the server's own language. So an ordinary connection is
    tried beside it, and this one once more, for the server may have been starting meanwhile.
    """
    line = pq.PGconn.connect(make_conninfo("", **given, replication="database").encode())
    if line.status == ConnStatus.OK:
        return line
    said = line.get_error_message().strip()
    line.finish()
    psycopg.connect(**given).close()
    if tries > 1:
        return _connected(given, tries - 1)
    raise CannotReplicate(said)


def quoted(name: str) -> str:
    """Return an identifier as a command of replication takes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL takes it."""
    return "'" + text.replace("'", "''") + "'"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
