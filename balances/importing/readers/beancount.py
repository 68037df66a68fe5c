"""Reads Beancount journals with beancount's own parser and booking (extra ``beancount``, under the GPL).

Nothing that a file names is run: a journal may name plugins, which are Python modules, so those that only check are
ignored, and others refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from balances.ground import amounts
from balances.importing.files import Record, opened
from balances.importing.readers.legs import JournalEntry, Posting, movements
from balances.importing.readers.reading import MAX_DECIMALS, Digests, How, Place, Reading, decimals_of, indicator_of
from balances.importing.readers.texts import decoded
from balances.importing.refusing import ImportRefused, shown

CHECKING_PLUGINS = frozenset(
    f"beancount.plugins.{name}"
    for name in (
        "auto",
        "auto_accounts",
        "check_average_cost",
        "check_closing",
        "check_commodity",
        "check_drained",
        "close_tree",
        "coherent_cost",
        "commodity_attr",
        "implicit_prices",
        "leafonly",
        "noduplicates",
        "nounused",
        "onecommodity",
        "pedantic",
        "sellgains",
        "unique_prices",
    )
)
"""Plugins that only check, or add neither postings nor stated balances."""
DIRECTIVE = re.compile(
    rb"^(\d{4}-\d{2}-\d{2} +(open|\*|!|txn|commodity|balance) |option +\"|include +\")", re.MULTILINE
)
MOST_FILES = 10_000


@dataclass
class Journal:
    """The directives of a journal's files, before booking."""

    entries: list[Any] = field(default_factory=list)
    options: Any = None


def is_like(start: bytes) -> bool:
    """Return whether a file begins like a Beancount journal."""
    return bool(DIRECTIVE.search(start)) and not start.lstrip().startswith((b"<", b":20:"))


def read(path: Path, data: bytes, how: How) -> Reading:
    """Return the entries and the stated balances of a journal. Raises ``ImportRefused``."""
    try:
        from beancount.core import data as directives
        from beancount.ops import balance, pad, validation
        from beancount.parser import booking
    except ImportError as error:
        problem = "Beancount journals need beancount; install the extra beancount: uv sync --extra beancount"
        raise ImportRefused(problem) from error
    journal = _parsed(path, data, how)
    entries, errors = booking.book(sorted(journal.entries, key=directives.entry_sortkey), journal.options)
    _refuse(path, errors)
    entries, errors = pad.pad(entries, journal.options)
    _refuse(path, errors)
    _refuse(path, validation.validate_check_transaction_balances(entries, journal.options))
    transactions: list[Any] = [entry for entry in entries if isinstance(entry, directives.Transaction)]
    stated: list[Any] = [entry for entry in entries if isinstance(entry, directives.Balance)]
    precisions = _precisions(path, transactions, stated, how)
    reading, digests = Reading(), Digests()
    for entry in transactions:
        reading.transactions += movements(_journal_entry(path, entry, digests), precisions, how.counterpart)
    for entry in stated:
        tolerance = balance.get_balance_tolerance(entry, journal.options)
        reading.assertions.append(_assertion(path, entry, tolerance, precisions))
    return reading


def _parsed(path: Path, data: bytes, how: How) -> Journal:
    """Return the directives of a file and of those that it includes, each file once."""
    from beancount.parser import parser

    journal, seen = Journal(), {path.resolve()}
    waiting = [(path, data)]
    while waiting:
        file, content = waiting.pop(0)
        entries, errors, options = parser.parse_string(
            decoded(file, content, how.style.encoding), report_filename=str(file)
        )
        _refuse(file, errors)
        for name, _ in options["plugin"]:
            if name not in CHECKING_PLUGINS:
                raise ImportRefused(f"{file}: plugin {shown(name)} may change entries, and no plugin is run")
        journal.entries += entries
        journal.options = journal.options or options
        for included in _included(file, options["include"], how):
            if included.resolve() not in seen:
                seen.add(included.resolve())
                with opened(included) as stream:
                    waiting.append((included, stream.read()))
        if len(seen) > MOST_FILES:
            raise ImportRefused(f"{path} includes more than {MOST_FILES:,} files")
    return journal


def _included(file: Path, patterns: Sequence[str], how: How) -> Iterator[Path]:
    for pattern in patterns:
        if not how.is_trusted:
            raise ImportRefused(f"{file}: it includes {shown(pattern)}; an uploaded journal is one file")
        found = sorted(Path(file.parent).glob(pattern)) if not Path(pattern).is_absolute() else [Path(pattern)]
        if not found:
            raise ImportRefused(f"{file}: it includes {shown(pattern)}, which is not there")
        yield from found


def _refuse(path: Path, errors: Sequence[Any]) -> None:
    """Raise ``ImportRefused`` with the first error of beancount."""
    for error in errors:
        source = error.source or {}
        file = source.get("filename") or path
        raise ImportRefused(f"{file}, line {source.get('lineno', 0)}: {' '.join(str(error.message).split())}")


def _place(path: Path, entry: Any) -> Place:
    return Place(Path(entry.meta.get("filename") or path), int(entry.meta.get("lineno") or 0))


def _precisions(path: Path, transactions: Sequence[Any], stated: Sequence[Any], how: How) -> dict[str, int]:
    """Return the minor units of each currency: as many as its most precise amount needs."""
    decimals: dict[str, int] = {}
    for entry in transactions:
        for posting in entry.postings:
            places = decimals_of(posting.units.number)
            if places > MAX_DECIMALS and how.precisions.get(posting.units.currency, how.precisions.get("")) is None:
                raise _place(path, entry).refusal(f"{posting.units} has more than {MAX_DECIMALS} decimals")
            decimals[posting.units.currency] = max(places, decimals.get(posting.units.currency, 0))
    for entry in stated:
        places = decimals_of(entry.amount.number)
        decimals[entry.amount.currency] = max(places, decimals.get(entry.amount.currency, 0))
    return {currency: how.precision_of(currency, places) for currency, places in decimals.items()}


def _journal_entry(path: Path, entry: Any, digests: Digests) -> JournalEntry:
    words = [word for word in (entry.payee, entry.narration) if word]
    postings = [Posting(each.account, each.units.currency, each.units.number) for each in entry.postings]
    legs = (f"{each.account} {amounts.plain(each.amount)} {each.currency}" for each in postings)
    return JournalEntry(
        place=_place(path, entry),
        reference=digests.reference("journal:", entry.date, *words, *legs),
        day=entry.date,
        description=" | ".join(words),
        postings=postings,
    )


def _assertion(path: Path, entry: Any, tolerance: Any, precisions: dict[str, int]) -> Record:
    """Return a stated balance, which in Beancount is at the beginning of its day and includes subaccounts."""
    place, currency = _place(path, entry), entry.amount.currency
    precision = precisions[currency]
    before: date = entry.date - timedelta(days=1)
    cells = {
        "indicator": indicator_of(entry.account),
        "currency": currency,
        "precision": str(precision),
        "balance": str(place.units(entry.amount.number, currency, precision)),
        "at": before.isoformat(),
        "tolerance": str(int(tolerance * precision)),
        "subaccounts": "yes",
    }
    return Record(place.path, place.line, cells)
