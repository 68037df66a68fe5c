"""Files into a ledger: what is refused, in which words, and what comes in."""

from __future__ import annotations

import gzip
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from balances.ground.amounts import transaction_hash
from balances.importing import Imported, ImportRefused, ImportRequest, import_ledger
from balances.models import RUN_FLAG, Balance, Ledger, Transaction
from reconciliation.measuring.measurement import measure
from tests import world

pytestmark = pytest.mark.django_db

BALANCES = """\
indicator,currency,credit_balance,debit_balance,balance,created_at
@till,CZK,1000,300,700,2024-01-01T00:00:00Z
@world,CZK,300,1000,-700,2024-01-01T00:00:00Z
"""
TRANSACTIONS = """\
reference,source,destination,precise_amount,precision,currency,effective_date,description
in-1,@world,@till,1000,100,CZK,2024-01-01T00:00:00Z,opening
out-1,@till,@world,300,100,CZK,2024-01-02T00:00:00Z,"coffee,
and cake"
"""
BALANCE_HEADER, TRANSACTION_HEADER = BALANCES.splitlines()[0], TRANSACTIONS.splitlines()[0]
ROW = "out-2,@till,@world,5,100,CZK,2024-01-02T00:00:00Z,more"


class Files:
    """A pair of files of one ledger, good until a test spoils one of them."""

    def __init__(self, folder: Path) -> None:
        self.balances, self.transactions = folder / "balances.csv", folder / "transactions.csv"
        self.write(BALANCES, TRANSACTIONS)

    def write(self, balances: str | bytes = BALANCES, transactions: str | bytes = TRANSACTIONS) -> Files:
        for path, content in ((self.balances, balances), (self.transactions, transactions)):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self

    def load(self, name: str = "Shop", **options: Any) -> Imported:
        files: dict[str, Any] = {"balances": self.balances, "transactions": self.transactions}
        return import_ledger(ImportRequest(name=name, **(files | options)))

    def assert_refused(self, sentence: str, name: str = "Shop", **options: Any) -> None:
        """Every word of the sentence counts, and so does that the database is as it was."""
        before = contents()
        with pytest.raises(ImportRefused) as refusal:
            self.load(name, **options)
        assert str(refusal.value) == sentence.format(b=self.balances, t=self.transactions)
        assert contents() == before


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def contents() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Ledger, Balance, Transaction)]


