"""Follows the stream: reads, proves, writes down, and only then lets the server forget what was read."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event

from django.conf import settings

from reconciliation.models import Proof, as_lsn
from reconciliation.proving import wire
from reconciliation.proving.families import Families
from reconciliation.proving.full_proofs import NOW, FullProofs
from reconciliation.proving.ground import PUBLICATIONS, look, slot_name
from reconciliation.proving.opening import open_ripe
from reconciliation.proving.prover import Prover
from reconciliation.proving.replication import Line
from reconciliation.proving.writing import Mark, confirm

CONFIRM_SECONDS = 0.5
"""Between two times that the position is written down, also where nothing is committed; breaks do not wait for it."""
LOOK_SECONDS = 0.5
"""Between two looks at breaks whose time of grace is over, at breaks to explain, and for full proofs."""
CALM_LOOK_SECONDS = 2.0
"""Between two looks for full proofs and at breaks to explain, once nothing was found for ``CALM_AFTER_SECONDS``."""
CALM_AFTER_SECONDS = 60.0
LIMIT_SECONDS = 5.0
"""Between two looks at how much of the log the server keeps."""
READ_SECONDS = 0.25
GATHER_SECONDS = 0.02
"""Between two reads near the end of the log: waking for each commit alone costs more than proving it does."""
NEAR = timedelta(seconds=2)
"""How old a commit may be to be near the end; a backlog is read without rests."""
MARKS = 64
HALF = 1 << 31
Report = Callable[[Proof], None]


class LogTooLong(Exception):
    """The server keeps more of the log for us than it may; the slot must go."""


@dataclass
class Epochs:
    """Adds the epoch to transaction ids, which the stream sends without."""

    near: int
    """A transaction id of about now, with its epoch."""

    def full(self, xid: int) -> int:
        """Return the transaction id with its epoch: the one that is nearest to those before."""
        full = (self.near & ~0xFFFFFFFF) | xid
        if full - self.near > HALF:
            full -= 1 << 32
        elif self.near - full > HALF:
            full += 1 << 32
        self.near = max(self.near, full)
        return full


class Follower:
    """Reads one stream, from where the state says, until it is stopped or the stream ends."""

    def __init__(self, line: Line, proof: Proof, stop: Event, report: Report) -> None:
        """Keep the connection, the state, and what to call after each time that the position is written down."""
        self.line, self.proof, self.stop, self.report = line, proof, stop, report
        self.prover = Prover(Families(), Epochs(NOW.rows()[0]["next_xid"]).full, look().published)
        self.full_proofs = FullProofs(proof)
        self.confirmed = proof.position
        self.proved_until: datetime | None = proof.proved_until
        self._commits = 0
        self._marks = deque[Mark](maxlen=MARKS)
        self._due = {"confirm": 0.0, "look": 0.0, "full": 0.0, "limit": 0.0}
        self._calm_from = time.monotonic() + CALM_AFTER_SECONDS
        self._may_ripen = True
        """Whether breaks were found or wait since the last look at them."""

    def follow(self) -> None:
        """Follow the stream.

        Raises ``StreamEnded``, ``StreamUnreadable``, ``IdentityLost``, ``ColumnsChanged``, ``LogTooLong`` or
        ``NoLongerOurs`` where the stream cannot be followed any further, and errors of outages.
        """
        self.line.start(slot_name(), self.proof.position, PUBLICATIONS)
        try:
            while not self.stop.is_set():
                messages = self.line.read(READ_SECONDS)
                for message in messages:
                    wire.feed(self.prover.handler, message)
                self._step(time.monotonic())
                if messages and self._is_near_the_end():
                    self.stop.wait(GATHER_SECONDS)
            self._confirm()
        finally:
            self.full_proofs.wait()

    def _step(self, at: float) -> None:
        if self.prover.has_found or at >= self._due["confirm"]:
            self._confirm()
        elif self.line.must_reply:
            self.line.confirm(self.confirmed)
        if at >= self._due["look"]:
            self._due["look"] = at + LOOK_SECONDS
            if self._may_ripen:
                self._may_ripen = open_ripe(self.proof, self.proved_until)
            if at < self._calm_from or at >= self._due["full"] or self.proof.state != Proof.State.PROVED:
                self._due["full"] = at + CALM_LOOK_SECONDS
                self.full_proofs.tend(self.confirmed)
                self.full_proofs.explain()
        if at >= self._due["limit"]:
            self._due["limit"] = at + LIMIT_SECONDS
            self._limit()

    def _confirm(self) -> None:
        """Write down what was found and up to where the log was read; the server may then forget that much."""
        found = self.prover.take()
        position = max(self.confirmed, self.prover.position)
        if self.prover.is_between_commits:
            position = max(position, self.line.end)
        while self._marks and self._marks[0].end <= position:
            self.proved_until = self._marks.popleft().at
        commits, self._commits = self.prover.commits - self._commits, self.prover.commits
        mark = confirm(self.proof, found, position=position, commits=commits, proved_until=self.proved_until)
        self.confirmed = position
        if len(self._marks) < MARKS:
            self._marks.append(mark)
        self.line.confirm(position, ask=True)
        if found:
            self._may_ripen, self._calm_from = True, time.monotonic() + CALM_AFTER_SECONDS
        self._due["confirm"] = time.monotonic() + CONFIRM_SECONDS
        self.report(self.proof)

    def _is_near_the_end(self) -> bool:
        """Return whether the last commit was made at about the last look at the clock, which is the database's."""
        last = self.prover.last_at
        return last is not None and bool(self._marks) and last > self._marks[-1].at - NEAR

    def _limit(self) -> None:
        """Note how much of the log the server keeps. Raises ``LogTooLong``."""
        ground = look()
        Proof.objects.filter(pk=Proof.ONLY, watcher=self.proof.watcher).update(kept=ground.kept, warning=ground.warning)
        if ground.kept > settings.LEDGER_WATCH_MAX_WAL:
            raise LogTooLong(
                f"The log that PostgreSQL kept for the live proof passed "
                f"{settings.LEDGER_WATCH_MAX_WAL // 1024**2:,} MB at {as_lsn(self.confirmed)}, so its slot was dropped."
            )
