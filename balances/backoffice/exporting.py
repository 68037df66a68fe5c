"""Any list as a file, CSV or XLSX: what is filtered and searched, in its order, with every digit.

A row has the columns of its table. Money takes two, minor units and, where the precision is known, major units; both
are text, because a spreadsheet rounds numbers from 16 digits on. Secrets, and addresses that may hold one, are left
out. Tokens of personal data stay tokens, so that no original value leaves without a disclosure.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import IO, Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import models
from django.http import FileResponse, HttpRequest, HttpResponseBase, StreamingHttpResponse
from xlsxwriter import Workbook  # type: ignore[import-untyped]

from balances.ground import LedgerError, MajorUnitsField, MinorUnitsField, amounts, client_address, dumps, exported

ROWS_AT_ONCE = 1_000
ALL = 2**62
"""More rows than any list has."""
MOST_IN_A_WORKBOOK = 100_000
"""Rows of a workbook, which is complete before it is sent; a sheet has room for 1,048,576, which would take minutes."""
LONGEST_CELL = 32_767
"""Characters that a cell of a workbook has room for."""
SECRET = frozenset({"key", "url", "call_back_url", "password", "args"})
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula in CSV."""
Precisions = Mapping[str, int | None]
Cell = Callable[[dict[str, Any]], str]


class TooLargeForWorkbook(LedgerError):
    """A list has more rows than a workbook is made of, or a text that no cell holds."""

    code = "GEN_BAD_REQUEST"


def columns(model: type[models.Model], precisions: Precisions) -> dict[str, tuple[Cell, bool]]:
    """Return the columns of a table by their titles: what shows a row, and whether that is text from people."""
    found: dict[str, tuple[Cell, bool]] = {}
    for field in model._meta.concrete_fields:
        if field.name in SECRET:
            continue
        if isinstance(field, MinorUnitsField):
            found[f"{field.attname} (minor units)"] = (_minor(field.attname), False)
            found[f"{field.attname} (major units)"] = (_major(field.attname, precisions), False)
        else:
            found[field.attname] = (_text(field.attname), not isinstance(field, MajorUnitsField))
    return found


def _minor(name: str) -> Cell:
    return lambda row: in_minor(row[name])


def _major(name: str, precisions: Precisions) -> Cell:
    def shown(row: dict[str, Any]) -> str:
        precision = row["precision"] if "precision" in row else precisions.get(row.get("currency", ""))
        return in_major(row[name], precision)

    return shown


def in_minor(units: int | Decimal | None) -> str:
    """Return minor units, every digit of them."""
    return "" if units is None else amounts.plain(Decimal(units))


def in_major(units: int | Decimal | None, precision: int | None) -> str:
    """Return the major amount with all its decimals, or nothing where the precision is unknown."""
    if not precision or precision < 1 or not isinstance(units, int):
        return ""
    decimals = len(str(precision)) - 1
    if precision != 10**decimals:
        return amounts.plain(amounts.major_units(units, precision))
    whole, part = divmod(abs(units), precision)
    return f"{'-' if units < 0 else ''}{whole}{f'.{part:0{decimals}}' if decimals else ''}"


def _text(name: str) -> Cell:
    return lambda row: in_text(row[name])


