"""The form for an import: its files and how they are written, as in ``manage.py import_ledger``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from balances.importing import FORMATS, ImportRefused, ImportRequest, Style
from balances.uploads import File

LONGEST = 500
FILES = ("balances", "transactions", "assertions", "statement")
CHOICES = {
    "totals": (("stated", "As the file states them"), ("from-rows", "What the rows say")),
    "format": (("", "Recognise it"), *((name, known.title) for name, known in FORMATS.items())),
    "delimiter": ((",", "Comma"), (";", "Semicolon"), ("tab", "Tab"), ("|", "Bar")),
    "encoding": (
        ("utf-8", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("cp1252", "Windows-1252"),
        ("cp1250", "Windows-1250"),
        ("iso-8859-15", "ISO 8859-15"),
    ),
    "decimal": (("", "Point, where that is clear"), (".", "Point"), (",", "Comma")),
    "thousands": (
        ("", "Nothing"),
        (".", "Point"),
        (",", "Comma"),
        ("space", "Space"),
        ("'", "Apostrophe"),
        ("_", "Underscore"),
    ),
    "units": (("minor", "Minor units (cents)"), ("major", "Major units (euros)")),
    "references": (("bank", "The bank's ids"), ("digest", "Digests of what entries say")),
}


def _file(label: str, hint: str) -> forms.FileField:
    return forms.FileField(label=label, required=False, help_text=hint, widget=UnfoldAdminFileFieldWidget)


def _choice(name: str, label: str, hint: str = "") -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, required=False, choices=CHOICES[name], help_text=hint, widget=UnfoldAdminSelectWidget
    )


def _words(label: str, hint: str = "") -> forms.CharField:
    return forms.CharField(
        label=label, required=False, max_length=LONGEST, strip=True, help_text=hint, widget=UnfoldAdminTextInputWidget
    )


def _lines(label: str, hint: str) -> forms.CharField:
    widget = UnfoldAdminTextareaWidget({"rows": 3})
    return forms.CharField(label=label, required=False, max_length=10 * LONGEST, help_text=hint, widget=widget)


def _tick(label: str, hint: str = "") -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, help_text=hint, widget=UnfoldBooleanWidget)


class UploadForm(forms.Form):
    """A ledger, its files and how they are written."""

    ledger = forms.CharField(
        label="Ledger",
        max_length=LONGEST,
        help_text="Name of a new ledger, or of one to add to",
        widget=UnfoldAdminTextInputWidget,
    )
    append = _tick("Add to a ledger that exists (--append)", "Rows that were imported already are skipped.")
    strict = _tick("Refuse where a stated balance fails (--strict)")
    balances = _file("Balances (CSV)", "indicator, currency, totals, created_at")
    transactions = _file("Transactions (CSV)", "reference, source, destination, amount, currency, effective_date")
    assertions = _file("Stated balances to check (CSV)", "indicator, currency, balance, at")
    statement = _file("Bank statement or journal", "CAMT.053, MT940, OFX, Beancount, hledger; without the first two")
    totals = _choice("totals", "Totals (--totals)")
    opening_from = _words("Openings come from (--opening-from)", "Such as @equity")
    delimiter = _choice("delimiter", "Between cells (--delimiter)")
    encoding = _choice("encoding", "Encoding (--encoding)")
    skip_lines = forms.IntegerField(
        label="Lines before the header (--skip-lines)",
        required=False,
        min_value=0,
        max_value=1000,
        widget=UnfoldAdminTextInputWidget({"inputmode": "numeric"}),
    )
    decimal = _choice("decimal", "Before decimals (--decimal)")
    thousands = _choice("thousands", "Between thousands (--thousands)")
    units = _choice("units", "Totals are (--units)", "With major units, so is the column amount.")
    precision = _words("Minor units in a major one (--precision)", "100, or JPY=1 KWD=1000 100")
    currency = _words("Currency (--currency)", "Of a file without that column")
    time_zone = _words("Time zone (--time-zone)", "Such as UTC or Europe/Prague")
    date_format = _words("Form of dates (--date-format)", "Such as %d.%m.%Y; ISO 8601 otherwise")
    map = _lines("Columns (--map)", "One per line: reference=Booking number")
    ignore = _words("Columns to leave out (--ignore)", "Separated by commas; * for all others")
    format = _choice("format", "Format (--format)")
    counterpart = _words("Counterpart (--counterpart)", "The other side of bank entries, such as @bank-external")
    account = _lines("Accounts (--account)", "One per line: DE8937…=@giro")
    references = _choice("references", "References (--references)")

    def clean(self) -> dict[str, Any]:
        """Refuse files too large for a page, and options that the service refuses before it reads a file."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        files = [data[kind] for kind in FILES if data.get(kind)]
        if not files and not self.errors:
            raise ValidationError("Choose a file.")
        most = settings.MAX_REQUEST_BODY_BYTES
        if sum(file.size for file in files) > most:
            raise ValidationError(
                f"The files are larger than {most >> 20} MB together: use manage.py import_ledger at the shell."
            )
        if not self.errors:
            try:
                request_of(self.options(), {kind: Path(kind) for kind in FILES if data.get(kind)})
            except ImportRefused as refusal:
                raise ValidationError(str(refusal)) from refusal
        return data

    def options(self) -> dict[str, Any]:
        """Return the values other than files, as JSON can hold them."""
        return {name: value for name, value in self.cleaned_data.items() if name not in FILES}

    def uploaded(self) -> list[File]:
        """Return the uploaded files."""
        chosen = {kind: self.cleaned_data[kind] for kind in FILES if self.cleaned_data.get(kind)}
        return [File(kind, file.name, file.read()) for kind, file in chosen.items()]

    def fields_of(self, *names: str) -> list[Any]:
        """Return bound fields, for a section of the page."""
        return [self[name] for name in names]


