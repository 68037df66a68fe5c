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
