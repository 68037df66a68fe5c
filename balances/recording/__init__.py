"""Writes what was decided, in one commit: rows, totals, notes for lineage, and entries of the queue."""

from balances.recording import beside, entries, tracked, writing
from balances.recording.committing import commit
from balances.recording.entries import POSTINGS, Claimed, claimed
from balances.recording.lineage import LINEAGE, PROVIDER
from balances.recording.storing import to_store
from balances.recording.tracked import Mapping, Tracked, tracked_of
from balances.recording.writing import RECORD_MOVEMENTS, constraint, recording, takes_reference
