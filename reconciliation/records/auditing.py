"""What people did in the back-office, as sealed records with what was there before and after."""

from __future__ import annotations

from collections.abc import Mapping

from balances.ground import atomic_with_lock_limit, dumps
from reconciliation.models import AuditEntry
from reconciliation.records.sealing import seal


def record_audit(
    *,
    actor: str,
    action: str,
    subject: str,
    subject_id: str = "",
    name: str = "",
    before: Mapping[str, str] | None = None,
    after: Mapping[str, str] | None = None,
    address: str = "",
) -> AuditEntry:
    """Write down what a person did, in the transaction of the change where there is one, and return the record.

    Raises ``BalanceLocked`` where the chain of records is held for too long; then nothing may be changed.
    """
    with atomic_with_lock_limit():
        entry = AuditEntry.objects.create(
            actor=actor,
            action=action,
            subject=subject,
            subject_id=subject_id,
            name=name,
            before=dumps(dict(before)) if before else "",
            after=dumps(dict(after)) if after else "",
            address=address,
        )
        seal([entry])
    return entry
