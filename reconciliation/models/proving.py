"""Live proof: how far every commit is proved, what did not add up in which commit, and what was never proved."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from balances.ground import ExactJSONField, MinorUnitsField, UTCDateTimeField
from balances.models import TOTALS, now
from reconciliation.measuring import Totals
from reconciliation.models.sweeps import Sweep

HALF = 32
ROWS_NAMED = 100
"""Transactions that a break names; it counts all of them."""


def new_break_id() -> str:
    """Return a fresh id of a break."""
    return f"brk_{uuid.uuid4()}"


def as_lsn(position: int | None) -> str:
    """Return a position in the write-ahead log as PostgreSQL writes it: ``1A/2B3C4D5E``."""
    return "" if position is None else f"{position >> HALF:X}/{position & 0xFFFFFFFF:X}"


def from_lsn(text: str) -> int:
    """Return a position in the write-ahead log as a number of bytes."""
    high, low = text.split("/")
    return (int(high, 16) << HALF) + int(low, 16)


class Proof(models.Model):
    """One row: how far the log was read, and since when without a gap. Written in the commit that holds what was found.

    Instants are the database's own. ``reconciliation.proving.standing`` says what follows from it.
    """

    ONLY = 1

    class State(models.TextChoices):
        """What is being done."""

        OFF = "off", "Off"
        BLOCKED = "blocked", "Cannot be done"
        PROVING = "proving", "Waits for a full proof"
        PROVED = "proved", "Every commit is proved"

    RUNNING = (State.PROVING, State.PROVED)
    SILENT_AFTER = timedelta(seconds=15)
    """After which the log counts as not being read; the process that reads it writes the row twice a second."""

    proof_id = models.SmallIntegerField(primary_key=True, default=ONLY)
    state = models.TextField(choices=State.choices, default=State.OFF)
    reason = models.TextField(blank=True)
    """Why it is off or cannot be done, as a sentence that says what to set."""
    warning = models.TextField(blank=True)
    """What should be set otherwise although it works, as a sentence."""
    stream = models.BigIntegerField(default=0)
    """Counts the streams: each begins with a slot of its own, and has no gap."""
    since = UTCDateTimeField(null=True)
    """When the stream began: every commit after that is read from the log."""
    identity = ExactJSONField(default=dict)
    """What must stay the same for the stream to be without a gap: server, timeline, slot, publications."""
    before = ExactJSONField(default=dict)
    """What was set before it was switched on, by table; switching it off sets that again."""
    position = models.BigIntegerField(default=0)
    """Up to where the log is read and written down: the server may forget what is before."""
    proved_until = UTCDateTimeField(null=True)
    """Every commit up to this instant is read."""
    seen_at = UTCDateTimeField(null=True)
    """When the process that reads the log last wrote the row."""
    watcher = models.TextField(blank=True)
    """Host and process that read the log."""
    behind = models.BigIntegerField(default=0)
    """Bytes of the log that were written and not read, when the row was last written."""
    kept = models.BigIntegerField(default=0)
    """Bytes of the log that the server keeps for it."""
    commits = models.BigIntegerField(default=0)
    """Commits since the full proof; before there is one, since the stream began."""
    commits_ever = models.BigIntegerField(default=0)
    settled = models.BigIntegerField(default=0)
    """Breaks that another commit took back within the time of grace."""
    full_proof = models.ForeignKey(Sweep, on_delete=models.PROTECT, related_name="+", null=True)
    """The sweep of everything that, with the stream, proves every balance."""
    disagreement = ExactJSONField(default=dict)
    """What the last full sweep found otherwise than the stream, if anything."""

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(proof_id=1), name="there_is_one_proof"),)

    def __str__(self) -> str:
        return f"Live proof ({self.get_state_display().lower()})"

    def is_silent(self, at: datetime) -> bool:
        """Return whether no process reads the log that should be read; what comes after now is not of now."""
        age = None if self.seen_at is None else at - self.seen_at
        return self.state in self.RUNNING and not (age is not None and timedelta() <= age <= self.SILENT_AFTER)


class Gap(models.Model):
    """A time from which commits were not read: the stream before it ended, and another one began."""

    started_at = UTCDateTimeField()
    """Up to then every commit was proved."""
    ended_at = UTCDateTimeField(null=True)
    """From then on every commit is read again."""
    closed_at = UTCDateTimeField(null=True)
    """When a full proof of everything was finished after it."""
    stream = models.BigIntegerField()
    """The stream that ended."""
    position = models.BigIntegerField()
    """Where in the log that was."""
    reason = models.TextField()
    """Why it ended, as a sentence."""
    found_at = UTCDateTimeField(default=now)

    class Meta:
        ordering = ("-started_at", "-pk")
        indexes = (models.Index(fields=("-started_at",), name="gaps_newest"),)

    def __str__(self) -> str:
        until = f"{self.ended_at:%Y-%m-%d %H:%M:%S}" if self.ended_at else "now"
        return f"Not proved from {self.started_at:%Y-%m-%d %H:%M:%S} to {until} UTC: {self.reason}"


class Break(models.Model):
    """One balance in one commit: what its stored totals moved by, less what the rows of that commit account for.

    Amounts are minor units, and what the commit added to the balance's drift.
    """

    class Kind(models.TextChoices):
        """What the commit did."""

        TOTAL_CHANGED = "total_changed", "Totals changed without a transaction"
        ROW_WITHOUT_TOTAL = "row_without_total", "Transaction without its effect on the totals"
        MISMATCH = "mismatch", "Totals moved by another amount than the transactions"
        ROW_CHANGED = "row_changed", "Transaction changed"
        ROW_DELETED = "row_deleted", "Transaction deleted"
        BALANCE_BORN = "balance_born", "Balance created with totals that no transaction explains"
        BALANCE_DELETED = "balance_deleted", "Balance deleted with its totals"
        UNREADABLE = "unreadable", "Totals or amounts that are no whole numbers"
        TRUNCATED = "truncated", "Table emptied"
        CORRECTION = "correction", "Correction on record"

    class State(models.TextChoices):
        """Whether it still stands."""

        WAITING = "waiting", "Waits whether another commit takes it back"
        OPEN = "open", "Open"
        SETTLED = "settled", "Taken back within the time of grace"
        TAKEN_BACK = "taken_back", "Taken back later"
        CORRECTED = "corrected", "Corrected, on record"
        MEASURED = "measured", "Included in a later full proof"
        ON_RECORD = "on_record", "On record"

    STANDING = (State.WAITING, State.OPEN)

    break_id = models.TextField(primary_key=True, default=new_break_id, editable=False)
    kind = models.TextField(choices=Kind.choices)
    state = models.TextField(choices=State.choices, default=State.WAITING)
    stream = models.BigIntegerField()
    position = models.BigIntegerField()
    """Where in the log the commit ends; ``lsn`` writes it as PostgreSQL does."""
    xid = models.BigIntegerField()
    """The transaction id of the commit, epoch included."""
    committed_at = UTCDateTimeField()
    found_at = UTCDateTimeField(default=now)
    balance_id = models.TextField(db_collation="C", blank=True)
    """Empty where a whole table was emptied."""
    indicator = models.TextField(null=True)
    currency = models.TextField(blank=True)
    ledger_id = models.TextField(blank=True)
    credit_balance = MinorUnitsField(default=0)
    debit_balance = MinorUnitsField(default=0)
    balance = MinorUnitsField(default=0)
    inflight_credit_balance = MinorUnitsField(default=0)
    inflight_debit_balance = MinorUnitsField(default=0)
    inflight_balance = MinorUnitsField(default=0)
    rows = models.JSONField(default=list)
    """Transactions of the balance in that commit: objects of ``transaction_id``, ``change``; at most a hundred."""
    row_count = models.BigIntegerField(default=0)
    details = ExactJSONField(default=dict)
    """What was changed in which row, and totals that cannot be read."""
    author = ExactJSONField(default=dict)
    """From the edit journal: ``database_user``, ``client_address``, ``application_name``, ``backend_pid``."""
    record_id = models.TextField(null=True, db_collation="C")
    """Of a correction, its record."""
    closed_at = UTCDateTimeField(null=True)
    closed_by = models.TextField(blank=True)
    """The break or the sweep that closed it."""
    finding_id = models.TextField(null=True, db_collation="C")
    """The finding that came of it."""
    announced = models.BooleanField(default=False)
    """Whether people were notified of it: only of one that is open."""

    class Meta:
        ordering = ("-position", "balance_id")
        constraints = (
            models.UniqueConstraint(fields=("stream", "position", "balance_id", "kind"), name="broken_once_a_commit"),
        )
        indexes = (
            # The list, newest first.
            models.Index(fields=("-committed_at", "-break_id"), name="breaks_newest"),
            # The breaks of a balance: its page, its running drift.
            models.Index(fields=("balance_id", "-position"), name="breaks_of_balance"),
            # What stands: the state of the proof.
            models.Index(fields=("state", "committed_at"), condition=Q(closed_at=None), name="breaks_standing"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.indicator or self.balance_id or 'all'} in commit {self.lsn}"

    @property
    def lsn(self) -> str:
        """Return where in the log its commit ends, as PostgreSQL writes it."""
        return as_lsn(self.position)

    @property
    def amounts(self) -> Totals:
        """Return what the commit added to the drift, in each total."""
        return Totals(**{total: getattr(self, total) for total in TOTALS})

    @property
    def sentence(self) -> str:
        """Say what happened, by how much, in which commit and, where the edit journal knows, by whom."""
        sides = {total: getattr(self, total) for total in TOTALS if total not in ("balance", "inflight_balance")}
        if not any(sides.values()):
            sides = {total: getattr(self, total) for total in ("balance", "inflight_balance")}
        moved = ", ".join(
            f"{total.removesuffix('_balance').replace('_', ' ')} {units:+,}" for total, units in sides.items() if units
        )
        words = f"{self.get_kind_display()}{': ' + moved if moved else ''}, in commit {self.lsn}"
        return f"{words} of {self.committed_at:%Y-%m-%d %H:%M:%S.%f} UTC (transaction {self.xid}){self._by}."

    @property
    def _by(self) -> str:
        user, address, program = (
            self.author.get(name) for name in ("database_user", "client_address", "application_name")
        )
        if not user:
            return ""
        where = f" from {address}" if address else ""
        through = f" through {program}" if program else ""
        return f", by database user {user}{where}{through}"


class SweepChunk(models.Model):
    """Balances that a sweep of everything measured in one snapshot: those up to a key, from that of the chunk before.

    Whether a break is in the measurement follows from it: it is, if its transaction is visible in the snapshot.
    """

    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="chunks")
    through = models.TextField(db_collation="C")
    snapshot = models.TextField()
    """As ``pg_current_snapshot()`` gives it."""

    class Meta:
        constraints = (models.UniqueConstraint(fields=("sweep", "through"), name="measured_once_a_sweep"),)

    def __str__(self) -> str:
        return f"{self.sweep_id} through {self.through}"
