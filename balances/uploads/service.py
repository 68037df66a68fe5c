"""Tries uploaded files, and imports or discards them after their preview."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from balances.ground import upkeep
from balances.importing import GZIP_MAGIC, Imported, ImportRefused, ImportRequest, import_ledger
from balances.models import Balance, Content, Upload, now

KEEP = timedelta(hours=24)
"""How long files wait to be confirmed."""
UNPACKED = 10
"""Limit for unpacked files, as a multiple of the limit for uploads."""
SHOWN_BALANCES, SHOWN_ASSERTIONS = 20, 500
UNSAFE = re.compile(r"[^\w. ()-]|^\.+")
LONGEST_NAME = 80

Ask = Callable[[dict[str, Path]], ImportRequest]
"""Builds a request from the paths of files by kind. Raises ``ImportRefused``."""


@dataclass(frozen=True)
class File:
    """An uploaded file."""

    kind: str
    name: str
    data: bytes


def safe_name(name: str) -> str:
    """Return a file name that stays within its folder, whatever was sent."""
    return UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2])[-LONGEST_NAME:] or "file"


def unpacked(name: str, data: bytes) -> bytes:
    """Return the content of a gzip file, or any other file as it is. Raises ``ImportRefused``, as for a zip bomb."""
    if not data.startswith(GZIP_MAGIC):
        return data
    most = settings.MAX_REQUEST_BODY_BYTES * UNPACKED
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise ImportRefused(f"{name} is damaged: it cannot be unpacked ({error})") from error
    if len(content) > most:
        raise ImportRefused(f"{name} holds more than {most >> 20} MB: use manage.py import_ledger at the shell")
    if not unpacker.eof:
        raise ImportRefused(f"{name} ends too early: the gzip file is not whole")
    if unpacker.unused_data:
        raise ImportRefused(f"{name} holds several packed files; unpack it first")
    return content


def try_out(*, files: Sequence[File], options: dict[str, Any], ledger: str, ask: Ask, actor: str) -> Upload:
    """Import files, roll that back, and keep the files with the report. Raises ``ImportRefused``.

    An earlier preview of the same person is discarded.
    """
    files = [File(file.kind, safe_name(file.name), unpacked(file.name, file.data)) for file in files]
    with transaction.atomic():
        report = _report(*_imported(files, ask))
        transaction.set_rollback(True)
    with transaction.atomic():
        forget(older_than=KEEP)
        _discard(Upload.objects.filter(state=Upload.State.PREVIEWED, uploaded_by=actor), actor)
        about = [
            {"kind": file.kind, "name": file.name, "bytes": len(file.data), "sha256": _sha256(file.data)}
            for file in files
        ]
        upload = Upload.objects.create(
            ledger_name=ledger,
            uploaded_by=actor,
            options=options,
            files=about,
            fingerprint=_fingerprint(about, options),
            report=report,
        )
        Content.objects.bulk_create(
            [Content(upload=upload, kind=file.kind, name=file.name, data=file.data) for file in files]
        )
    return upload


def confirm(*, upload_id: str, fingerprint: str, ask: Ask, actor: str) -> Upload:
    """Import exactly what was previewed. Raises ``ImportRefused``, and then keeps the files."""
    with transaction.atomic():
        upload = _waiting(upload_id)
        files = [File(each.kind, each.name, bytes(each.data)) for each in upload.contents.order_by("pk")]
        stored = [{**about, "sha256": _sha256(file.data)} for about, file in zip(upload.files, files, strict=True)]
        if not fingerprint == upload.fingerprint == _fingerprint(stored, upload.options):
            raise ImportRefused("These are not the files that were previewed: upload them again")
        imported, totals = _imported(files, ask)
        upload.report = _report(imported, totals)
        upload.ledger_id = imported.ledger_id
        _end(upload, Upload.State.IMPORTED, actor)
    upkeep.mark_visible()
    return upload


def discard(*, upload_id: str, actor: str) -> Upload:
    """Delete the files of a preview. Raises ``ImportRefused`` where it no longer waits."""
    with transaction.atomic():
        upload = _waiting(upload_id)
        _end(upload, Upload.State.DISCARDED, actor)
    return upload


def forget(*, older_than: timedelta) -> None:
    """Discard previews that have waited for too long."""
    with transaction.atomic():
        _discard(Upload.objects.filter(state=Upload.State.PREVIEWED, uploaded_at__lt=now() - older_than), "")


def _discard(uploads: Any, actor: str) -> None:
    for upload in uploads.select_for_update(skip_locked=True):
        _end(upload, Upload.State.DISCARDED, actor)


def _waiting(upload_id: str) -> Upload:
    upload = Upload.objects.select_for_update().filter(pk=upload_id).first()
    if upload is None:
        raise ImportRefused("There is no such import")
    if upload.state != Upload.State.PREVIEWED:
        raise ImportRefused(f"This was {upload.get_state_display().lower()} already")
    return upload


def _end(upload: Upload, state: str, actor: str) -> None:
    upload.state, upload.ended_by, upload.ended_at = state, actor, now()
    upload.save()
    upload.contents.all().delete()


def _imported(files: Sequence[File], ask: Ask) -> tuple[Imported, list[Balance]]:
    """Import files and return the result, and the first balances of the ledger afterwards."""
    with _on_disk(files) as paths:
        try:
            imported = import_ledger(ask(paths))
        except ImportRefused as refusal:
            sentence = str(refusal)
            for path in paths.values():
                sentence = sentence.replace(str(path), path.name)
            raise ImportRefused(sentence) from refusal
    rows = Balance.objects.filter(ledger_id=imported.ledger_id).order_by("indicator", "currency", "pk")
    return imported, list(rows[:SHOWN_BALANCES])


@contextmanager
def _on_disk(files: Sequence[File]) -> Iterator[dict[str, Path]]:
    """Write files into temporary folders for the duration of the block."""
    with tempfile.TemporaryDirectory(prefix="import-") as name:
        folder, paths = Path(name), {}
        for number, file in enumerate(files):
            place = folder / str(number) / file.name
            place.parent.mkdir()
            place.write_bytes(file.data)
            paths[file.kind] = place
        yield paths


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _fingerprint(about: Sequence[dict[str, Any]], options: dict[str, Any]) -> str:
    return _sha256(json.dumps([about, options], sort_keys=True).encode())


def _report(imported: Imported, totals: Sequence[Balance]) -> dict[str, Any]:
    """Return the report of an import in a form that JSON holds exactly."""
    precisions = dict(imported.tally.moved.keys())
    listed = sorted(imported.assertions, key=lambda each: each.holds)[:SHOWN_ASSERTIONS]
    return {
        "already": imported.already,
        "balances": imported.balances,
        "transactions": imported.transactions,
        "skipped": imported.skipped,
        "openings": imported.openings,
        "opened": list(imported.opened),
        "notes": list(imported.notes),
        "sums": [
            {"currency": currency, "precision": precision, "rows": moved.rows, "units": str(moved.units)}
            for (currency, precision), moved in sorted(imported.tally.moved.items())
        ],
        "first": [vars(row) for row in imported.tally.first],
        "totals": [
            {
                "name": each.indicator or each.balance_id,
                "currency": each.currency,
                "precision": precisions.get(each.currency),
                "credit": str(each.credit_balance),
                "debit": str(each.debit_balance),
                "net": str(each.balance),
            }
            for each in totals
        ],
        "assertions": [{"text": str(each), "holds": each.holds} for each in listed],
        "asserted": len(imported.assertions),
        "failing": len(imported.failing),
    }
