"""Who was shown original values of tokenized fields, as sealed records."""

from __future__ import annotations

from collections.abc import Sequence

from balances.ground import atomic_with_lock_limit
from reconciliation.models import Disclosure
from reconciliation.records.sealing import lock_chain, seal


def record_disclosure(
    *, identity_id: str, fields: Sequence[str], actor: str, door: str, address: str = ""
) -> Disclosure:
    """Write down, in a commit of its own, who is about to see which fields of an identity, and return the record.

    Raises ``BalanceLocked`` where the chain of records is held for too long; then nothing may be shown.
    """
    with atomic_with_lock_limit(durable=True):
        last = lock_chain()
        disclosure = Disclosure.objects.create(
            identity_id=identity_id, field_names=", ".join(fields), actor=actor, door=door, address=address
        )
        seal([disclosure], last)
    return disclosure
