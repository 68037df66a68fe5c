"""Restores transactions that were deleted by force, where the totals still hold what they moved."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError, transaction

from balances.books import DuplicateReference
from balances.models import Transaction
from balances.recording import RECORD_MOVEMENTS, recording, takes_reference


def restore_rows(rows: Sequence[Transaction]) -> None:
    """Record rows without moving a total, because the totals hold what the rows move already.

    Must run in an atomic block. Raises ``DuplicateReference`` where another row has taken a reference meanwhile.
    """
    try:
        with transaction.atomic():
            RECORD_MOVEMENTS.execute(**recording(rows, []))
    except IntegrityError as error:
        if takes_reference(error):
            raise DuplicateReference(", ".join(str(row.reference) for row in rows)) from error
        raise