def balance(indicator: str) -> Balance:
    return Balance.objects.get(indicator=indicator)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "{b} is empty"),
        (BALANCE_HEADER, "{b} has a header and no records"),
        (
            BALANCES.replace("currency", "curency"),
            "{b}, line 1: unknown column 'curency'; known columns: currency, credit_balance, debit_balance, balance, "
            "created_at, indicator, balance_id, inflight_credit_balance, inflight_debit_balance, inflight_balance, "
            "opening_balance, precision, meta_data; say which column it is with --map, or leave it out with --ignore",
        ),
        (BALANCES.replace(",created_at", ""), "{b}, line 1: column created_at is missing"),
        (BALANCES.replace("indicator,", ""), "{b}, line 1: column indicator (or balance_id) is missing"),
        (BALANCES.replace("created_at", "balance"), "{b}, line 1: column balance is there twice"),
        (BALANCES + "@x,CZK,0\n", "{b}, line 4: 3 fields where the header has 6"),
        (BALANCES + '@x,"CZK', "{b}, line 4: this is not CSV (unexpected end of data)"),
        (
            BALANCES + "@x," + "z" * 140_000,
            "{b}, line 4: this is not CSV (field larger than field limit (131072))",
        ),
        (BALANCES + "z" * (1 << 20), "{b}, line 4: the line is longer than 1,048,576 characters"),
        (
            BALANCES.encode() + b"@caf\xe9,CZK,0,0,0,2024-01-01T00:00:00Z",
            "{b}, line 4: byte 0xe9 is not UTF-8; is this Windows-1252? use --encoding cp1252",
        ),
        (BALANCES + "@x\0,CZK,0,0,0,2024-01-01T00:00:00Z", "{b}, line 4: there is a NUL character"),
        (
            BALANCES.replace("1000,300", "1000.00,300"),
            "{b}, line 2, column credit_balance: '1000.00' is not a whole number of minor units; "
            "major units? use --units major",
        ),
        (
            BALANCES.replace("1000,300,700", "1000,,700"),
            "{b}, line 2, column debit_balance: the value is missing",
        ),
        (
            BALANCES.replace("1000,300", "1" * 1001 + ",300"),
            f"{{b}}, line 2, column credit_balance: '{'1' * 40}'… has more than 1000 digits",
        ),
        (
            BALANCES.replace("1000,300", "1_000,300"),
            "{b}, line 2, column credit_balance: '1_000' is not a whole number of minor units",
        ),
        (
            BALANCES.replace("-700", "700"),
            "{b}, line 3, column balance: 700 is not credit_balance less debit_balance, which is -700",
        ),
        (
            BALANCES.replace("2024-01-01T00:00:00Z", "2024-01-01 12:30"),
            "{b}, line 2, column created_at: '2024-01-01 12:30' has no time zone; for UTC write '2024-01-01T12:30:00Z'",
        ),
        (
            BALANCES.replace("2024-01-01T00:00:00Z", "31.1.2024"),
            "{b}, line 2, column created_at: '31.1.2024' is not a time such as 2024-01-31T09:30:00Z; "
            "day first? use --date-format %d.%m.%Y",
        ),
        (
            BALANCES.replace("2024-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"),
            "{b}, line 2, column created_at: '0001-01-01T00:00:00+14:00' is not a time such as 2024-01-31T09:30:00Z",
        ),
        (BALANCES.replace("CZK", " "), "{b}, line 2, column currency: the value is missing"),
        (BALANCES.replace("@till", ""), "{b}, line 2, column indicator: a balance needs an indicator or an id"),
        (
            BALANCES.replace("@till", "till"),
            "{b}, line 2, column indicator: 'till' does not start with '@' or has spaces; "
            "a balance without indicator is named in the column balance_id",
        ),
        (
            BALANCES.replace("indicator", "balance_id"),
            "{b}, line 2, column balance_id: '@till' is not a balance id: "
            "'bln_', then lower-case letters, digits and hyphens",
        ),
        (
            BALANCES + "\n\n@till,CZK,0,0,0,2024-01-01T00:00:00Z\n",
            "{b}, line 6, column indicator: '@till' in 'CZK' stands on line 2 already",
        ),
    ],
)
def test_a_bad_balances_file_is_refused_in_one_sentence_and_nothing_is_written(
    files: Files, content: str | bytes, sentence: str
) -> None:
    files.write(balances=content).assert_refused(sentence)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            ROW.replace(",5,", ",5.50,"),
            "column precise_amount: '5.50' is not a whole number of minor units; major units? use --units major",
        ),
        (ROW.replace(",5,", ",-5,"), "column precise_amount: '-5' is negative; swap source and destination instead"),
        (ROW.replace(",5,", ",,"), "column precise_amount: the value is missing"),
        (
            ROW.replace(",100,", ",0,"),
            "column precision: '0' is not a count of minor units in a major one, such as 100",
        ),
        (ROW.replace("out-2", ""), "column reference: the value is missing"),
        (ROW.replace("out-2", "in-1"), "column reference: 'in-1' stands on line 2 already"),
        (ROW.replace("@world", "@nobody"), "column destination: the balances file has no balance '@nobody' in 'CZK'"),
        (ROW.replace("CZK", "EUR"), "column source: the balances file has no balance '@till' in 'EUR'"),
        (ROW.replace("@world", "@till"), "column destination: source and destination are one balance"),
        (ROW.replace("2024-01-02T", "2024-13-02T"), None),
        (ROW.replace("2024-01-02T00:00:00Z", ""), "column effective_date: the value is missing"),
    ],
)
def test_a_bad_transaction_is_refused_with_line_column_and_value(files: Files, row: str, sentence: str | None) -> None:
    sentence = sentence or "column effective_date: '2024-13-02T00:00:00Z' is not a time such as 2024-01-31T09:30:00Z"
    files.write(transactions=TRANSACTIONS + row).assert_refused(f"{{t}}, line 5, {sentence}")


