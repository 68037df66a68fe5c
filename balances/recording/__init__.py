"""Writes what was decided: rows, totals, what lineage notes, what waits, in one commit."""

from balances.recording import entries, tracked, writing
from balances.recording.committing import commit
from balances.recording.entries import POSTINGS, Claimed, claimed
from balances.recording.lineage import LINEAGE, PROVIDER
from balances.recording.tracked import Mapping, Tracked, tracked_of
from balances.recording.writing import RECORD_MOVEMENTS, constraint, recording

__all__ = [
    "LINEAGE",
    "POSTINGS",
    "PROVIDER",
    "RECORD_MOVEMENTS",
    "Claimed",
    "Mapping",
    "Tracked",
    "claimed",
    "commit",
    "constraint",
    "entries",
    "recording",
    "tracked",
    "tracked_of",
    "writing",
]
