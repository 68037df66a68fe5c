"""Writes what was decided: rows, totals, what lineage notes, what waits, in one commit."""

from balances.recording import calling, entries, writing
from balances.recording.committing import commit
from balances.recording.entries import QUEUE, Claimed, call_worker, call_worker_at, claimed
from balances.recording.lineage import PROVIDER
from balances.recording.tracked import Mapping, Tracked, tracked_of
from balances.recording.writing import RECORD_MOVEMENTS, constraint, recording

__all__ = [
    "PROVIDER",
    "QUEUE",
    "RECORD_MOVEMENTS",
    "Claimed",
    "Mapping",
    "Tracked",
    "call_worker",
    "call_worker_at",
    "calling",
    "claimed",
    "commit",
    "constraint",
    "entries",
    "recording",
    "tracked_of",
    "writing",
]
