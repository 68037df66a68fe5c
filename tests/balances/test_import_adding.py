"""Rows that go into a ledger that exists, totals that follow from rows, and balances that files state."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction

from balances.importing import Imported, ImportRefused, ImportRequest, Style, import_ledger
from balances.models import Balance, Ledger, Transaction
from balances.posting import open_balance
from reconciliation.measuring.measurement import measure
from reconciliation.models import BalanceEdit
from tests import world
from tests.balances.test_importing import BALANCES, ROW, TRANSACTION_HEADER, TRANSACTIONS, Files, balance, contents

pytestmark = pytest.mark.django_db


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def from_rows(files: Files, transactions: str = TRANSACTIONS, balances: str = "", **options: Any) -> Imported:
    files.write(balances or "-", transactions)
    return files.load(**({"balances": files.balances if balances else None, "from_rows": True} | options))


def append(files: Files, transactions: str, **options: Any) -> Imported:
    return from_rows(files, transactions, **({"append": True} | options))


def refused(files: Files, *arguments: Any, call: Any = append, **options: Any) -> str:
    """Return why an import was refused, after a look at whether anything was written."""
    before = contents()
    with pytest.raises(ImportRefused) as refusal:
        call(files, *arguments, **options)
    assert contents() == before
    return str(refusal.value).replace(str(files.balances), "{b}").replace(str(files.transactions), "{t}")


def drifts() -> list[str]:
    return [one.balance_id for one in measure(list(Balance.objects.values_list("pk", flat=True))) if one.has_drift]


def rows(*lines: str, header: str = TRANSACTION_HEADER) -> str:
    return "\n".join([header, *lines, ""])


# --- totals from rows


def test_totals_follow_from_the_rows_and_the_balances_that_they_name_are_opened(files: Files) -> None:
    result = from_rows(files)
    assert (result.balances, result.transactions, result.opened) == (2, 2, ("@world (CZK)", "@till (CZK)"))
    till = balance("@till")
    assert (till.credit_balance, till.debit_balance, till.balance, till.version) == (1000, 300, 700, 2)
    assert till.created_at.isoformat() == "2024-01-01T00:00:00+00:00", "created with its first row"
    assert drifts() == []
    assert not BalanceEdit.objects.exists(), "moved by an import, not edited"


def test_totals_from_rows_count_holds_commits_voids_and_queued_rows_as_a_reconstruction_does(files: Files) -> None:
    lines = (
        "commit,@till,@world,60,100,CZK,2024-01-02T00:00:00Z,,APPLIED,hold",
        "hold,@till,@world,300,100,CZK,2024-01-02T00:00:00Z,,INFLIGHT,",
        "hold-2,@world,@till,50,100,CZK,2024-01-02T00:00:00Z,,INFLIGHT,",
        "void-2,@world,@till,50,100,CZK,2024-01-02T00:00:00Z,,VOID,hold-2",
        "queued,@till,@world,7,100,CZK,2024-01-02T00:00:00Z,,QUEUED,",
        "queued_q,@till,@world,7,100,CZK,2024-01-02T00:00:00Z,,APPLIED,queued",
        "held,@till,@world,9,100,CZK,2024-01-02T00:00:00Z,,QUEUED,",
        "held_q,@till,@world,9,100,CZK,2024-01-02T00:00:00Z,,INFLIGHT,held",
        "held-done,@till,@world,9,100,CZK,2024-01-02T00:00:00Z,,APPLIED,held",
        "rejected,@till,@world,7,100,CZK,2024-01-02T00:00:00Z,,REJECTED,",
    )
    from_rows(files, rows(*lines, header=f"{TRANSACTION_HEADER},status,parent"))
    till = balance("@till")
    assert (till.debit_balance, till.inflight_debit_balance, till.inflight_credit_balance) == (76, 240, 0)
    assert drifts() == []


@pytest.mark.parametrize("seed", range(6))
def test_totals_from_random_rows_leave_no_drift(files: Files, seed: int) -> None:
    random = Random(seed)
    lines, parents = [], [""]
    for number in range(120):
        status = random.choice(("APPLIED", "APPLIED", "INFLIGHT", "QUEUED", "VOID", "REJECTED", "SCHEDULED"))
        sides = ",".join(random.sample(("@a", "@b", "@c"), 2))
        parent = random.choice(parents) if random.random() < 0.5 else ""
        line = f"r{number}{random.choice(('', '_q'))},{sides},{random.randrange(1000)},100,CZK,2024-01-02T00:00:00Z,,"
        lines.append(f"{line}{status},{parent}")
        parents.append(line.split(",")[0])
    cut = random.randrange(121)
    header = f"{TRANSACTION_HEADER},status,parent"
    from_rows(files, rows(*lines[:cut], header=header)) if cut else world.ledger("Shop")
    append(files, rows(*lines, header=header))
    assert drifts() == []


def test_rows_from_before_minor_units_move_totals_by_amount_times_precision(files: Files) -> None:
    from_rows(files, TRANSACTIONS.replace("precise_amount", "amount").replace(",1000,", ",10.05,"))
    assert (balance("@till").credit_balance, drifts()) == (1005, [])


def test_stated_totals_are_assertions_where_totals_follow_from_rows(files: Files) -> None:
    result = from_rows(files, balances=BALANCES.replace("1000,300,700", "999,299,700"))
    assert [(str(each), each.holds) for each in result.assertions] == [
        ("fails: @till 700 CZK, and the rows agree, but not on credits and debits (line 2)", False),
        ("holds: @world -700 CZK (line 3)", True),
    ]
    assert balance("@till").credit_balance == 1000


def test_a_balance_without_rows_is_opened_with_zero_totals(files: Files) -> None:
    from_rows(files, balances=f"{BALANCES}@idle,CZK,,,,\n")
    assert balance("@idle").balance == 0


def test_balances_without_any_rows_come_in_alone_with_what_they_state(files: Files) -> None:
    result = files.load(transactions=None)
    assert (result.balances, result.transactions, balance("@till").balance) == (2, 0, 700)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"balances": None, "transactions": None}, "There is no file to import"),
        (
            {"counterpart": "@x"},
            "Format, counterpart, accounts and references are said of bank statements and journals",
        ),
        ({"balances": None}, "Without a file of balances nothing states their totals; use --totals from-rows"),
    ],
)
def test_an_import_needs_files_that_say_enough(files: Files, options: dict[str, Any], sentence: str) -> None:
    files.assert_refused(sentence, **options)


@pytest.mark.parametrize(
    ("balances", "line", "sentence"),
    [
        (
            "",
            "r,@till,bln_x,5,100,CZK,2024-01-02T00:00:00Z,",
            "column destination: 'bln_x' is no balance of this ledger",
        ),
        (
            BALANCES,
            "r,@till,@other,5,100,CZK,2024-01-02T00:00:00Z,",
            "the balances file has no balance '@other' in 'CZK'",
        ),
        (BALANCES + "@till,CZK,,,,\n", ROW, "{b}, line 4, column indicator: '@till' in 'CZK' stands on line 2 already"),
        ("", ROW + "\n" + ROW, "{t}, line 3, column reference: 'out-2' stands on line 2 already"),
        (
            "",
            ROW.replace("100", "1000") + "\n" + ROW.replace("out-2", "x"),
            "line 3, column precision: 100 in 'CZK', but",
        ),
        ("", ROW.replace("out-2", "x" * 5000), "{t}: PostgreSQL refuses it: index row"),
    ],
)
def test_rows_that_make_no_sense_are_refused_by_line(files: Files, balances: str, line: str, sentence: str) -> None:
    noise = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(5000))
    text = rows(*line.replace("x" * 5000, noise).split("\n"))
    assert sentence in refused(files, text, balances, call=from_rows)


def test_an_indicator_of_another_ledger_is_refused_by_name(files: Files) -> None:
    world.balance(currency="CZK", indicator="@world")
    assert (
        refused(files, call=from_rows)
        == "'@world' in 'CZK' exists in another ledger already, and means one balance in all of them"
    )


# --- opening balances

OPENINGS = """\
indicator,currency,opening_balance,balance,created_at
@till,CZK,500,1200,2023-12-31T00:00:00Z
@world,CZK,-200,-900,2023-12-31T00:00:00Z
@idle,CZK,0,0,2023-12-31T00:00:00Z
"""


def test_a_stated_opening_becomes_a_row_from_the_balance_that_is_said(files: Files) -> None:
    style = Style(precisions={"": 100})
    result = from_rows(files, balances=OPENINGS, opening_from="@equity", style=style)
    assert (result.openings, result.balances, result.transactions) == (2, 4, 4)
    assert all(each.holds for each in result.assertions), [str(each) for each in result.assertions]
    opening = Transaction.objects.get(reference="opening of @till in CZK")
    assert (opening.source, opening.destination, opening.precise_amount) == (balance("@equity"), balance("@till"), 500)
    assert Transaction.objects.get(reference="opening of @world in CZK").source == balance("@world")
    assert opening.effective_date == datetime(2023, 12, 31, tzinfo=UTC)
    assert (balance("@equity").balance, drifts()) == (-300, [])


def test_openings_stand_beside_stated_totals_as_well(files: Files) -> None:
    header, *lines = BALANCES.splitlines()
    lines = [
        lines[0].replace("1000,300,700", "1500,300,1200") + ",500",
        lines[1] + ",",
        "@equity,CZK,0,500,-500,2024-01-01T00:00:00Z,",
    ]
    files.write("\n".join([f"{header},opening_balance,precision", *(f"{line},100" for line in lines), ""]))
    result = files.load(opening_from="@equity")
    assert (result.openings, result.transactions, drifts()) == (1, 3, [])


@pytest.mark.parametrize(
    ("balances", "opening_from", "sentence"),
    [
        (
            OPENINGS,
            "",
            "{b}, line 2, column opening_balance: say which balance it comes from, such as --opening-from @equity",
        ),
        (BALANCES, "@equity", "--opening-from needs a file of balances with a column opening_balance"),
        (OPENINGS, "equity", "'equity' is not an indicator such as @world"),
        (OPENINGS.replace("2023-12-31T00:00:00Z", ""), "@e", "{b}, line 2, column created_at: the value is missing"),
    ],
)
def test_an_opening_that_comes_from_nowhere_is_refused(
    files: Files, balances: str, opening_from: str, sentence: str
) -> None:
    style = Style(precisions={"": 100})
    assert refused(files, TRANSACTIONS, balances, call=from_rows, opening_from=opening_from, style=style).startswith(
        sentence
    )


# --- entries of several legs


def test_rows_with_several_legs_are_kept_together(files: Files) -> None:
    lines = [f"{name},@a,@b,5,100,CZK,2024-01-02T00:00:00Z,,{entry}" for name, entry in (("x", 1), ("y", 1), ("z", 2))]
    from_rows(files, rows(*lines, header=f"{TRANSACTION_HEADER},entry"))
    parents = {row.reference: row.parent_transaction for row in Transaction.objects.all()}
    assert parents["x"] == parents["y"] != parents["z"]
    assert all(str(parent).startswith("bulk_") for parent in parents.values())
    assert drifts() == []


def test_a_row_has_a_parent_or_an_entry(files: Files) -> None:
    text = rows(f"{ROW},in-1,7", header=f"{TRANSACTION_HEADER},parent,entry")
    assert "column entry: a row has a parent or belongs to an entry" in refused(files, text, call=from_rows)


# --- a second file


def test_a_second_file_brings_in_what_is_new_and_skips_what_is_in(files: Files) -> None:
    from_rows(files)
    result = append(files, f"{TRANSACTIONS}{ROW}\nnew,@world,@other,40,100,CZK,2024-03-01T00:00:00Z,\n")
    assert (result.transactions, result.skipped, result.balances, result.opened) == (2, 2, 1, ("@other (CZK)",))
    assert (balance("@till").balance, balance("@other").balance, drifts()) == (695, 40, [])
    again = append(files, f"{TRANSACTIONS}{ROW}\n")
    assert (again.transactions, again.skipped) == (0, 3)
    origin: Any = Ledger.objects.get(name="Shop").meta_data
    assert [kind["transactions"]["rows"] for kind in origin["import"]["appended"]] == [2]
    assert origin["import"]["transactions"]["rows"] == 2


def test_a_second_file_leaves_the_drift_that_was_there_as_it_was(files: Files) -> None:
    files.write(BALANCES.replace("1000,300,700", "1100,300,800")).load()
    append(files, rows(ROW))
    assert measure([balance("@till").pk])[0].difference.credit_balance == -100
    assert balance("@till").balance == 795


@pytest.mark.parametrize(
    ("old", "new", "column", "said"),
    [
        (",300,100", ",301,100", "precise_amount", "with '300', not '301'"),
        ("out-1,@till,@world", "out-1,@world,@till", "source", "with '@till', not '@world'"),
        ("2024-01-02T", "2024-01-03T", "effective_date", "with '2024-01-02T00:00:00.000000Z', not '2024-01-03"),
        (",300,100", ",300,1000", "amount", "with '3', not '0.3'"),
        (",300,100,CZK", ",300,100,EUR", "currency", "with 'CZK', not 'EUR'"),
        ("coffee", "tea", "description", "with 'coffee,\\nand cake', not 'tea"),
    ],
)
def test_a_reference_that_is_in_with_other_content_is_refused_and_named(
    files: Files, old: str, new: str, column: str, said: str
) -> None:
    from_rows(files)
    sentence = refused(files, TRANSACTIONS.replace(old, new))
    assert sentence.startswith(f"{{t}}, line 3, column {column}: 'out-1' is in already {said}")


def test_a_reference_of_another_ledger_is_refused(files: Files) -> None:
    alice, bob = world.balance(), world.balance()
    world.post(alice, bob, 1, reference="out-1")
    from_rows(files, rows("first,@till,@world,5,100,CZK,2024-01-02T00:00:00Z,"))
    assert "line 3, column currency: 'out-1' is in already with 'USD', not 'CZK'" in refused(files, TRANSACTIONS)


def test_an_appended_commit_finds_its_hold_by_reference_whoever_wrote_it(files: Files) -> None:
    from_rows(files)
    till, other = balance("@till"), balance("@world")
    world.post(till, other, 200, reference="hold", currency="CZK", inflight=True)
    header = f"{TRANSACTION_HEADER},status,parent"
    append(files, rows("done,@till,@world,80,100,CZK,2024-01-05T00:00:00Z,,APPLIED,hold", header=header))
    till.refresh_from_db()
    assert (till.debit_balance, till.inflight_debit_balance, drifts()) == (380, 120, [])
    assert "column parent: neither the files nor the ledger have 'nothing'" in refused(
        files, rows("done-2,@till,@world,80,100,CZK,2024-01-05T00:00:00Z,,APPLIED,nothing", header=header)
    )


def test_stated_totals_of_a_second_file_are_assertions(files: Files) -> None:
    from_rows(files)
    result = append(files, rows(ROW), balances=BALANCES.replace("1000,300,700", "1000,305,695"))
    assert [each.holds for each in result.assertions] == [True, False]
    assert "@world -700 CZK; the rows say -695, 5 off (line 3)" in str(result.failing[0])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Nowhere", "There is no ledger 'Nowhere' to add to"),
        ("Twice", "Several ledgers are called 'Twice'; give the id of one"),
        ("general_ledger_id", "Ledger 'general_ledger_id' belongs to the product itself; import into another one"),
    ],
)
def test_rows_are_added_to_one_ledger_that_exists(files: Files, name: str, sentence: str) -> None:
    world.ledger("Twice")
    world.ledger("Twice")
    assert refused(files, TRANSACTIONS, name=name) == sentence


def test_a_ledger_can_be_named_by_its_id(files: Files) -> None:
    ledger = world.ledger("Twice")
    append(files, TRANSACTIONS, name=ledger.ledger_id)
    assert ledger.balances.count() == 2


def test_rows_are_not_added_to_a_balance_that_tracks_the_lineage_of_its_funds(files: Files) -> None:
    ledger = world.ledger("Shop")
    identity = open_balance(ledger_id=ledger.ledger_id, currency="CZK", indicator="@till")
    Balance.objects.filter(pk=identity.pk).update(track_fund_lineage=True)
    assert (
        refused(files, TRANSACTIONS) == "Balance '@till' tracks the lineage of its funds, which imported rows have not"
    )


def test_other_precision_than_the_ledger_has_is_refused(files: Files) -> None:
    from_rows(files)
    assert "line 2, column precision: 1000 in 'CZK', but 100 elsewhere" in refused(
        files, rows(ROW.replace("100", "1000"))
    )


def test_a_dry_run_of_a_second_file_writes_nothing(files: Files) -> None:
    from_rows(files)
    before = contents()
    result = append(files, f"{TRANSACTIONS}{ROW}\n", dry_run=True)
    assert (result.dry_run, result.transactions, result.skipped) == (True, 1, 2)
    assert contents() == before


@pytest.mark.django_db(transaction=True)
def test_postings_while_rows_are_added_are_not_lost(files: Files) -> None:
    from_rows(files)
    till, other = balance("@till"), balance("@world")
    stop = threading.Event()

    def post() -> None:
        try:
            while not stop.is_set():
                world.post(till, other, 1, currency="CZK")
        finally:
            connection.close()

    thread = threading.Thread(target=post)
    thread.start()
    try:
        for number in range(3):
            lines = [ROW.replace("out-2", f"n{number}-{each}") for each in range(300)]
            assert append(files, rows(*lines)).transactions == 300
    finally:
        stop.set()
        thread.join()
    assert drifts() == []


@pytest.mark.django_db(transaction=True)
def test_a_balance_that_is_locked_for_long_refuses_the_rows(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balances.importing.adding.LOCK_WAIT", "100ms")
    from_rows(files)
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Balance.objects.locked([balance("@till").pk]).first()
                locked.set()
                done.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert locked.wait(30)
        assert refused(files, rows(ROW)) == "Somebody kept a balance of this import locked; import once more"
    finally:
        done.set()
        thread.join()


# --- balances that files state

ASSERTIONS = """\
indicator,currency,balance,at
@till,CZK,1000,2024-01-01
@till,CZK,1000,2024-01-01T23:59:59Z
@till,CZK,700,2024-01-02T00:00:00Z
@till,CZK,700,
@world,CZK,-1000,2024-01-02
"""


def asserted(files: Files, text: str, **options: Any) -> Imported:
    path = files.balances.parent / "assertions.csv"
    path.write_text(text)
    files.write()
    return files.load(**({"assertions": path, "style": Style(zone="UTC")} | options))


def test_stated_balances_are_checked_after_the_import_and_listed(files: Files) -> None:
    result = asserted(files, ASSERTIONS)
    assert [str(each) for each in result.assertions] == [
        "holds: @till 1000 CZK at 2024-01-01 (line 2)",
        "holds: @till 1000 CZK at 2024-01-01T23:59:59Z (line 3)",
        "holds: @till 700 CZK at 2024-01-02T00:00:00Z (line 4)",
        "holds: @till 700 CZK (line 5)",
        "fails: @world -1000 CZK at 2024-01-02; the rows say -700, 300 off (line 6)",
    ]
    assert Transaction.objects.count() == 2, "an assertion changes no data"


def test_an_assertion_that_fails_can_refuse_the_import(files: Files) -> None:
    with pytest.raises(ImportRefused, match="line 6, column balance: 1 of 5 assertions fail, the first: fails: @world"):
        asserted(files, ASSERTIONS, refuse_failing=True)
    assert not Balance.objects.exists()


def test_the_same_files_again_check_their_assertions_again(files: Files) -> None:
    asserted(files, ASSERTIONS)
    again = asserted(files, ASSERTIONS)
    assert (again.already, len(again.failing)) == (True, 1)


def test_a_day_ends_in_the_time_zone_that_is_said(files: Files) -> None:
    text = "indicator,currency,balance,at\n@till,CZK,{},2024-01-01\n"
    holds = asserted(files, text.format(700), style=Style(zone="America/New_York")).assertions[0].holds
    assert holds, "in New York the first of January lasts until five in the morning of the second, UTC"


def test_assertions_speak_of_subaccounts_tolerances_and_sides(files: Files) -> None:
    text = rows(
        "a,@x,@shop:till,100,100,CZK,2024-01-01T00:00:00Z,",
        "b,@x,@shop:safe,20,100,CZK,2024-01-01T00:00:00Z,",
        "c,@x,@shopping,7,100,CZK,2024-01-01T00:00:00Z,",
    )
    path = files.balances.parent / "assertions.csv"
    path.write_text(
        "indicator,currency,balance,subaccounts,tolerance,credit_balance,debit_balance\n"
        "@shop,CZK,120,yes,,,\n@shop,CZK,0,yes,,,\n@shop:till,CZK,99,no,1,,\n@shop:till,CZK,100,,,100,0\n"
        "@shop:till,CZK,100,,,101,1\n@none,CZK,0,yes,,,\n"
    )
    result = from_rows(files, text, assertions=path)
    assert [each.holds for each in result.assertions] == [True, False, True, True, False, True]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("@till,CZK,x,,", "column balance: 'x' is not a whole number of minor units"),
        ("@till,CZK,,,", "column balance: the value is missing"),
        ("@nobody,CZK,0,,", "column indicator: the balances file has no balance '@nobody' in 'CZK'"),
        ("@till,CZK,0,2024-13-01,", "column at: '2024-13-01' is not a time"),
        ("@till,CZK,0,9999-12-31,", "column at: '9999-12-31' is beyond all dates"),
        ("@till,CZK,0,,maybe", "column subaccounts: 'maybe' is neither yes nor no"),
    ],
)
def test_an_assertion_that_cannot_be_read_is_refused_by_line(files: Files, line: str, sentence: str) -> None:
    with pytest.raises(ImportRefused) as refusal:
        asserted(files, f"indicator,currency,balance,at,subaccounts\n{line}\n")
    assert "assertions.csv, line 2, " in str(refusal.value)
    assert sentence in str(refusal.value)
    assert not Balance.objects.exists()


def test_a_day_without_a_time_zone_is_refused(files: Files) -> None:
    with pytest.raises(ImportRefused, match="'2024-01-01' has no time zone, so its end is not known; use --time-zone"):
        asserted(files, ASSERTIONS, style=Style())


def test_running_balances_of_a_long_statement_are_checked_in_one_statement(
    files: Files, django_assert_num_queries: Any
) -> None:
    lines = [
        ROW.replace("out-2", f"n{each}").replace("02T00:00:00Z", f"02T00:{each // 60:02}:{each % 60:02}Z")
        for each in range(500)
    ]
    path = files.balances.parent / "assertions.csv"
    stated = [f"@till,CZK,{-5 * (each + 1)},2024-01-02T00:{each // 60:02}:{each % 60:02}Z" for each in range(500)]
    path.write_text("\n".join(["indicator,currency,balance,at", *stated, ""]))
    files.write("-", rows(*lines))
    request = ImportRequest(name="Shop", transactions=files.transactions, assertions=path, from_rows=True)
    with django_assert_num_queries(29):
        result = import_ledger(request)
    assert result.failing == []


@pytest.mark.parametrize("subaccounts", ["no", "yes"])
def test_an_assertion_that_names_no_balance_is_refused_or_said_to_name_none(files: Files, subaccounts: str) -> None:
    from_rows(files)
    path = files.balances.parent / "assertions.csv"
    path.write_text(f"indicator,currency,balance,at,subaccounts\n@nobody,CZK,0,,{subaccounts}\n")
    later = rows("later,@till,@world,5,100,CZK,2024-02-02T00:00:00Z,")
    if subaccounts == "yes":
        [said] = append(files, later, assertions=path).assertions
        assert str(said) == "holds: @nobody 0 CZK (names no balance, line 2)"
        return
    why = refused(files, later, assertions=path)
    assert "line 2, column indicator" in why
    assert "no balance '@nobody' in 'CZK'" in why


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("call", [from_rows, append])
def test_voids_without_a_hold_are_said_with_file_line_and_column(files: Files, call: Any, dry_run: bool) -> None:
    if call is append:
        world.ledger("Shop")
    lines = (
        "hold,@till,@world,300,100,CZK,2024-01-02T00:00:00Z,,INFLIGHT,",
        "right,@till,@world,300,100,CZK,2024-01-02T00:00:00Z,,VOID,hold",
        "wrong,@till,@world,50,100,CZK,2024-01-02T00:00:00Z,,VOID,",
    )
    result = call(files, rows(*lines, header=f"{TRANSACTION_HEADER},status,parent"), dry_run=dry_run)
    assert result.notes == (
        f"{files.transactions}, line 4, column status: voids that release no hold: 1, the first is 'wrong'; "
        "the inflight totals that follow from them are too low",
    )