def request_of(options: Mapping[str, Any], paths: Mapping[str, Path]) -> ImportRequest:
    """Return the import that a filled-in form requests. Raises ``ImportRefused``."""
    statement = paths.get("statement")
    return ImportRequest(
        name=options["ledger"],
        balances=paths.get("balances"),
        transactions=paths.get("transactions"),
        assertions=paths.get("assertions"),
        statements=(statement,) if statement else (),
        style=_style(options),
        format=options["format"],
        from_rows=options["totals"] == "from-rows",
        append=options["append"],
        opening_from=options["opening_from"],
        counterpart=options["counterpart"],
        accounts=dict(_pairs(options["account"], "Accounts")),
        digests=options["references"] == "digest",
        refuse_failing=options["strict"],
        is_trusted=False,
    )


def _style(options: Mapping[str, Any]) -> Style:
    return Style(
        delimiter="\t" if options["delimiter"] == "tab" else options["delimiter"] or ",",
        encoding=options["encoding"] or "utf-8",
        skip_lines=options["skip_lines"] or 0,
        decimal=options["decimal"],
        thousands=" " if options["thousands"] == "space" else options["thousands"],
        major=options["units"] == "major",
        zone=options["time_zone"],
        date_format=options["date_format"],
        precisions=_precisions(options["precision"]),
        currency=options["currency"],
        columns=dict(_pairs(options["map"], "Columns")),
        ignored=frozenset(name.strip() for name in options["ignore"].split(",") if name.strip()),
    )


def _precisions(text: str) -> dict[str, int]:
    found = {}
    for word in re.split(r"[\s,]+", text):
        currency, _, number = word.rpartition("=")
        if word and not re.fullmatch(r"[1-9][0-9]{0,18}", number, re.ASCII):
            raise ImportRefused(f"Minor units: {word!r} is neither a number such as 100 nor one such as JPY=1")
        if word:
            found[currency] = int(number)
    return found


def _pairs(text: str, what: str) -> list[tuple[str, str]]:
    found = []
    for line in text.splitlines():
        ours, equals, theirs = (part.strip() for part in line.partition("="))
        if line.strip() and not (ours and equals and theirs):
            raise ImportRefused(f"{what}: {line.strip()!r} is not of the form NAME=NAME")
        if line.strip():
            found.append(("".join(ours.split()), theirs))
    return found
