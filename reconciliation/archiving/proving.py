"""Proves an archive: records against seals, manifests against records, files and checkpoints against manifests.

What is wrong is named once, where it is; what cannot be judged because of it is not called wrong as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from reconciliation.archiving.months import CHECKPOINT, MANIFEST, Entry, Manifest, sha256_of
from reconciliation.archiving.writing import SQL, carry, describe, differing
from reconciliation.measuring import Duck, NotProved, Scope, SparkMeasure, duck, read_sums
from reconciliation.models import Archive
from reconciliation.records import Report, is_as_sealed

DAMAGES = Report(
    fields=("what", "month", "file", "balance_id", "detail"),
    columns={"What": "what", "Month": "month", "File": "file", "Balance": "balance_id", "Detail": "detail"},
)
FORGET = (SQL / "forget.sql").read_text()
CHECKPOINT_SUMS = (SQL / "checkpoint.sql").read_text()


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong with an archive, or with a balance measured over it."""

    what: str
    month: str
    file: str
    detail: str
    balance_id: str = ""


@dataclass
class Proof:
    """One walk through an archive: iterate over it for what is wrong, then ask what is proved."""

    directory: Path
    spark: str = ""
    """The URL of a cluster of Spark that adds up all legs at once, or nothing: then DuckDB does, month by month."""
    legs: int = 0
    files: int = 0
    manifests: dict[str, Manifest] = field(default_factory=dict)
    """Those that are as they were sealed, by month."""
    last: Archive | None = None
    """The record of the last month."""
    checkpoint: Path | None = None
    """What every balance adds up to until the end of the last month, if that is as it was archived."""
    damages: int = 0

    def __iter__(self) -> Iterator[Damage]:
        """Yield each damage, month by month. Raises ``EngineMissing``, and ``NotProved`` for what Spark refuses."""
        for damage in self._all():
            self.damages += 1
            yield damage

    def _all(self) -> Iterator[Damage]:
        records = list(Archive.objects.order_by("month"))
        yield from self._records(records)
        owners = {entry.sha256: (m, entry.name) for m, manifest in self.manifests.items() for entry in manifest.files}
        before: Path | None = None
        with duck() as session:
            for record in records:
                self.last, self.checkpoint = record, None
                if manifest := self.manifests.get(record.month):
                    damages = [*self._files(manifest, owners), *self._digest_of_checkpoint(manifest)]
                    yield from damages
                    if not damages and not self.spark and (before or record is records[0]):
                        yield from self._sums_of_checkpoint(session, manifest, before)
                before = self.checkpoint
            if self.spark and records and not self.damages:
                yield from self._sums_of_all(session)
        known = {record.month for record in records}
        for path in sorted(self.directory.glob("[0-9]*")):
            if path.name not in known:
                yield Damage("unsealed", path.name, "", "No record has it. If archiving was killed, run it again.")

    def _records(self, records: list[Archive]) -> Iterator[Damage]:
        """Judge records and manifests, and keep those manifests that are as they were sealed."""
        previous = ""
        for record in records:
            path = self.directory / record.month / MANIFEST
            if not is_as_sealed("archive", record):
                yield Damage("record_changed", record.month, "", "Its record is not what was sealed; verify_records.")
            elif record.previous != previous:
                yield Damage("record_missing", record.month, "", "The record of the month before it is gone.")
            elif not path.is_file():
                yield Damage("missing", record.month, MANIFEST, "The file is gone.")
            elif sha256_of(path) != record.manifest:
                yield Damage("manifest_changed", record.month, MANIFEST, "The manifest is not what was sealed.")
            else:
                self.manifests[record.month] = Manifest.read(path.read_bytes())
            previous = record.manifest

    def _place(self, manifest: Manifest) -> Path:
        return self.directory / manifest.month

    def _files(self, manifest: Manifest, owners: dict[str, tuple[str, str]]) -> Iterator[Damage]:
        """Compare the files of a month with its manifest."""
        place = self._place(manifest)
        for entry in manifest.files:
            path = place / entry.name
            if not path.is_file():
                yield Damage("missing", manifest.month, entry.name, f"The file is gone, with {entry.rows:,} legs.")
                continue
            try:
                found = sha256_of(path)
            except OSError as error:
                yield Damage("unreadable", manifest.month, entry.name, f"The disk does not give it: {error.strerror}.")
                continue
            if found == entry.sha256:
                self.files += 1
                self.legs += entry.rows
            elif found in owners:
                month, name = owners[found]
                yield Damage("swapped", manifest.month, entry.name, f"In its place is {name} of {month}.")
            else:
                yield _changed(manifest.month, path, entry)
        expected = {MANIFEST, CHECKPOINT} | {entry.name for entry in manifest.files}
        for path in sorted(place.iterdir()):
            if path.name not in expected:
                yield Damage("unknown", manifest.month, path.name, "The manifest does not have it.")

    def _digest_of_checkpoint(self, manifest: Manifest) -> Iterator[Damage]:
        path = self._place(manifest) / CHECKPOINT
        if not path.is_file():
            yield Damage("missing", manifest.month, CHECKPOINT, "The file is gone.")
        elif sha256_of(path) != manifest.checkpoint:
            yield Damage("changed", manifest.month, CHECKPOINT, "The checkpoint is not what was archived.")
        else:
            self.checkpoint = path

    def _sums_of_checkpoint(self, session: Duck, manifest: Manifest, before: Path | None) -> Iterator[Damage]:
        """Compare a checkpoint with the one before it and the legs of the month, all of which are as they were."""
        place = self._place(manifest)
        session.run(FORGET)
        carry(session, [place / entry.name for entry in manifest.files], before)
        if (found := differing(session, place / CHECKPOINT)) is not None:
            detail = f"{found['balances']:,} balances are not what the legs add up to, {found['balance_id']} first."
            yield Damage("wrong", manifest.month, CHECKPOINT, detail)

    def _sums_of_all(self, session: Duck) -> Iterator[Damage]:
        """Compare the last checkpoint with all legs since the beginning, all of which are as they were."""
        files = [self._place(each) / entry.name for each in self.manifests.values() for entry in each.files]
        carried = SparkMeasure(tuple(map(str, files)), self.spark).sums(Scope(everything=True))
        said = map(read_sums, session.rows(CHECKPOINT_SUMS, file=str(self.checkpoint)))
        for pair in zip_longest(carried, said):
            if pair[0] != pair[1]:
                first = min(each.balance_id for each in pair if each)
                detail = f"Balances are not what the legs add up to, {first} first."
                yield Damage("wrong", self.manifests[max(self.manifests)].month, CHECKPOINT, detail)
                return


def _changed(month: str, path: Path, entry: Entry) -> Damage:
    """Name what is different about a file, as far as it can be read: in a session of its own, which it may end."""
    try:
        with duck() as session:
            found = describe(session, path)
    except (NotProved, ValueError):  # no Parquet file any more, or one without rows
        return Damage("changed", month, entry.name, "The file is not what was archived, and cannot be read.")
    if found.rows > entry.rows:
        return Damage("doubled", month, entry.name, f"It has {found.rows:,} legs; {entry.rows:,} were archived.")
    detail = "Its legs add up to something else." if found.sums != entry.sums else "Its figures are the same."
    return Damage("changed", month, entry.name, f"The file is not what was archived. {detail}")