@pytest.mark.parametrize(
    ("column", "cell", "sentence"),
    [
        ("status", "Applied", "'Applied' is not a status: QUEUED, SCHEDULED, INFLIGHT, APPLIED, VOID, REJECTED"),
        ("parent", "in-0", "the file has no transaction 'in-0'"),
        ("parent", "in-1", "'in-1' names the transaction itself"),
        ("created_at", "2024-01-01", "'2024-01-01' has no time zone; for UTC write '2024-01-01T00:00:00Z'"),
        ("meta_data", "[1]", "'[1]' is not a JSON object"),
        ("meta_data", "{no}", "'{{no}}' is not JSON"),
        ("meta_data", "[" * 100_000, f"'{'[' * 40}'… is not JSON"),
        ("meta_data", r'"{""a"": ""\ud800""}"', r"""'{{"a": "\\ud800"}}' is not JSON"""),
        (
            "meta_data",
            r'"{""a"": ""\u0000""}"',
            "PostgreSQL refuses it: unsupported Unicode escape sequence",
        ),
        ("amount", "12,5", None),
        ("amount", "abc", "'abc' is not a decimal amount such as 12.50"),
        ("amount", "10.0055", "10.0055 at precision 100 is no whole number of minor units; 10 or 10.01 would be"),
        (
            "amount",
            "10.01",
            "10.01 at precision 100 is not the 1000 of precise_amount; leave out the one that is wrong",
        ),
    ],
)
def test_a_bad_optional_cell_is_refused(files: Files, column: str, cell: str, sentence: str | None) -> None:
    first = TRANSACTIONS.splitlines()[1]
    place = f"{{t}}, line 2, column {column}: {sentence}"
    files.write(transactions=f"{TRANSACTION_HEADER},{column}\n{first},{cell}\n").assert_refused(
        place if sentence else "{t}, line 2: 10 fields where the header has 9"
    )


@pytest.mark.parametrize(
    ("cell", "precision", "problem"),
    [
        ("12.555", 100, "12.555 at precision 100 is no whole number of minor units; 12.55 or 12.56 would be; "
                        "if its point separates thousands, write 12555"),
        ("12.50", 1, "12.5 at precision 1 is no whole number of minor units; 12 or 13 would be"),
        ("0.004", 100, "0.004 at precision 100 is no whole number of minor units; 0.01 would be"),
        ("1.000", 100, "'1.000' has more decimals than precision 100: write 1 or, if its point separates thousands, "
                       "write 1000"),
        ("999.500", 10, "'999.500' has more decimals than precision 10: write 999.5 or, if its point separates "
                        "thousands, write 999500"),
        ("1.000.000", 100, "'1.000.000' is not a decimal amount such as 12.50; "
                         "thousands separated by '.'? use --decimal , --thousands ."),
        ("1,000.50", 100, "'1,000.50' is not a decimal amount such as 12.50; "
                         "thousands separated by ','? use --thousands ,"),
        ("1.000,50", 100, "'1.000,50' is not a decimal amount such as 12.50; "
                         "decimal comma? use --decimal , --thousands '.'"),
        ("1 000", 100, "'1 000' is not a decimal amount such as 12.50; "
                         "thousands separated by ' '? use --thousands ' '"),
        ("1'000", 100, "\"1'000\" is not a decimal amount such as 12.50; "
                         "thousands separated by \"'\"? use --thousands \"'\""),
        ("12,50", 100, "'12,50' is not a decimal amount such as 12.50; decimal comma? use --decimal ,"),
        ("1,000", 100, "'1,000' is not a decimal amount such as 12.50; thousands separated by ','? use --thousands ,"),
        ("-5", 100, "'-5' is not a decimal amount such as 12.50"),
        ("5e2", 100, "'5e2' is not a decimal amount such as 12.50"),
    ],
)  # fmt: skip
def test_an_amount_that_is_no_whole_number_of_minor_units_is_refused(
    files: Files, cell: str, precision: int, problem: str
) -> None:
    header = TRANSACTION_HEADER.replace("precise_amount", "amount")
    row = f'in-1,@world,@till,"{cell}",{precision},CZK,2024-01-01T00:00:00Z,opening\n'
    files.write(transactions=f"{header}\n{row}").assert_refused(f"{{t}}, line 2, column amount: {problem}")


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("1,000", "thousands separated by ','? use --thousands ,"),
        ("1 000", "thousands separated by ' '? use --thousands ' '"),
        ("1.000,00", "decimal comma? use --decimal , --thousands '.'"),
    ],
)
def test_minor_units_with_thousands_separators_are_refused_as_such(files: Files, cell: str, hint: str) -> None:
    files.write(transactions=TRANSACTIONS.replace(",1000,", f',"{cell}",')).assert_refused(
        f"{{t}}, line 2, column precise_amount: '{cell}' is not a whole number of minor units; {hint}"
    )


