"""``manage.py import_ledger``: one line out, one sentence on refusal."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from balances.models import Ledger, Transaction
from tests.balances.test_importing import BALANCES, TRANSACTIONS


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "balances.csv").write_text(BALANCES)
    (tmp_path / "transactions.csv").write_text(TRANSACTIONS)
    return [
        "--ledger=Shop",
        f"--balances={tmp_path / 'balances.csv'}",
        f"--transactions={tmp_path / 'transactions.csv'}",
    ]


@pytest.mark.django_db
def test_a_refusal_is_one_sentence(arguments: list[str], tmp_path: Path) -> None:
    path = tmp_path / "balances.csv"
    path.write_text(BALANCES.replace("1000", "many"))
    with pytest.raises(CommandError) as refusal:
        call_command("import_ledger", *arguments)
    assert str(refusal.value) == (
        f"{path}, line 2, column credit_balance: 'many' is not a whole number of minor units; nothing was imported."
    )
    assert not Ledger.objects.filter(name="Shop").exists()


@pytest.mark.django_db(transaction=True)
def test_the_summary_says_what_came_in_and_a_second_run_that_it_is_in_already(arguments: list[str]) -> None:
    said, complained = StringIO(), StringIO()
    for _ in range(2):
        call_command("import_ledger", *arguments, stdout=said, stderr=complained)
    ledger_id = Ledger.objects.get(name="Shop").ledger_id
    first, second = said.getvalue().splitlines()
    assert re.fullmatch(
        rf"Imported 2 balances and 2 transactions into ledger Shop \({ledger_id}\) in \d+\.\d s\.", first
    )
    assert second == (
        f"These files are in already, 2 balances and 2 transactions in ledger Shop ({ledger_id}): nothing changed."
    )
    assert Transaction.objects.count() == 2
    assert complained.getvalue() == ""


@pytest.mark.django_db
def test_a_terminal_gets_a_progress_bar_and_a_pipe_does_not(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("import_ledger", *arguments, stderr=Terminal())
    assert "transactions.csv" in capsys.readouterr().err
    call_command("import_ledger", *arguments)
    assert capsys.readouterr().err == ""


@pytest.mark.django_db
def test_assertions_are_listed_and_one_that_fails_ends_with_status_three(arguments: list[str], tmp_path: Path) -> None:
    path = tmp_path / "assertions.csv"
    path.write_text("indicator,currency,balance,at\n@till,CZK,10,2024-01-01\n@till,CZK,1,2024-01-01\n")
    said = StringIO()
    options = ["--units=major", "--precision=100", "--time-zone=UTC", f"--assertions={path}", "--totals=from-rows"]
    transactions = tmp_path / "transactions.csv"
    transactions.write_text(TRANSACTIONS.replace("precise_amount", "amount").replace(",1000,", ",10,"))
    arguments = [arguments[0], arguments[2], *options]
    with pytest.raises(CommandError, match=r"line 3, column balance: 1 of 2 assertions fail, the first: "):
        call_command("import_ledger", *arguments, "--strict")
    with pytest.raises(CommandError, match=r"^1 of 2 assertions fail; the rows are in\.$") as failure:
        call_command("import_ledger", *arguments, stdout=said)
    assert failure.value.returncode == 3
    lines = said.getvalue().splitlines()
    assert lines[0].startswith("Imported 2 balances and 2 transactions into ledger Shop")
    assert lines[1:] == [
        "1 of 2 assertions hold:",
        "  fails: @till 1 CZK at 2024-01-01; the rows say 10, 9 off (line 3)",
        "  holds: @till 10 CZK at 2024-01-01 (line 2)",
    ]


@pytest.mark.django_db
def test_a_dry_run_of_a_second_file_says_what_would_come_in(arguments: list[str], tmp_path: Path) -> None:
    call_command("import_ledger", *arguments, stdout=StringIO())
    path = tmp_path / "transactions.csv"
    path.write_text(f"{TRANSACTIONS}new,@till,@cafe,250,100,CZK,2024-01-03T00:00:00Z,tea\n")
    said = StringIO()
    call_command("import_ledger", arguments[0], arguments[2], "--append", "--dry-run", stdout=said)
    assert said.getvalue().splitlines() == [
        "Dry run: 1 balances and 1 transactions would come into ledger Shop; 2 transactions were in already; "
        "nothing was imported.",
        "  new balances: @cafe (CZK)",
        "  3 transactions move 15.5 CZK (100 minor units each)",
        "  line 2: in-1: @world → @till, 10 CZK, 2024-01-01T00:00:00+00:00, opening",
        "  line 3: out-1: @till → @world, 3 CZK, 2024-01-02T00:00:00+00:00, coffee,\nand cake".replace("\n", " "),
        "  line 5: new: @till → @cafe, 2.5 CZK, 2024-01-03T00:00:00+00:00, tea",
    ]
    assert Transaction.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("--precision=0", "'0' is not a count of minor units in a major one"),
        ("--precision=EUR=x", "'EUR=x' is not a count"),
        ("--map=reference", "'reference' is not of the form NAME=NAME"),
        ("--decimal=;", "invalid choice"),
        ("--thousands=x", "Groups of thousands are separated by"),
        ("--delimiter=", "The delimiter must be one character"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(arguments: list[str], argument: str, complaint: str) -> None:
    with pytest.raises(CommandError, match=re.escape(complaint)):
        call_command("import_ledger", *arguments, argument)


@pytest.mark.django_db
def test_a_tab_can_be_written_as_a_word(arguments: list[str], tmp_path: Path) -> None:
    for name, text in (("balances", BALANCES), ("transactions", TRANSACTIONS.replace(",\nand", " and"))):
        (tmp_path / f"{name}.csv").write_text(text.replace(",", "\t"))
    call_command("import_ledger", *arguments, "--delimiter=tab", stdout=StringIO())
    assert Transaction.objects.count() == 2
