"""``manage.py reconstruct``: scopes, refusals, reports, exit statuses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from balances.models import Balance, Ledger
from reconciliation.models import Reconstruction
from reconciliation.records.reports import Report
from tests import world

pytestmark = pytest.mark.django_db


def run(*words: str, **options: Any) -> tuple[str, str, int]:
    out, err = io.StringIO(), io.StringIO()
    status = 0
    try:
        call_command("reconstruct", *words, stdout=out, stderr=err, **options)
    except SystemExit as ended:
        status = int(ended.code or 0)
    return out.getvalue(), err.getvalue(), status


@pytest.fixture
def wallets() -> Ledger:
    """Return a ledger of four balances: two drifted, one right, one with totals and no rows."""
    owner = world.ledger("Wallets")
    for number, error in enumerate((5, -7, 0, 0)):
        balance = world.balance(owner, indicator=f"@w{number}")
        if number < 3:
            world.post("@world", balance, 100)
            world.drift(balance, credit=error, hold_debit=abs(error))
        else:
            world.drift(balance, credit=900)
    return owner


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Say which balances"),
        (["--all", "--ledger", "Wallets"], "Say which balances"),
        (["bln_x"], "Balance with ID 'bln_x' not found"),
        (["--ledger", "Nobody's"], 'There is no ledger named or identified by "Nobody\'s"'),
        (["--indicator", "@w0"], "An indicator and its currency go together"),
        (["--indicator", "@nobody", "--currency", "USD"], "balance with indicator '@nobody' not found"),
        (["--all", "--output", "/nowhere/at/all.json"], "Cannot write /nowhere/at/all.json: No such file"),
    ],
)
def test_words_that_mean_nothing_are_refused_in_one_sentence(wallets: Ledger, words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence.replace("(", r"\(")):
        run(*words)
    assert not Reconstruction.objects.exists()


def test_a_name_that_two_ledgers_bear_is_refused_with_their_ids(wallets: Ledger) -> None:
    other = world.ledger("Wallets")
    with pytest.raises(CommandError, match=other.ledger_id):
        run("--ledger", "Wallets")
    assert run("--ledger", other.ledger_id, "--format", "json")[0] == "[]\n"


def test_a_dry_run_reports_every_balance_as_json_and_changes_nothing(wallets: Ledger) -> None:
    before = list(Balance.objects.order_by("pk").values())
    out, err, status = run("--ledger", "Wallets", "--dry-run", "--format", "json")
    rows = {row["indicator"]: row for row in json.loads(out)}
    assert status == 0
    assert len(rows) == 4
    assert rows["@w1"] == {
        "balance_id": rows["@w1"]["balance_id"],
        "indicator": "@w1",
        "ledger_id": wallets.ledger_id,
        "currency": "USD",
        "previous_credit": "93",
        "previous_debit": "0",
        "previous_balance": "93",
        "previous_inflight_credit": "0",
        "previous_inflight_debit": "7",
        "previous_inflight_balance": "-7",
        "recalculated_credit": "100",
        "recalculated_debit": "0",
        "recalculated_balance": "100",
        "recalculated_inflight_credit": "0",
        "recalculated_inflight_debit": "0",
        "recalculated_inflight_balance": "0",
        "difference": "7",
        "inflight_difference": "7",
        "outcome": "previewed",
        "why_not": "",
    }
    assert rows["@w2"]["outcome"] == "no_drift"
    assert list(Balance.objects.order_by("pk").values()) == before
    assert "4 balances measured, 3 with drift, nothing changed (dry run)" in err
    assert Reconstruction.objects.filter(dry_run=True).count() == 3


def test_a_run_corrects_with_its_reason_leaves_empty_ones_and_says_so(wallets: Ledger, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    out, err, status = run("--ledger", "Wallets", "--reason", "month end", "--format", "csv", "--output", str(report))
    assert (out, status) == ("", 3)
    rows = {row["indicator"]: row["outcome"] for row in csv.DictReader(io.StringIO(report.read_text()))}
    assert rows == {"'@w0": "corrected", "'@w1": "corrected", "'@w2": "no_drift", "'@w3": "refused"}
    assert "2 corrected" in err
    assert "Use --allow-empty to" in err
    assert set(Reconstruction.objects.values_list("reason", "origin")) == {("month end", "command")}
    assert Balance.objects.get(indicator="@w3").balance == 900

    assert run("--ledger", "Wallets", "--check")[2] == 3
    assert run("--ledger", "Wallets", "--allow-empty")[2] == 0
    assert run("--all", "--check")[2] == 0
    assert Balance.objects.get(indicator="@w3").balance == 0


def test_check_only_looks(wallets: Ledger) -> None:
    before = list(Balance.objects.order_by("pk").values())
    assert run("--all", "--check")[2] == 3
    assert list(Balance.objects.order_by("pk").values()) == before


def test_the_table_shows_what_drifted_and_nothing_else(wallets: Ledger) -> None:
    out, _, _ = run("--all", "--dry-run")
    assert "@w0" in out
    assert "@w1" in out
    assert "@w2" not in out


def test_a_balance_named_by_itself_leaves_a_record_even_without_drift(wallets: Ledger) -> None:
    right = Balance.objects.get(indicator="@w2")
    assert run(right.pk)[2] == 0
    assert run("--indicator", "@w2", "--currency", "USD", "--dry-run")[2] == 0
    assert set(Reconstruction.objects.values_list("balance_id", "outcome")) == {(right.pk, "no_drift")}
    assert Reconstruction.objects.count() == 2


def test_names_that_look_like_markup_are_printed_as_they_are(wallets: Ledger) -> None:
    for name in ("@[/x]", "@[bold]y", "@\x1b[31mz"):
        balance = world.balance(wallets, indicator=name)
        world.post("@world", balance, 100)
        world.drift(balance, credit=1)
    out, _, status = run("--all", "--dry-run")
    assert status == 0
    assert "@[/x]" in out
    assert "@[bold]y" in out
    assert "\x1b" not in out


def test_no_balances_at_all_are_a_header_in_csv() -> None:
    assert run("--all", "--format", "csv")[0].startswith("balance_id,indicator,")


def test_an_interrupted_run_says_how_far_it_came(wallets: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Report, "write", interrupted)
    with pytest.raises(CommandError, match=r"Interrupted\. 0 balances are done") as stopped:
        run("--all")
    assert stopped.value.returncode == 130


def test_a_reader_that_went_away_is_told_in_one_sentence(wallets: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(Report, "write", broken)
    with pytest.raises(CommandError, match="Cannot write the report: Broken pipe"):
        run("--all")


def test_an_argument_that_is_no_text_is_refused() -> None:
    with pytest.raises(CommandError, match="not text in UTF-8"):
        run("bln_\udcff")


def test_an_account_without_a_name_is_recorded_by_its_number(wallets: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless(uid: int) -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("pwd.getpwuid", nameless)
    run("--ledger", "Wallets")
    assert Reconstruction.objects.values_list("actor", flat=True)[0].startswith("uid ")
