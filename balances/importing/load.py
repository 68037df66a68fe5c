"""The service that imports files in one atomic block, or refuses and writes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db import transaction

from balances.ground import Statement, upkeep
from balances.importing import asserting, values
from balances.importing.adding import Stage
from balances.importing.asserting import Stated
from balances.importing.cells import currency_of, name_of
from balances.importing.copying import COPY_BALANCES, Progress, copy, find, open_balances
from balances.importing.files import Source
from balances.importing.listing import Listing
from balances.importing.names import Names, Opened
from balances.importing.openings import Openings
from balances.importing.refusing import ImportRefused, shown
from balances.importing.report import Imported, Tally
from balances.importing.request import ImportRequest, Intake
from balances.importing.rows import balance_rows, transaction_rows
from balances.models import Ledger
from balances.posting import merge_metadata, open_ledger

COPY_TRANSACTIONS = Statement.beside(__file__, "copy_transactions.sql")
SERIALISE_IMPORT = Statement.beside(__file__, "serialise_import.sql")
VOIDS_WITHOUT_HOLD = Statement.beside(__file__, "voids_without_hold.sql")
ORPHANS = Statement.beside(__file__, "orphans.sql")
KNOWN_PRECISIONS = Statement.beside(__file__, "known_precisions.sql")
IMPORT_KEY = "import"
"""The key in a ledger's metadata for its files, each with the ``sha256`` of the content and its ``rows``."""
APPENDED = "appended"
"""The key under that for later imports, as a list of the same."""
GENERAL_PREFIX = "ldg_"
SHOWN_BALANCES = 10


def import_ledger(request: ImportRequest, *, progress: Progress = lambda file: None) -> Imported:
    """Import the files of a request, and check the balances that they state.

    Totals are stored as the file states them, or follow from the rows. ``progress`` is called regularly with the file
    being read. A dry run does all of it and rolls back. Raises ``ImportRefused``, which names file, line and column,
    with nothing written.
    """
    with transaction.atomic():
        SERIALISE_IMPORT.rows(name=request.name)
        intake = Intake.of(request, _precisions(_existing(request.name)) if request.append else None)
        if not request.append and (earlier := _earlier_import(request.name, intake.fingerprints)):
            return replace(earlier, dry_run=request.dry_run, assertions=_checked(earlier.ledger_id, intake, []))
        imported = _import(request, intake, progress)
        if request.refuse_failing:
            asserting.refuse_failing(imported.assertions)
        if request.dry_run:
            transaction.set_rollback(True)
            return replace(imported, dry_run=True)
    upkeep.mark_visible()
    return imported


def _earlier_import(name: str, fingerprints: Any) -> Imported | None:
    """Return an earlier import of the same files. Raises ``ImportRefused`` where only the name or the files match."""
    origin = {kind: {"sha256": fingerprint} for kind, fingerprint in fingerprints.items()}
    ledger = Ledger.objects.filter(meta_data__contains={IMPORT_KEY: origin}).first()
    if ledger is None:
        if Ledger.objects.filter(name=name).exists():
            raise ImportRefused(
                f"A ledger {shown(name)} exists and did not come from these files; "
                "choose another name, or add to it with --append"
            )
        return None
    if ledger.name != name or not isinstance(ledger.meta_data, dict):
        raise ImportRefused(f"These files are in already, as ledger {shown(ledger.name)}")
    kept = ledger.meta_data[IMPORT_KEY]
    rows = {kind: kept.get(kind, {}).get("rows", 0) for kind in ("balances", "transactions")}
    return Imported(ledger_id=ledger.ledger_id, name=name, already=True, **rows)


def _import(request: ImportRequest, intake: Intake, progress: Progress) -> Imported:
    ledger = _existing(request.name) if request.append else open_ledger(name=request.name)
    if request.totals_from_rows:
        imported = _add(request, intake, ledger, progress)
    else:
        imported = _take_over(request, intake, ledger, progress)
    origin: dict[str, Any] = {
        kind: {"sha256": fingerprint, "rows": getattr(imported, kind, imported.transactions)}
        for kind, fingerprint in intake.fingerprints.items()
    }
    if request.append:
        if not (imported.transactions or imported.balances):
            return imported
        kept: Any = ledger.meta_data if isinstance(ledger.meta_data, dict) else {}
        kept = kept[IMPORT_KEY] if isinstance(kept.get(IMPORT_KEY), dict) else {}
        origin = {**kept, APPENDED: [*kept.get(APPENDED, ()), origin]}
    merge_metadata(entity_id=ledger.ledger_id, meta_data={IMPORT_KEY: origin}, changed_by="import_ledger")
    return imported


def _existing(name: str) -> Ledger:
    """Return the ledger to add rows to. Raises ``ImportRefused`` where the name matches none or several."""
    found = list(Ledger.objects.filter(name=name)[:2]) or list(Ledger.objects.filter(ledger_id=name))
    if not found:
        raise ImportRefused(f"There is no ledger {shown(name)} to add to")
    if len(found) > 1:
        raise ImportRefused(f"Several ledgers are called {shown(name)}; give the id of one")
    if not found[0].ledger_id.startswith(GENERAL_PREFIX):
        raise ImportRefused(f"Ledger {shown(name)} belongs to the product itself; import into another one")
    return found[0]


def _precisions(ledger: Ledger) -> dict[str, int]:
    """Return the minor units of each currency that the ledger has rows in."""
    return {row["currency"]: row["precision"] for row in KNOWN_PRECISIONS.rows(ledger_id=ledger.ledger_id)}