@pytest.mark.parametrize(
    ("cell", "precision", "units", "stored"),
    [
        ("1.000", 1000, 1000, "1"),
        ("1.5000", 100, 150, "1.5"),
        ("0.500", 100, 50, "0.5"),
        ("12.50", 100, 1250, "12.5"),
        ("0.3000000000000000444", 100, 30, "0.3"),
        ("0.000000000000000001", 10**18, 1, "0.000000000000000001"),
    ],
)
def test_an_amount_of_whole_minor_units_comes_in_as_what_was_booked(
    files: Files, cell: str, precision: int, units: int, stored: str
) -> None:
    header = TRANSACTION_HEADER.replace("precise_amount", "amount")
    files.write(
        transactions=f"{header}\nin-1,@world,@till,{cell},{precision},CZK,2024-01-01T00:00:00Z,opening\n"
    ).load()
    row = Transaction.objects.get(reference="in-1")
    assert (row.units, row.amount) == (units, Decimal(stored))


def test_an_amount_beside_minor_units_has_the_sixteen_decimals_that_blnk_stores(files: Files) -> None:
    row = TRANSACTIONS.splitlines()[1].replace("1000,100", f"1,{10**18}")
    files.write(transactions=f"{TRANSACTION_HEADER},amount\n{row},0\n").load()
    assert Transaction.objects.get(reference="in-1").units == 1


def test_an_unknown_currency_column_is_named(files: Files) -> None:
    files.write(transactions=TRANSACTIONS.replace("currency", "curency"))
    with pytest.raises(ImportRefused, match="line 1: unknown column 'curency'; known columns: reference, source, "):
        files.load()
    assert not Ledger.objects.filter(name="Shop").exists()


def test_a_reference_too_long_for_its_index_is_refused_by_line(files: Files) -> None:
    noise = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(5000))
    files.write(transactions=TRANSACTIONS + ROW.replace("out-2", noise))
    with pytest.raises(ImportRefused, match="line 5: PostgreSQL refuses it: index row"):
        files.load()
    assert not Balance.objects.exists()


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.99])
def test_half_a_gzip_file_is_refused(files: Files, kept: float) -> None:
    packed = gzip.compress(TRANSACTIONS.encode())
    files.write(transactions=packed[: int(len(packed) * kept)])
    files.assert_refused("{t} ends too early: the gzip file is not whole")


def test_a_damaged_gzip_file_is_refused(files: Files) -> None:
    packed = bytearray(gzip.compress(TRANSACTIONS.encode()))
    packed[-6] ^= 0xFF
    with pytest.raises(ImportRefused, match=r"is damaged: it cannot be unpacked \(CRC check failed"):
        files.write(transactions=bytes(packed)).load()
    assert not Balance.objects.exists()


def test_what_is_no_file_is_refused(files: Files) -> None:
    files.balances.unlink()
    files.assert_refused("{b} cannot be read: No such file or directory")
    files.balances.mkdir()
    files.assert_refused("{b} is not a file")


def test_a_blank_name_is_refused(files: Files) -> None:
    files.assert_refused("The ledger needs a name", name=" ")


def test_what_other_rows_of_the_database_hold_is_refused_by_name(files: Files) -> None:
    alice, bob = world.balance(), world.balance()
    world.post(alice, bob, 1, reference="out-1")
    files.assert_refused("{t}, line 3, column reference: 'out-1' exists in the database already")
    world.balance(currency="CZK", indicator="@world")
    files.assert_refused("{b}, line 3, column indicator: '@world' in 'CZK' exists in the database already")
    files.write(
        BALANCES.replace("indicator", "balance_id").replace("@till", alice.pk).replace("@world", "bln_world")
    ).assert_refused(f"{{b}}, line 2, column balance_id: '{alice.pk}' exists in the database already")


def test_a_ledger_of_that_name_from_elsewhere_is_left_alone(files: Files) -> None:
    world.ledger("Shop")
    files.assert_refused(
        "A ledger 'Shop' exists and did not come from these files; choose another name, or add to it with --append"
    )


def test_other_files_under_an_imported_name_are_refused(files: Files) -> None:
    files.load()
    files.write(transactions=f"{TRANSACTIONS}{ROW}\n")
    files.assert_refused(
        "A ledger 'Shop' exists and did not come from these files; choose another name, or add to it with --append"
    )


def test_the_same_files_under_another_name_are_refused(files: Files) -> None:
    files.load()
    files.assert_refused("These files are in already, as ledger 'Shop'", name="Shop again")


