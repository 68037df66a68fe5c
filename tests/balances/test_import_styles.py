"""CSV files as people have them: what an option says about them, and which option a refusal suggests."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from balances.importing import ImportRefused, Style
from balances.models import Balance, Transaction
from tests.balances.test_importing import BALANCES, ROW, TRANSACTION_HEADER, TRANSACTIONS, Files, balance, contents

pytestmark = pytest.mark.django_db


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def stored() -> dict[str, Any]:
    """Return what matters of the two rows of the canonical pair."""
    rows = Transaction.objects.order_by("reference").values_list("reference", "precise_amount", "description")
    return {"rows": list(rows), "till": int(balance("@till").balance)}


CANONICAL = {"rows": [("in-1", 1000, "opening"), ("out-1", 300, "coffee,\nand cake")], "till": 700}


@pytest.mark.parametrize(
    ("style", "encoding"),
    [
        ({"delimiter": ";"}, "utf-8"),
        ({"delimiter": "\t"}, "utf-8"),
        ({"delimiter": "|", "encoding": "utf-16"}, "utf-16"),
        ({"encoding": "utf-16"}, "utf-16"),
        ({"encoding": "utf-16-le"}, "utf-16-le"),
        ({"encoding": "cp1252", "delimiter": ";"}, "cp1252"),
        ({"encoding": "UTF8"}, "utf-8-sig"),
        ({"encoding": "utf-8-sig"}, "utf-8"),
    ],
)
def test_delimiters_and_encodings_are_read_as_they_are_said(files: Files, style: dict[str, str], encoding: str) -> None:
    mark = style.get("delimiter", ",")
    texts = [BALANCES, TRANSACTIONS.replace('"coffee,\nand cake"', "coffee@and cake")]
    packed = [text.replace(",", mark).replace("coffee@", '"coffee,\nand cake"'[:0] + "coffee@") for text in texts]
    files.write(*(text.encode(encoding) for text in packed)).load(style=Style(**style))
    assert stored() == {**CANONICAL, "rows": [("in-1", 1000, "opening"), ("out-1", 300, "coffee@and cake")]}


def test_letters_of_an_old_encoding_come_in_as_letters(files: Files) -> None:
    text = TRANSACTIONS.replace("opening", "Eröffnung – 5 €")
    files.write(BALANCES.encode("cp1252"), text.encode("cp1252")).load(style=Style(encoding="cp1252"))
    assert Transaction.objects.get(reference="in-1").description == "Eröffnung – 5 €"


def test_lines_before_the_header_are_left_out_and_still_counted(files: Files) -> None:
    head = "Bank of Nowhere\nexported 2024-02-01\n"
    files.write(head + BALANCES, head + TRANSACTIONS.replace(",300,", ",many,"))
    files.assert_refused(
        "{t}, line 5, column precise_amount: 'many' is not a whole number of minor units", style=Style(skip_lines=2)
    )


EUROPEAN = {
    "balances": "indicator;currency;credit_balance;debit_balance;balance;created_at\n"
    "@till;CZK;1.010,00;310,00;700,00;01.01.2024\n@world;CZK;310,00;1.010,00;-700,00;01.01.2024\n",
    "transactions": "Beleg;Von;An;Betrag;Tag\nin-1;@world;@till;1.010,00;01.01.2024\n"
    "out-1;@till;@world;310,00;02.01.2024\n",
}
MAP = {"reference": "Beleg", "source": "Von", "destination": "An", "amount": "Betrag", "effective_date": "Tag"}


def european(**changes: Any) -> Style:
    given: dict[str, Any] = {
        "delimiter": ";",
        "decimal": ",",
        "thousands": ".",
        "major": True,
        "zone": "Europe/Prague",
        "date_format": "%d.%m.%Y",
        "precisions": {"": 100},
        "currency": "CZK",
        "columns": MAP,
    }
    return Style(**(given | changes))


def test_a_file_with_decimal_commas_days_and_columns_of_its_own_comes_in_exactly(files: Files) -> None:
    files.write(EUROPEAN["balances"], EUROPEAN["transactions"]).load(style=european())
    rows = Transaction.objects.order_by("reference")
    assert [(row.precise_amount, row.precision, row.currency, row.description) for row in rows] == [
        (101_000, 100, "CZK", ""),
        (31_000, 100, "CZK", ""),
    ]
    assert [str(row.effective_date) for row in rows] == ["2023-12-31 23:00:00+00:00", "2024-01-01 23:00:00+00:00"]
    assert int(balance("@till").balance) == 70_000


@pytest.mark.parametrize(
    ("cell", "changes", "problem"),
    [
        (
            "1,010.00",
            {},
            "'1,010.00' is not a number such as 1.234,50, which the options decimal and thousands describe",
        ),
        ("10.10,00", {}, "'10.10,00' is not a number such as 1.234,50"),
        ("310.00", {"thousands": ""}, "is not a number such as 1234,50"),
        ("0,001", {}, "0.001 at precision 100 is no whole number of minor units; 0.01 would be; the file says '0,001'"),
        ("-5,00", {}, "'-5' is not a decimal amount such as 12.50; the file says '-5,00'"),
        ("", {}, "the value is missing"),
        ("1e3", {}, "'1e3' is not a number"),
        ("٣", {}, "'٣' is not a number"),
        ("9" * 1001, {}, "has more than 1000 digits"),
    ],
)
def test_a_number_that_does_not_fit_its_description_is_refused_with_its_cell(
    files: Files, cell: str, changes: dict[str, Any], problem: str
) -> None:
    files.write(EUROPEAN["balances"].replace(".010", "010"), EUROPEAN["transactions"].replace("310,00", cell))
    with pytest.raises(ImportRefused) as refusal:
        files.load(style=european(**changes))
    line = 2 if changes else 3
    assert f"{files.transactions}, line {line}, column amount: " in str(refusal.value)
    assert problem in str(refusal.value)
    assert not Balance.objects.exists()


@pytest.mark.parametrize(
    ("written", "thousands", "decimal"),
    [
        ("1 010,00", " ", ","),
        ("1\u00a0010,00", " ", ","),
        ("1\u202f010,00", " ", ","),
        ("1'010.00", "'", "."),
        ("1\u2019010.00", "'", "."),
        ('"1,010.00"', ",", "."),
        ("1_010.00", "_", ""),
        ("1010.00", "", ""),
        ("+1010.000", "", "."),
        ("1010.0000", "", "."),
    ],
)
def test_groups_of_thousands_are_read_as_they_are_said(
    files: Files, written: str, thousands: str, decimal: str
) -> None:
    mark = decimal or "."
    balances = EUROPEAN["balances"].replace("1.010,00", "1010,00").replace(",00", f"{mark}00")
    transactions = EUROPEAN["transactions"].replace("310,00", f"310{mark}00").replace("1.010,00", written)
    files.write(balances, transactions).load(style=european(thousands=thousands, decimal=decimal))
    assert Transaction.objects.get(reference="in-1").precise_amount == 101_000


def test_totals_in_major_units_take_the_precision_of_their_row_or_currency(files: Files) -> None:
    files.write(
        "indicator,currency,credit_balance,debit_balance,balance,created_at,precision\n"
        "@a,JPY,5,0,5,2024-01-01T00:00:00Z,\n@b,KWD,1.5,0,1.5,2024-01-01T00:00:00Z,1000\n@c,EUR,2,0,2,2024-01-01T00:00:00Z,\n"
        "@d,JPY,0,5,-5,2024-01-01T00:00:00Z,\n",
        f"{TRANSACTION_HEADER.replace('precise_amount', 'amount')}\nr,@d,@a,5,,JPY,2024-01-01T00:00:00Z,\n",
    ).load(style=Style(major=True, precisions={"JPY": 1, "": 100}))
    assert [int(balance(name).balance) for name in ("@a", "@b", "@c")] == [5, 1500, 200]
    assert Transaction.objects.get().precise_amount == 5


@pytest.mark.parametrize(
    ("zone", "cell", "expected"),
    [
        ("Europe/Prague", "2024-07-01", "2024-06-30T22:00:00+00:00"),
        ("Europe/Prague", "2024-01-01 12:30:15.5", "2024-01-01T11:30:15.500000+00:00"),
        ("Europe/Prague", "2024-01-01T12:30:00+05:00", "2024-01-01T07:30:00+00:00"),
        ("UTC", "2024-01-01", "2024-01-01T00:00:00+00:00"),
    ],
)
def test_times_without_a_zone_take_the_one_that_is_said(files: Files, zone: str, cell: str, expected: str) -> None:
    files.write(transactions=TRANSACTIONS.replace("2024-01-02T00:00:00Z", cell)).load(style=Style(zone=zone))
    date = Transaction.objects.get(reference="out-1").effective_date
    assert isinstance(date, datetime)
    assert date.isoformat() == expected


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("2024-03-31 02:30", "did not happen in Europe/Prague: the clocks were changed; write the offset from UTC"),
        ("2024-10-27 02:30", "happened twice in Europe/Prague: the clocks were changed; write the offset from UTC"),
        ("2024-02-30", "is not a time such as 2024-01-31T09:30:00"),
        ("03/04/2024", "; use --date-format %d/%m/%Y where the day comes first, or %m/%d/%Y"),
        ("3.4.24", "; day first? use --date-format %d.%m.%y"),
        ("", "the value is missing"),
        ("9999-12-31 23:59", None),
    ],
)
def test_a_time_that_is_none_in_its_zone_is_refused(files: Files, cell: str, problem: str | None) -> None:
    files.write(transactions=TRANSACTIONS.replace("2024-01-02T00:00:00Z", cell))
    if problem is None:
        files.load(style=Style(zone="Europe/Prague"))
        return
    with pytest.raises(ImportRefused) as refusal:
        files.load(style=Style(zone="Europe/Prague"))
    assert f"{files.transactions}, line 3, column effective_date: " in str(refusal.value)
    assert problem in str(refusal.value)


@pytest.mark.parametrize(
    ("balances", "transactions", "hint"),
    [
        (BALANCES.replace(",", ";"), TRANSACTIONS, "separated by ';'? use --delimiter ';'"),
        (BALANCES, TRANSACTIONS.replace(",", "\t"), "separated by a tab? use --delimiter tab"),
        ("sep=;\n" + BALANCES.replace(",", ";"), TRANSACTIONS, "use --skip-lines 1 --delimiter ';'"),
        (BALANCES.encode("utf-16"), TRANSACTIONS, "byte 0xff is not UTF-8; is this UTF-16? use --encoding utf-16"),
        (BALANCES.encode("utf-16-le"), TRANSACTIONS, "NUL character; is this UTF-16? use --encoding utf-16"),
        (
            BALANCES,
            TRANSACTIONS.replace("opening", "Café").encode("cp1252"),
            "line 2: byte 0xe9 is not UTF-8; is this W",
        ),
        (b"PK\x03\x04\xff" + BALANCES.encode(), TRANSACTIONS, "this looks like an Excel or zip file; save it as CSV"),
        (b"%PDF-1.7\n\xe2\xe3", TRANSACTIONS, "this looks like a PDF"),
        (BALANCES.replace("1000,300", '"10,00",300'), TRANSACTIONS, "decimal comma? use --decimal ,"),
        (BALANCES.replace("1000,300", '"1.000,00",300'), TRANSACTIONS, "use --decimal , --thousands '.'"),
        (BALANCES.replace("1000,300", '"1,000",300'), TRANSACTIONS, "thousands separated by ','? use --thousands ,"),
        (BALANCES.replace("1000,300", "1.000.000,300"), TRANSACTIONS, "use --decimal , --thousands ."),
        (BALANCES.replace("1000,300", "1 000,300"), TRANSACTIONS, "thousands separated by ' '? use --thousands ' '"),
    ],
)
def test_the_likely_cause_is_named(files: Files, balances: str | bytes, transactions: str | bytes, hint: str) -> None:
    files.write(balances, transactions)
    with pytest.raises(ImportRefused) as refusal:
        files.load()
    assert hint in str(refusal.value)
    assert not Balance.objects.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"delimiter": ""}, "The delimiter must be one character, not ''"),
        ({"delimiter": '"'}, "The delimiter must be one character, not '\"'"),
        ({"encoding": "klingon"}, "'klingon' is not an encoding of text"),
        ({"encoding": "hex"}, "'hex' is not an encoding of text"),
        ({"decimal": ";"}, "The decimal mark is '.' or ',', not ';'"),
        ({"decimal": ",", "thousands": ","}, "',' cannot mark both decimals and thousands; give both options"),
        ({"thousands": "."}, "'.' cannot mark both decimals and thousands; give both options"),
        ({"thousands": "x"}, "Groups of thousands are separated by '.', ',', ' ', '_' or \"'\", not 'x'"),
        ({"zone": "Mars/Olympus"}, "'Mars/Olympus' is not a time zone such as UTC or Europe/Prague"),
        ({"zone": "../../etc/passwd"}, "'../../etc/passwd' is not a time zone such as UTC or Europe/Prague"),
        ({"skip_lines": -1}, "A file cannot begin before its first line"),
    ],
)
def test_an_option_that_no_file_could_mean_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ImportRefused) as refusal:
        Style(**changes)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("style", "transactions", "sentence"),
    [
        ({"columns": {"refrence": "x"}}, TRANSACTIONS, "'refrence' is not one of our columns: "),
        ({"columns": {"reference": "Beleg"}}, TRANSACTIONS, "No file has a column 'Beleg'"),
        ({"ignored": {"note"}}, TRANSACTIONS, "No file has a column 'note'"),
        (
            {"columns": {"reference": "id"}},
            TRANSACTIONS.replace("reference,", "id,", 1).replace("description", "reference", 1),
            "column reference is there twice",
        ),
        (
            {"columns": {"reference": "id"}},
            TRANSACTIONS.replace("reference,source", "id,id", 1),
            "column 'id' is there twice",
        ),
        ({"ignored": {"precision"}}, TRANSACTIONS, "line 1: column precision is missing"),
        (
            {"precisions": {"USD": 100}, "ignored": {"precision"}},
            TRANSACTIONS,
            "nothing says it for 'CZK'; use --precision CZK=100",
        ),
        ({"major": True}, TRANSACTIONS, "this column is minor units, and --units major says otherwise"),
    ],
)
def test_columns_that_are_not_there_or_twice_are_refused(
    files: Files, style: dict[str, Any], transactions: str, sentence: str
) -> None:
    files.write(transactions=transactions)
    before = contents()
    style = {name: frozenset(value) if name == "ignored" else value for name, value in style.items()}
    if "major" in style:
        style["precisions"] = {"": 100}
    with pytest.raises(ImportRefused) as refusal:
        files.load(style=Style(**style))
    assert sentence in str(refusal.value)
    assert contents() == before


@pytest.mark.parametrize("ignored", [{"note", "colour"}, {"*"}])
def test_columns_that_mean_nothing_here_can_be_left_out(files: Files, ignored: set[str]) -> None:
    text = "note," + TRANSACTION_HEADER + ",colour\nx," + ROW + ",red\n"
    files.write(transactions=text).load(style=Style(ignored=frozenset(ignored)))
    assert Transaction.objects.get().reference == "out-2"


def test_one_column_of_the_file_can_be_two_of_ours(files: Files) -> None:
    text = TRANSACTION_HEADER.replace("effective_date", "day") + f"\n{ROW}\n"
    files.write(transactions=text).load(style=Style(columns={"effective_date": "day", "created_at": "day"}))
    row = Transaction.objects.get()
    assert row.created_at == row.effective_date


def test_a_dry_run_says_what_would_come_in_and_writes_nothing(files: Files) -> None:
    before = contents()
    result = files.load(dry_run=True)
    assert (result.dry_run, result.balances, result.transactions) == (True, 2, 2)
    assert {key: (moved.rows, moved.units) for key, moved in result.tally.moved.items()} == {("CZK", 100): (2, 1300)}
    assert [(row.line, row.reference, row.amount) for row in result.tally.first] == [
        (2, "in-1", "10"),
        (3, "out-1", "3"),
    ]
    assert contents() == before
    files.write(transactions=f"{TRANSACTIONS}{ROW.replace('out-2', 'in-1')}\n").assert_refused(
        "{t}, line 5, column reference: 'in-1' stands on line 2 already", dry_run=True
    )