def in_text(value: Any) -> str:
    """Return a value as text: instants in UTC, objects as JSON, nothing for ``None``."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return amounts.plain(value)
    return dumps(value) if isinstance(value, dict | list) else str(value)


def rows(queryset: Any) -> Iterator[dict[str, Any]]:
    """Read rows through a cursor of the server, so that a million take no more memory than a thousand."""
    names = [field.attname for field in queryset.model._meta.concrete_fields if field.name not in SECRET]
    plain = queryset.select_related(None).prefetch_related(None)
    found: Iterator[dict[str, Any]] = plain.values(*names).iterator(chunk_size=ROWS_AT_ONCE)
    return found


class Line:
    """What a CSV writer writes to: it keeps nothing and returns what it was given."""

    def write(self, text: str) -> str:
        """Return the text."""
        return text


@dataclass(frozen=True)
class Sheet:
    """What a file shows: its titles, with whether a column has text from people, and its rows as they are read."""

    columns: Mapping[str, bool]
    rows: Callable[[], Iterator[list[str]]]
    count: Callable[[int], int]
    """Counts the rows, up to a number."""


def sheet_of(queryset: Any, precisions: Precisions) -> Sheet:
    """Return a list as what a file shows."""
    shown = columns(queryset.model, precisions)
    return Sheet(
        {title: is_text for title, (_, is_text) in shown.items()},
        lambda: ([cell(row) for cell, _ in shown.values()] for row in rows(queryset)),
        lambda most: int(queryset.order_by()[:most].count()),
    )


def as_csv(sheet: Sheet) -> Iterator[str]:
    """Return a sheet as CSV, piece by piece. Texts that a spreadsheet would run as formulas get an apostrophe."""
    line = csv.writer(Line()).writerow
    yield line(sheet.columns)
    found = sheet.rows()
    texts = list(sheet.columns.values())
    while some := list(islice(found, ROWS_AT_ONCE)):
        yield "".join(
            line([_harmless(cell) if is_text else cell for cell, is_text in zip(row, texts, strict=True)])
            for row in some
        )


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def as_workbook(sheet: Sheet) -> IO[bytes]:
    """Return a sheet as a workbook, all cells of which are text. Raises ``TooLargeForWorkbook``."""
    if sheet.count(MOST_IN_A_WORKBOOK + 1) > MOST_IN_A_WORKBOOK:
        raise TooLargeForWorkbook(
            f"This list has more than {MOST_IN_A_WORKBOOK:,} rows, too many for a workbook (a sheet ends at "
            "1,048,576). Export it as CSV, which has no limit, or filter it."
        )
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    book = Workbook(file, {"constant_memory": True})
    written = book.add_worksheet("Rows")
    written.freeze_panes(1, 0)
    for across, title in enumerate(sheet.columns):
        written.write_string(0, across, title)
    for down, row in enumerate(sheet.rows(), start=1):
        for across, cell in enumerate(row):
            if written.write_string(down, across, cell):
                book.close()
                file.close()
                raise TooLargeForWorkbook(
                    f"A text of row {down} has more than {LONGEST_CELL:,} characters, which no cell holds. "
                    "Export the list as CSV."
                )
    book.close()
    file.seek(0)
    return file


KINDS = ("csv", "xlsx")


def export(model_admin: Any, request: HttpRequest, kind: str) -> HttpResponseBase:
    """Answer with a file of the list that the same address without ``export.…`` shows, for those who may view it.

    Raises ``TooLargeForWorkbook`` or ``BalanceLocked``.
    """
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    try:
        queryset = model_admin.get_changelist_instance(request).queryset
    except IncorrectLookupParameters as error:
        raise BadRequest("The list has no such filter.") from error
    name = model_admin.model._meta.verbose_name_plural.replace(" ", "-")
    sheet = sheet_of(queryset, model_admin.precisions())
    return answer(request, sheet, kind, name, listed=queryset.model._meta.label_lower)


def answer(request: HttpRequest, sheet: Sheet, kind: str, name: str, *, listed: str) -> HttpResponseBase:
    """Answer with a sheet as a file, named after what it shows and the day; first of all record that.

    Raises ``TooLargeForWorkbook``, or ``BalanceLocked`` where the record cannot be written.
    """
    filename = f"{name}-{datetime.now(UTC):%Y-%m-%d}.{kind}"
    if kind == "xlsx":
        workbook = as_workbook(sheet)
        with ExitStack() as kept:
            kept.enter_context(workbook)
            _record(request, sheet, kind, listed)
            kept.pop_all()  # the response closes it
        return FileResponse(workbook, as_attachment=True, filename=filename)
    _record(request, sheet, kind, listed)
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingHttpResponse(as_csv(sheet), content_type="text/csv; charset=utf-8", headers=headers)


def _record(request: HttpRequest, sheet: Sheet, kind: str, listed: str) -> None:
    exported.send(
        sender=answer,
        actor=request.user.get_username(),
        address=client_address(request),
        listed=listed,
        filters=request.GET.urlencode(),
        file_kind=kind,
        rows=sheet.count(ALL),
    )