def _take_over(request: ImportRequest, intake: Intake, ledger: Ledger, progress: Progress) -> Imported:
    """Import totals as stated, right or wrong, and the rows."""
    names, tally, openings = Names("the balances file"), Tally(), Openings(request.opening_from)
    balances = intake.balances
    if balances is None:  # refused by ImportRequest
        raise ImportRefused("Nothing states the totals")
    opened = copy(COPY_BALANCES, balance_rows(balances, ledger.ledger_id, names, openings), balances, progress)
    openings.refuse_without_file()
    files = _with_openings(intake, openings)
    rows = 0
    for file in files:
        stream = (row for _, row in transaction_rows(file, ledger.ledger_id, names, tally))
        rows += copy(COPY_TRANSACTIONS, stream, file, progress)
    upkeep.refresh_statistics()
    _check_parents(files, ledger.ledger_id)
    return Imported(
        ledger_id=ledger.ledger_id,
        name=ledger.name,
        balances=opened,
        transactions=rows,
        openings=len(openings.records),
        tally=tally,
        notes=_voids_without_hold(files, ledger.ledger_id),
        assertions=_checked(ledger.ledger_id, intake, [], names),
    )


def _add(request: ImportRequest, intake: Intake, ledger: Ledger, progress: Progress) -> Imported:
    """Import rows and let the totals follow from them; totals that a file states are assertions."""
    where = f"ledger {shown(ledger.name)}" if intake.balances is None else "the balances file"
    names, tally, openings = Names(where, may_open=intake.balances is None), Tally(), Openings(request.opening_from)
    if request.append:
        names.load(ledger.ledger_id)
    stated = _take_balances(intake.balances, names, openings) if intake.balances else []
    if not request.statements:
        openings.refuse_without_file()
    openings.open_source(names)
    openings.take(intake.openings, names)
    stage = Stage(_with_openings(intake, openings), ledger.ledger_id)
    stage.take(names, tally, progress)
    opened = open_balances(names, ledger.ledger_id)
    skipped = stage.sort_out()
    stage.check()
    added = stage.add()
    upkeep.refresh_statistics()
    return Imported(
        ledger_id=ledger.ledger_id,
        name=ledger.name,
        balances=opened,
        transactions=added,
        skipped=skipped,
        openings=len(openings.records),
        opened=tuple(f"{each.indicator} ({each.currency})" for each in names.opened.values())[:SHOWN_BALANCES],
        tally=tally,
        notes=(*intake.notes, *_voids_without_hold(intake.transactions, ledger.ledger_id)),
        assertions=_checked(ledger.ledger_id, intake, stated, names),
    )


def _take_balances(file: Source, names: Names, openings: Openings) -> list[Stated]:
    """Enter the balances of a file and return the totals that it states, which are assertions here."""
    stated: list[Stated] = []
    lines: dict[str, int] = {}
    for record in file.records():
        indicator, balance_id = name_of(record)
        currency = currency_of(record, file.style)
        known = {
            names.ids[name, currency] for name in (indicator, balance_id) if name and (name, currency) in names.ids
        }
        if len(known) > 1:
            raise record.refusal("balance_id", f"{shown(balance_id or '')} is not the balance {shown(indicator or '')}")
        key = known.pop() if known else names.open(_opened(record, indicator, currency), balance_id)
        if key in lines:
            name, column = (indicator, "indicator") if indicator else (balance_id, "balance_id")
            place = f"stands on line {lines[key]} already"
            raise record.refusal(column, f"{shown(name or '')} in {shown(currency)} {place}")
        lines[key] = record.line
        openings.add(record, indicator or key, currency, file.style)
        stated += asserting.stated_in_balances(record, indicator or key, currency, key, file.style)
    return stated


def _opened(record: Any, indicator: str | None, currency: str) -> Opened:
    created_at = record.read("created_at", values.instant) if record.text("created_at") else ""
    return Opened(indicator, currency, created_at, record.read("meta_data", values.balance_metadata))


def _with_openings(intake: Intake, openings: Openings) -> tuple[Source, ...]:
    if not openings.records:
        return intake.transactions
    return (Listing(openings.records[0].file, openings.records), *intake.transactions)


def _checked(
    ledger_id: str, intake: Intake, stated: list[Stated], names: Names | None = None
) -> tuple[asserting.Assertion, ...]:
    """Return the assertions of the files, compared with the rows."""
    if intake.assertions:
        if names is None:
            names = Names("the ledger")
            names.load(ledger_id)
        for file in intake.assertions:
            stated = stated + asserting.stated_in_assertions(file, names)
    return tuple(asserting.check(stated)) if stated else ()


def _voids_without_hold(files: tuple[Source, ...], ledger_id: str) -> tuple[str, ...]:
    """Return a note on voids in the ledger that release nothing, with the place of the first if it is new."""
    voids = VOIDS_WITHOUT_HOLD.rows(ledger_id=ledger_id)
    if not voids:
        return ()
    reference, count = voids[0]["reference"], voids[0]["voids"]
    found = (find(file, lambda _, other: other.text("reference") == reference) for file in files)
    record = next(filter(None, found), None)
    place = f"{record.file}, line {record.line}, column status: " if record else ""
    return (
        f"{place}voids that release no hold: {count:,}, the first is {shown(reference)}; "
        "the inflight totals that follow from them are too low",
    )


def _check_parents(files: tuple[Source, ...], ledger_id: str) -> None:
    """Refuse a parent that is in no file, with one statement for all of them."""
    orphans = {row["reference"] for row in ORPHANS.rows(ledger_id=ledger_id)}
    for file in files if orphans else ():
        if record := find(file, lambda _, other: other.text("reference") in orphans):
            raise record.refusal("parent", f"the file has no transaction {shown(record.text('parent'))}")
