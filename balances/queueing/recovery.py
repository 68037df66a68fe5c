"""Recovers queued rows without an outcome, which another writer such as the original left behind.

Rows of this ledger cannot get lost: they stay in the queue from the commit that stores them to that of their outcome.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from balances.books import ALLOW_OVERDRAFT, INFLIGHT, row_of
from balances.ground import Mode, Statement, adoption, require_mode
from balances.models import Transaction, now
from balances.recording import POSTINGS, entries

STUCK_ROWS = Statement.beside(__file__, "stuck_rows.sql")
NOTE_RECOVERY = Statement.beside(__file__, "note_recovery.sql")
LEAST_AGE = timedelta(minutes=2)
AT_ONCE = 100
"""Most rows recovered in one call."""


def recover(threshold: timedelta) -> int:
    """Have a worker apply queued rows that are older than a threshold, and return their number, at most 100.

    Options that no column keeps are read from the metadata, which lacks an overdraft limit. Rows that were not in the
    queue are marked as recovered in their metadata, which their outcomes inherit. In an adopted database these are
    none: what Blnk's queue lost it recovers by itself. Raises ``ModeForbids``.
    """
    require_mode(Mode.SERVE)
    if adoption() is not None:
        return 0
    with transaction.atomic():
        rows = [row_of(row) for row in STUCK_ROWS.rows(before=now() - max(threshold, LEAST_AGE), size=AT_ONCE)]
        if taken := entries.add([_entry(row) for row in rows]):
            NOTE_RECOVERY.execute(ids=sorted(taken), at=now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        if rows:
            POSTINGS.call()
    return len(rows)


def _entry(row: Transaction) -> entries.Waiting:
    said = row.meta_data if isinstance(row.meta_data, dict) else {}
    return entries.Waiting(
        action=entries.Action.APPLY,
        transaction_id=row.pk,
        inflight=said.get(INFLIGHT) is True,
        allow_overdraft=said.get(ALLOW_OVERDRAFT) is True,
    )
