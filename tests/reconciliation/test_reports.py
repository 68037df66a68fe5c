"""Reports that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest

from reconciliation.records.reports import Report


def cell(value: object) -> str:
    """Return what a spreadsheet reads in the one cell of a report."""
    out = io.StringIO(newline="")
    Report(fields=("it",), columns={}).write("csv", [{"it": value}], out)
    [_, [read]] = csv.reader(io.StringIO(out.getvalue(), newline=""))
    return read


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        '=HYPERLINK("http://x")',
        "+1+1",
        "-1+1",
        "-",
        "@shop",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1",
        "-1e5",
        "--1",
    ],
)
def test_a_cell_that_a_spreadsheet_would_compute_becomes_text(text: str) -> None:
    assert cell(text) == f"'{text}".replace("\r", "\n")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        *(
            ("-97105", "-97105"),
            (-97105, "-97105"),
            ("+5", "+5"),
            ("-12.50", "-12.50"),
            ("0", "0"),
            ("", ""),
            (None, ""),
        ),
        ("a\r=1\r\n=2", "a\n=1\n=2"),
        *(("bln_1", "bln_1"), ("a=b", "a=b"), ("'@shop", "'@shop"), (["=1"], '["=1"]'), ({"a": "@b"}, '{"a":"@b"}')),
    ],
)
def test_numbers_and_plain_texts_stay_as_they_are(value: object, read: str) -> None:
    assert cell(value) == read
