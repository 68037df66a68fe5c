"""Proof of the chain: every record is sealed, none was changed, none is missing. It only reads, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.models import Exists, OuterRef

from balances.ground import LedgerError
from reconciliation.models import Seal
from reconciliation.records.sealing import BEGINNING, FIELDS, MODELS, chain_hash, digest

AT_ONCE = 2_000
"""Seals, and the records under them, that are read at once."""


class NoSuchHash(LedgerError):
    """The head to compare with is no hash."""

    text = "A head hash is 64 hexadecimal digits, as verify_records prints it"
    code = "GEN_VALIDATION_ERROR"


@dataclass(frozen=True)
class Breach:
    """One thing that is wrong with the chain; ``sequence`` is the seal that shows it."""

    what: str
    kind: str
    record_id: str
    sequence: int | None
    detail: str


class Verification:
    """One walk along the chain: iterate over it for what is wrong, then ask how far it went."""

    def __init__(self, kept: str = "") -> None:
        """Take a head hash that was kept, which the chain must still contain. Raises ``NoSuchHash``."""
        if kept and (len(kept) != len(BEGINNING) or set(kept.lower()) - set("0123456789abcdef")):
            raise NoSuchHash
        self.kept = kept.lower()
        self.head = BEGINNING
        self.sealed = 0
        self.breaches = 0

    def __iter__(self) -> Iterator[Breach]:
        """Yield each breach: along the chain first, then records that no seal covers, then a head that is gone."""
        for breach in self._all():
            self.breaches += 1
            yield breach

    def _all(self) -> Iterator[Breach]:
        found = not self.kept
        expected = 1
        for link, record in _links():
            if link.sequence != expected:
                yield self._gap(expected, link)
            yield from self._judge(link, record)
            expected = link.sequence + 1
            self.head = link.hash
            self.sealed += 1
            found = found or link.hash == self.kept
        yield from _unsealed()
        if not found:
            detail = "The hash that was kept is nowhere in the chain: its end was cut off, or all of it was rewritten."
            yield Breach("head_missing", "seal", self.kept, None, detail)

    def _gap(self, expected: int, link: Seal) -> Breach:
        last = link.sequence - 1
        detail = f"Seals {expected} to {last} are missing." if last > expected else f"Seal {expected} is missing."
        return Breach("gap", "seal", str(expected), expected, detail)

    def _judge(self, link: Seal, record: Any) -> Iterator[Breach]:
        """Compare a seal with its record and with the hash before it."""
        if link.hash != chain_hash(self.head, link):
            yield _breach("seal_changed", link, "The seal does not follow from its own content and the seal before it.")
        version = link.digest.partition(":")[0]
        if record is None:
            yield _breach("missing", link, "The record that was sealed is gone.")
        elif not version.isdecimal() or link.kind not in FIELDS.get(int(version), {}):
            yield _breach("seal_changed", link, "The seal names a version that never was.")
        elif link.digest != digest(link.kind, record, int(version)):
            yield _breach("changed", link, "The record is not what was sealed.")


def _breach(what: str, link: Seal, detail: str) -> Breach:
    return Breach(what, link.kind, link.record_id, link.sequence, detail)


def _links() -> Iterator[tuple[Seal, Any]]:
    """Yield each seal with its record, in order. A seal is committed with its record, so none comes too early."""
    last: int | None = None
    while True:
        after = {} if last is None else {"sequence__gt": last}
        links = list(Seal.objects.filter(**after).order_by("sequence")[:AT_ONCE])
        if not links:
            return
        records: dict[tuple[str, str], Any] = {}
        for kind, group in groupby(sorted(links, key=lambda link: link.kind), key=lambda link: link.kind):
            if kind in MODELS:
                rows = MODELS[kind]._default_manager.in_bulk([link.record_id for link in group])
                records |= {(kind, record_id): record for record_id, record in rows.items()}
        yield from ((link, records.get((link.kind, link.record_id))) for link in links)
        last = links[-1].sequence


def _unsealed() -> Iterator[Breach]:
    """Yield the records that no seal covers; one statement a kind, which sees a record and its seal, or neither."""
    for kind, model in MODELS.items():
        sealed = Seal.objects.filter(kind=kind, record_id=OuterRef("pk"))
        rows = model._default_manager.filter(~Exists(sealed)).order_by().values_list("pk", flat=True)
        for record_id in rows.iterator(chunk_size=AT_ONCE):
            yield Breach("unsealed", kind, record_id, None, "No seal covers the record: it came in past the service.")