def test_a_second_run_of_the_same_files_changes_nothing_packed_or_not(files: Files) -> None:
    first = files.load()
    before = contents()
    again = files.write(gzip.compress(BALANCES.encode()), gzip.compress(TRANSACTIONS.encode())).load()
    assert (first.already, again.already) == (False, True)
    assert (again.ledger_id, again.balances, again.transactions) == (first.ledger_id, 2, 2)
    assert contents() == before


def test_a_ledger_comes_in_whole(files: Files) -> None:
    imported = files.load()

    assert (imported.name, imported.balances, imported.transactions, imported.already) == ("Shop", 2, 2, False)
    ledger = Ledger.objects.get(name="Shop")
    assert set(ledger.balances.values_list("indicator", flat=True)) == {"@till", "@world"}
    row = Transaction.objects.get(reference="out-1")
    assert (row.source, row.destination) == (balance("@till"), balance("@world"))
    assert (row.precise_amount, row.amount, row.precision, row.currency) == (300, 3, 100, "CZK")
    assert (row.status, row.parent_transaction, row.meta_data) == ("APPLIED", "", {})
    assert row.description == "coffee,\nand cake"
    assert row.hash == transaction_hash(row.amount, "out-1", "CZK", "@till", "@world")
    assert row.created_at == row.effective_date
    assert row.effective_date is not None
    assert row.effective_date.isoformat() == "2024-01-02T00:00:00+00:00"
    assert not any(one.has_drift for one in measure([each.pk for each in ledger.balances.all()]))


def test_what_is_imported_looks_like_what_is_posted(files: Files) -> None:
    files.load()
    alice = world.balance()
    posted, imported = world.post("@x", alice, 100), Transaction.objects.get(reference="in-1")
    posted.refresh_from_db()
    for column in Transaction._meta.fields:
        assert type(getattr(posted, column.name)) is type(getattr(imported, column.name)), column.name
    for column in Balance._meta.fields:
        if column.name != "indicator":
            assert type(getattr(alice, column.name)) is type(getattr(balance("@till"), column.name)), column.name


def test_wrong_and_negative_totals_come_in_as_the_file_says_them(files: Files) -> None:
    files.write(BALANCES.replace("1000,300,700", "-5,37,-42")).load()
    till = balance("@till")
    assert (till.credit_balance, till.debit_balance, till.balance) == (-5, 37, -42)
    assert measure([till.pk])[0].difference.balance == 742


def test_amounts_of_forty_digits_come_in_exactly(files: Files) -> None:
    huge = int("1234567890" * 4)
    files.write(
        BALANCES.replace("1000,300,700", f"{huge},300,{huge - 300}"),
        TRANSACTIONS.replace("1000,100", f"{huge},1000000000000000000"),
    ).load()
    assert Transaction.objects.get(reference="in-1").precise_amount == huge
    assert not measure([balance("@till").pk])[0].has_drift


def test_holds_commits_and_voids_come_in_with_their_parents_before_or_after_them(files: Files) -> None:
    def row(reference: str, units: int, status: str = "", parent: str = "") -> str:
        return f"{reference},@till,@world,{units},100,CZK,2024-01-02T00:00:00+02:00,,{status},{parent}"

    files.write(
        f"{BALANCE_HEADER},inflight_credit_balance,inflight_debit_balance,meta_data\n"
        "@till,CZK,0,60,-60,2024-01-01T00:00:00Z,,240,\n"
        '@world,CZK,60,0,60,2024-01-01T00:00:00Z,239,0,"{""a"": 1.10}"\n',
        "\n".join(
            [
                f"{TRANSACTION_HEADER},status,parent",
                row("commit", 60, "APPLIED", "hold"),
                row("hold", 300, "INFLIGHT"),
                row("hold-2", 50, "INFLIGHT"),
                row("void-2", 50, "VOID", "hold-2"),
                row("queued", 7, "QUEUED"),
                row("rejected", 7, "REJECTED", "queued"),
                row("scheduled", 7, "SCHEDULED"),
            ]
        ),
    ).load()

    till, other = measure([balance("@till").pk])[0], measure([balance("@world").pk])[0]
    assert Transaction.objects.get(reference="commit").parent_transaction == (
        Transaction.objects.get(reference="hold").transaction_id
    )
    assert (till.recalculated.debit_balance, till.recalculated.inflight_debit_balance) == (60, 240)
    assert not till.has_drift
    assert (other.stored.inflight_balance, other.difference.inflight_credit_balance) == (239, 1)
    assert connection.cursor().execute(
        "SELECT meta_data::text FROM balances WHERE indicator = '@world'"
    ).fetchone() == ('{"a": 1.10}',)


