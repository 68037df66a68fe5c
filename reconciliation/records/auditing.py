"""What people did in the back-office, as sealed records with what was there before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from balances.ground import atomic_with_lock_limit, dumps
from reconciliation.models import AuditEntry
from reconciliation.records.sealing import seal

BATCH = 2_000
"""Records of one statement."""


def record_audit(**done: Any) -> AuditEntry:
    """Write down what a person did, and return the record. See ``record_audits``."""
    return record_audits([done])[0]


def record_audits(changes: Sequence[Mapping[str, Any]]) -> list[AuditEntry]:
    """Write down what a person did, in the transaction of the change where there is one, and return the records.

    Each change has ``actor``, ``action`` and ``subject``, and perhaps ``subject_id``, ``name``, ``address``, and texts
    by field in ``before`` and ``after``. However many there are, it is one insert of records and one of seals. Raises
    ``BalanceLocked`` where the chain of records is held for too long; then nothing may be changed.
    """
    entries = [
        AuditEntry(**{**each, **{side: _text(each.get(side)) for side in ("before", "after")}}) for each in changes
    ]
    with atomic_with_lock_limit():
        AuditEntry.objects.bulk_create(entries, batch_size=BATCH)
        seal(entries)
    return entries


def _text(fields: Mapping[str, str] | None) -> str:
    return dumps(dict(fields)) if fields else ""
