"""Watches until stopped: one process at a time, another one as soon as that is gone, whatever happens to the server."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

from django.conf import settings
from django.db import Error, connection, connections

from balances.ground import is_outage
from reconciliation.models import Proof
from reconciliation.proving.following import Follower, LogTooLong
from reconciliation.proving.ground import CannotWatch, look, slot_name, take_back
from reconciliation.proving.replication import CannotReplicate, Line, StreamEnded
from reconciliation.proving.streams import block, end_stream, switch_off, take_over, why_not
from reconciliation.proving.tables import ColumnsChanged, IdentityLost
from reconciliation.proving.wire import StreamUnreadable
from reconciliation.proving.writing import NoLongerOurs

logger = logging.getLogger(__name__)
LOCK = "live proof"
WAIT_FOR_OTHERS, WAIT_FOR_SETTINGS, WAIT_FOR_SERVER = 2.0, 15.0, 0.5
"""Seconds until the next try where another process watches, something must be set first, or the server is away."""
WAIT_AFTER_ERROR, TRIES = 5.0, 3
"""Seconds until a place in the log is tried again after an error, and how often before the stream is given up."""
SHORT_LIVED, MOST_IN_A_ROW = 60.0, 8
"""Seconds that a stream lives at least, unless something ends one after the other: then each waits for longer."""
ENDS = (StreamEnded, StreamUnreadable, IdentityLost, ColumnsChanged)
Report = Callable[[str], None]


def watch(stop: Event, report: Report = lambda sentence: None) -> None:
    """Read the log and prove every commit until stopped. ``report`` gets a sentence when something changes.

    Whatever ends a stream is written down, and another one is begun.
    """
    said, ended, errors = "", 0, _Errors()
    while not stop.is_set():
        began = time.monotonic()
        try:
            sentence, pause = _watched(stop, report)
        except Exception as error:
            logger.exception("The log could not be read on")
            sentence, pause = errors.put_off(error), WAIT_AFTER_ERROR
        if sentence != said and sentence:
            report(sentence)
        said = sentence
        if not pause:
            ended = 0 if time.monotonic() - began > SHORT_LIVED else min(ended + 1, MOST_IN_A_ROW)
        stop.wait(pause or 0.05 * 2**ended)
    connections.close_all()


class _Errors:
    """Errors that no one foresaw: what was read is tried again, and given up where it fails at one place for good."""

    def __init__(self) -> None:
        self._at, self._times = -1, 0

    def put_off(self, error: Exception) -> str:
        """Write down what went wrong; end the stream where it is the third time at one place. Return a sentence."""
        connections.close_all()
        reason = f"The log could not be read on: {str(error).strip().splitlines()[0] if str(error) else repr(error)}"
        try:
            at = Proof.objects.get_or_create(proof_id=Proof.ONLY)[0].position
            self._at, self._times = at, self._times + 1 if at == self._at else 1
            Proof.objects.filter(pk=Proof.ONLY).update(warning=f"{reason}. It is tried again.")
            if self._times >= TRIES:
                self._times = 0
                end_stream(f"{reason}.")
        except Error:  # the database fails altogether; the next try says how
            logger.exception("That could not be written down")
        return reason


def _watched(stop: Event, report: Report) -> tuple[str, float]:
    """Follow one stream; return what to say when it is over, and how long to wait before the next try."""
    watcher = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    try:
        try:
            return _watched_as(watcher, stop, report)
        except (CannotWatch, CannotReplicate) as error:
            reason = next(iter(look().obstacles), str(error))
            block(reason)
            return reason, WAIT_FOR_SETTINGS
    except Exception as error:
        if not is_outage(error):
            raise
        connections.close_all()
        return f"The database is away: {str(error).strip()}", WAIT_FOR_SERVER


def _watched_as(watcher: str, stop: Event, report: Report) -> tuple[str, float]:
    with _line(stop) as line:
        if not line.try_lock(LOCK):
            return "Another process watches; this one takes over when that ends.", WAIT_FOR_OTHERS
        proof = take_over(line, watcher)
        report(f"Watching as {watcher}, stream {proof.stream}.")
        _followed(line, proof, stop)
        return "", 0.0


def _followed(line: Line, proof: Proof, stop: Event) -> None:
    """Follow a stream until stopped; write down why where it ended."""
    try:
        Follower(line, proof, stop, lambda state: None).follow()
    except LogTooLong as error:
        line.close()
        with _line(stop) as other:
            other.drop_slot(slot_name())
        end_stream(str(error))
    except NoLongerOurs:
        standing = Proof.objects.get(pk=Proof.ONLY)
        if standing.watcher == proof.watcher:
            with _line(stop) as other:
                end_stream(why_not(standing, other.identify(), look()) or "The state was changed by another hand.")
    except ENDS as error:
        end_stream(f"{str(error).rstrip('.')}.")


@contextmanager
def _line(stop: Event) -> Iterator[Line]:
    line = Line(stop)
    try:
        yield line
    finally:
        line.close()


def remove(actor: str) -> list[str]:
    """Take slot, publications and replica identities back, and return what was done.

    Raises ``CannotWatch`` where a process still watches.
    """
    with _line(Event()) as line:
        if not line.try_lock(LOCK):
            raise CannotWatch("A process still watches: stop it first. A worker watches unless LEDGER_WATCH=false.")
        switch_off(f"Live proof was switched off by {actor}.")
        return take_back(line)


def guard() -> None:
    """Drop the slot where no process reads it and the server keeps more of the log for it than it may."""
    proof = Proof.objects.filter(pk=Proof.ONLY, state__in=Proof.RUNNING).first()
    if proof is None or not proof.identity or connection.in_atomic_block:
        return
    ground = look()
    if ground.kept <= settings.LEDGER_WATCH_MAX_WAL:
        return
    with _line(Event()) as line:
        if line.try_lock(LOCK):  # else the process that reads it does this itself
            line.drop_slot(slot_name())
            end_stream(
                f"No process read the log, and what PostgreSQL kept of it passed "
                f"{settings.LEDGER_WATCH_MAX_WAL // 1024**2:,} MB, so the slot was dropped."
            )
