"""The chain over all records of decisions: each seal fixes one record's content and the whole chain before it.

Changing, removing or inserting a record breaks the chain, with or without triggers. Rewriting the whole chain gives
another head than the one that people have kept (``manage.py verify_records --head``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from django.db import connection

from balances.ground import Statement, dumps
from balances.models import TOTALS
from reconciliation.models import (
    Acceptance,
    Archive,
    AuditEntry,
    Disclosure,
    Export,
    Reconstruction,
    Refusal,
    Seal,
    Step,
)

LOCK_CHAIN = Statement.beside(__file__, "lock_chain.sql")
VERSION = 8
"""The lists of fields that new seals go by; older seals name theirs, and it stays in ``FIELDS``."""
FIELDS: dict[int, dict[str, tuple[str, ...]]] = {
    1: {
        "reconstruction": (
            *("reconstruction_id", "balance_id", "indicator", "currency", "ledger_id", "ledger_name"),
            *(f"{when}_{total}" for when in ("previous", "recalculated") for total in TOTALS),
            *("executed_at", "outcome", "dry_run", "actor", "reason", "origin"),
            *("credit_rows", "debit_rows", "hold_rows", "version_before", "version_after", "plan_id", "undoes"),
        ),
        "step": ("step_id", "plan_id", "taken_at", "kind", "actor", "origin", "note"),
        "refusal": ("refusal_id", "refused_at", "actor", "door", "what", "why", "address"),
    }
}
FIELDS[2] = FIELDS[1] | {"refusal": (*FIELDS[1]["refusal"], "attempts")}
FIELDS[3] = FIELDS[2] | {
    "disclosure": ("disclosure_id", "disclosed_at", "identity_id", "field_names", "actor", "door", "address")
}
FIELDS[4] = FIELDS[3] | {"reconstruction": (*FIELDS[3]["reconstruction"], "transaction_id")}
FIELDS[5] = FIELDS[4] | {"reconstruction": (*FIELDS[4]["reconstruction"], "note")}
FIELDS[6] = FIELDS[5] | {
    "acceptance": (
        *("acceptance_id", "decided_at", "kind", "finding_id", "balance_id", "indicator", "currency", *TOTALS),
        *("checks", "actor", "origin", "reason"),
    ),
    "export": ("export_id", "exported_at", "actor", "address", "listed", "filters", "file_kind", "rows"),
}
FIELDS[7] = FIELDS[6] | {
    "audit": ("audit_id", "done_at", "actor", "action", "subject", "subject_id", "name", "before", "after", "address")
}
FIELDS[8] = FIELDS[7] | {
    "archive": ("archive_id", "archived_at", "month", "manifest", "previous", "legs", "files", "actor", "origin")
}
"""What a seal covers: every column of each kind of record, by version."""
Sealed = Reconstruction | Step | Refusal | Disclosure | Acceptance | Export | AuditEntry | Archive
MODELS: dict[str, type[Sealed]] = {
    "reconstruction": Reconstruction,
    "step": Step,
    "refusal": Refusal,
    "disclosure": Disclosure,
    "acceptance": Acceptance,
    "export": Export,
    "audit": AuditEntry,
    "archive": Archive,
}
BEGINNING = "0" * 64
"""What stands for the hash before the first seal."""


def lock_chain() -> Seal:
    """Lock the chain until the end of the transaction and return its last seal, or what precedes the first one.

    Take this lock before locking any balance: records are sealed first, balances are restated last.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("Records are sealed in the transaction that writes them.")
    LOCK_CHAIN.rows()
    return Seal.objects.order_by("-sequence").first() or before_the_first()


def seal(records: Sequence[Sealed], last: Seal | None = None) -> None:
    """Seal records in the transaction that has written them, in their order.

    ``last`` is what ``lock_chain`` returned; without it the chain is locked from here on.
    """
    if not records:
        return
    kind = next(kind for kind, model in MODELS.items() if isinstance(records[0], model))
    Seal.objects.bulk_create(chained(kind, records, last or lock_chain()))


def chained(kind: str, records: Iterable[Any], last: Seal, link: Any = Seal, version: int = VERSION) -> list[Any]:
    """Return unsaved seals, of the class ``link``, for records of one kind; the first one follows ``last``."""
    seals = []
    for record in records:
        seal = link(sequence=last.sequence + 1, kind=kind, record_id=record.pk, digest=digest(kind, record, version))
        seal.hash = chain_hash(last.hash, seal)
        seals.append(seal)
        last = seal
    return seals


def is_as_sealed(kind: str, record: Sealed) -> bool:
    """Return whether a record has a seal, and is what that says; the chain itself is for ``Verification`` to judge."""
    link = Seal.objects.filter(kind=kind, record_id=record.pk).first()
    version = link.digest.partition(":")[0] if link else ""
    known = version.isdecimal() and kind in FIELDS.get(int(version), {})
    return link is not None and known and link.digest == digest(kind, record, int(version))


def before_the_first() -> Seal:
    """Return what the first seal follows: a link that is never stored."""
    return Seal(sequence=0, hash=BEGINNING)


def digest(kind: str, record: Any, version: int = VERSION) -> str:
    """Return what seals a record's content: the version of the list of fields, and SHA-256 over their values."""
    values = [[name, _canonical(getattr(record, name))] for name in FIELDS[version][kind]]
    return f"{version}:{_sha256([kind, values])}"


def chain_hash(previous: str, link: Any) -> str:
    """Return the hash of a seal that follows the hash ``previous``."""
    return _sha256([previous, link.sequence, link.kind, link.record_id, link.digest, _canonical(link.sealed_at)])


def _sha256(value: Any) -> str:
    return sha256(dumps(value).encode(errors="surrogatepass")).hexdigest()


def _canonical(value: Any) -> Any:
    """Return one text for one value, however the database or Python writes it."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case bool() | None:
            return value
        case int():
            return str(value)
        case Decimal():  # money of a foreign database may have a fraction
            text = format(value, "f")
            return text.rstrip("0").rstrip(".") if "." in text else text
        case _:
            return str(value)
