"""Merges metadata of every kind of entity."""

from __future__ import annotations

from typing import Any

from balances.ground import Mode, Statement, atomic_with_lock_limit, dumps, exceptions, may, require_mode
from balances.models import RUN_FLAG, RUN_VALUE, Balance, Identity, Ledger

MERGE_TRANSACTION_METADATA = Statement.beside(__file__, "merge_transaction_metadata.sql")


def require_correction(before: Any, after: Any) -> None:
    """Raise ``ModeForbids`` unless new metadata of a balance may be stored here.

    In mode repair it may only ask for a correction: the flag is set, and nothing else differs.
    """
    if may(Mode.SERVE):
        return
    known = {} if before is None else before
    wanted = dict(after if isinstance(after, dict) else {})
    if wanted.pop(RUN_FLAG, None) != RUN_VALUE or wanted != known:
        require_mode(Mode.SERVE)


def merge_metadata(*, entity_id: str, meta_data: dict[str, Any], changed_by: str) -> dict[str, Any]:
    """Merge top-level keys into an entity's metadata and return the metadata that its clients see.

    The merge happens under the row's lock, so no concurrent key is lost. On a balance, ``Balance.save()`` takes the
    reconstruction flag as a request. Raises ``InvalidEntityId``, ``EntityNotFound``, ``BalanceLocked`` or
    ``ModeForbids``.
    """
    if entity_id.startswith(("txn_", "bulk_")):
        if not MERGE_TRANSACTION_METADATA.rows(transaction_id=entity_id, meta_data=dumps(meta_data)):
            raise exceptions.EntityNotFound
        return meta_data
    if entity_id.startswith("ldg_"):
        rows: Any = Ledger.objects.filter(ledger_id=entity_id)
    elif entity_id.startswith("bln_"):
        rows = Balance.objects.filter(balance_id=entity_id)
    elif entity_id.startswith("idt_"):
        rows = Identity.objects.filter(identity_id=entity_id)
    else:
        raise exceptions.InvalidEntityId(f"invalid entity ID format: {entity_id}")
    with atomic_with_lock_limit():
        entity = rows.select_for_update(no_key=True).first()
        if entity is None:
            raise exceptions.EntityNotFound
        merged = (entity.meta_data if isinstance(entity.meta_data, dict) else {}) | meta_data
        if isinstance(entity, Balance):
            require_correction(entity.meta_data, merged)
            entity.changed_by, entity.changed_through = changed_by, "metadata"
        entity.meta_data = merged
        entity.save(update_fields=["meta_data"])
    return merged