def test_an_inflight_net_that_does_not_follow_is_refused(files: Files) -> None:
    files.write(
        f"{BALANCE_HEADER},inflight_debit_balance,inflight_balance\n@till,CZK,0,0,0,2024-01-01T00:00:00Z,5,5\n"
    ).assert_refused(
        "{b}, line 2, column inflight_balance: "
        "5 is not inflight_credit_balance less inflight_debit_balance, which is -5"
    )


def test_rows_from_before_precise_amounts_keep_their_amount(files: Files) -> None:
    files.write(transactions=TRANSACTIONS.replace("precise_amount", "amount").replace(",1000,", ",10.05,")).load()
    row = Transaction.objects.get(reference="in-1")
    assert (row.precise_amount, str(row.amount)) == (None, "10.05")
    assert measure([balance("@till").pk])[0].recalculated.credit_balance == 1005


def test_balances_without_indicator_go_by_their_ids(files: Files) -> None:
    files.write(
        BALANCES.replace("indicator", "balance_id").replace("@till", "bln_till").replace("@world", "bln_world"),
        TRANSACTIONS.replace("@till", "bln_till").replace("@world", "bln_world"),
    ).load()
    till = Balance.objects.get(pk="bln_till")
    assert (till.indicator, till.credits.get().reference) == (None, "in-1")


def test_times_of_record_and_metadata_come_in_where_given(files: Files) -> None:
    row = "out-2,@till,@world,5,100,CZK,2024-01-02T00:00:00Z,more"
    files.write(
        transactions=f"{TRANSACTION_HEADER},created_at,meta_data\n"
        f'{row},2024-02-01T01:00:00.123456789+01:00,"{{""big"": {10**40}}}"\n'
    ).load()
    stored = Transaction.objects.get(reference="out-2")
    assert stored.created_at.isoformat() == "2024-02-01T00:00:00.123456+00:00"
    assert stored.meta_data == {"big": 10**40}


def test_the_flag_that_asks_for_a_reconstruction_does_not_reach_storage(files: Files) -> None:
    cell = f'"{{""{RUN_FLAG}"": ""SOURCE"", ""team"": ""retail""}}"'
    files.write(f"{BALANCE_HEADER},meta_data\n@till,CZK,1,0,1,2024-01-01T00:00:00Z,{cell}\n{BALANCES.split()[-1]},\n")
    files.load()
    assert balance("@till").meta_data == {"team": "retail"}


def test_a_byte_order_mark_and_windows_line_ends_are_read(files: Files) -> None:
    files.write("\ufeff" + BALANCES.replace("\n", "\r\n"), TRANSACTIONS.replace("\n", "\r\n"))
    assert files.load().transactions == 2


def test_the_metadata_of_the_ledger_says_what_it_came_from(files: Files) -> None:
    files.load()
    origin = Ledger.objects.get(name="Shop").meta_data
    assert isinstance(origin, dict)
    assert {kind: file["rows"] for kind, file in origin["import"].items()} == {"balances": 2, "transactions": 2}


def test_the_progress_names_each_file_and_ends_at_its_size(files: Files) -> None:
    seen: list[tuple[Path, int]] = []
    files.write(transactions=TRANSACTIONS + "".join(f"{ROW.replace('out-2', f'r{n}')}\n" for n in range(3000)))
    import_ledger(
        ImportRequest(name="Shop", balances=files.balances, transactions=files.transactions),
        progress=lambda file: seen.append((file.path, file.position)),
    )
    assert seen == sorted(seen)
    assert len(seen) == 5
    assert seen[-1] == (files.transactions, files.transactions.stat().st_size)


def test_the_number_of_statements_does_not_grow_with_the_file(files: Files, django_assert_num_queries: Any) -> None:
    rows = io.StringIO()
    rows.writelines(f"{ROW.replace('out-2', f'r{number}')}\n" for number in range(500))
    files.write(transactions=TRANSACTIONS + rows.getvalue())
    # savepoint, serialise, earlier (2), ledger, both files, statistics, orphans, voids, metadata (5), release
    with django_assert_num_queries(16):
        files.load()
