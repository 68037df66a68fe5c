"""Which lists left as files, as sealed records."""

from __future__ import annotations

from balances.ground import atomic_with_lock_limit
from reconciliation.models import Export
from reconciliation.records.sealing import lock_chain, seal


def record_export(*, actor: str, address: str, listed: str, filters: str, file_kind: str, rows: int) -> Export:
    """Write down, in a commit of its own, who is about to get a list as a file, and return the record.

    Raises ``BalanceLocked`` where the chain of records is held for too long; then nothing may leave.
    """
    with atomic_with_lock_limit(durable=True):
        last = lock_chain()
        export = Export.objects.create(
            actor=actor, address=address, listed=listed, filters=filters, file_kind=file_kind, rows=rows
        )
        seal([export], last)
    return export
