"""Bank statements and journals: what comes in of them, on which side, and what is refused."""

from __future__ import annotations

import gzip
import io
import random
import sys
from datetime import UTC, date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from beancount.scripts import example

from balances.importing import Imported, ImportRefused, ImportRequest, Style, import_ledger
from balances.importing.readers.legs import JournalEntry, Posting, movements
from balances.importing.readers.reading import Digests, Place
from balances.models import Balance, Transaction
from reconciliation.measuring.measurement import measure
from tests.balances.test_importing import balance, contents

pytestmark = pytest.mark.django_db


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Return what imports texts as files, each in a file of its own."""

    def run(*texts: str | bytes, name: str = "Bank", **options: Any) -> Imported:
        paths = []
        for number, text in enumerate(texts):
            paths.append(tmp_path / f"file-{number}")
            paths[-1].write_bytes(text.encode() if isinstance(text, str) else text)
        return import_ledger(ImportRequest(name=name, statements=tuple(paths), **options))

    return run


def refused(load: Any, *texts: str | bytes, **options: Any) -> str:
    before = contents()
    with pytest.raises(ImportRefused) as refusal:
        load(*texts, **options)
    assert contents() == before
    return str(refusal.value)


def moves() -> list[tuple[str, str, int, str]]:
    """Return the rows as source, destination, minor units and currency, by date and reference."""
    rows = Transaction.objects.order_by("effective_date", "reference").select_related("source", "destination")
    return [
        (
            str(row.source and row.source.indicator),
            str(row.destination and row.destination.indicator),
            int(row.precise_amount or 0),
            str(row.currency),
        )
        for row in rows
    ]


def drifts() -> list[str]:
    return [one.balance_id for one in measure(list(Balance.objects.values_list("pk", flat=True))) if one.has_drift]


# --- CAMT.053

ACCOUNT = "DE89370400440532013000"


def entry(amount: str, mark: str = "CRDT", day: str = "2024-02-01", ident: str = "", extra: str = "") -> str:
    reference = f"<AcctSvcrRef>{ident}</AcctSvcrRef>" if ident else ""
    return (
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{mark}</CdtDbtInd><Sts>BOOK</Sts>'
        f"<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>2024-02-03</Dt></ValDt>{reference}{extra}</Ntry>"
    )


def figure(kind: str, amount: str, day: str, mark: str = "CRDT", currency: str = "EUR") -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy="{currency}">{amount}</Amt>'
        f"<CdtDbtInd>{mark}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def statement(*content: str, account: str = ACCOUNT) -> str:
    return f"<Stmt><Id>1</Id><Acct><Id><IBAN>{account}</IBAN></Id></Acct>\n{chr(10).join(content)}\n</Stmt>"


def camt(*statements: str, version: str = "02") -> str:
    inner = "\n".join(statements)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}">'
        f"<BkToCstmrStmt><GrpHdr><MsgId>m</MsgId></GrpHdr>\n{inner}\n</BkToCstmrStmt></Document>"
    )


FEBRUARY = statement(
    figure("OPBD", "100.00", "2024-02-01"),
    figure("CLBD", "127.50", "2024-02-02"),
    entry("50.00", ident="A1"),
    entry("22.50", "DBIT", "2024-02-02", "A2", "<AddtlNtryInf>Coffee</AddtlNtryInf>"),
)


@pytest.mark.parametrize("version", ["02", "04", "08", "12"])
def test_each_entry_of_a_camt_statement_moves_money_between_the_account_and_a_counterpart(
    load: Any, version: str
) -> None:
    result = load(camt(FEBRUARY, version=version))
    assert moves() == [
        (f"@{ACCOUNT}-external", f"@{ACCOUNT}", 5000, "EUR"),
        (f"@{ACCOUNT}-opening", f"@{ACCOUNT}", 10_000, "EUR"),
        (f"@{ACCOUNT}", f"@{ACCOUNT}-external", 2250, "EUR"),
    ]
    assert (result.openings, result.transactions, result.balances, drifts()) == (1, 3, 3, [])
    assert [str(each) for each in result.assertions] == [f"holds: @{ACCOUNT} 127.5 EUR at 2024-02-02 (line 5)"]
    row = Transaction.objects.get(reference=f"{ACCOUNT}:A2")
    assert (row.description, row.meta_data) == ("Coffee", {"value_date": "2024-02-03"})


def test_a_reversal_moves_money_the_way_its_mark_says(load: Any) -> None:
    reversal = "<RvslInd>true</RvslInd>"
    load(camt(statement(entry("50.00", ident="A1"), entry("50.00", "DBIT", ident="A1-R", extra=reversal))))
    account = balance(f"@{ACCOUNT}")
    assert (account.credit_balance, account.debit_balance, account.balance) == (5000, 5000, 0)
    assert Transaction.objects.get(reference=f"{ACCOUNT}:A1-R").meta_data["reversal"] == "true"  # type: ignore[index]


@pytest.mark.parametrize("each", ["10.00", "30.00"])
def test_a_batch_booking_is_one_movement_of_its_total_whatever_its_lines_say(load: Any, each: str) -> None:
    line = f'<TxDtls><Amt Ccy="EUR">{each}</Amt><CdtDbtInd>CRDT</CdtDbtInd></TxDtls>'
    load(camt(statement(entry("30.00", ident="lot", extra=f"<NtryDtls>{line * 3}</NtryDtls>"))))
    assert balance(f"@{ACCOUNT}").balance == 3000
    assert Transaction.objects.get().meta_data["batch"] == "3"  # type: ignore[index]


def test_entries_that_are_not_booked_are_left_out_and_counted(load: Any) -> None:
    pending = entry("9.00").replace("<Sts>BOOK</Sts>", "<Sts><Cd>PDNG</Cd></Sts>")
    result = load(camt(statement(entry("50.00"), pending)))
    assert result.transactions == 1
    assert "1 entries of @DE89370400440532013000 are not booked yet and were left out" in result.notes[0]


def test_currencies_of_one_account_are_balances_of_their_own(load: Any) -> None:
    yen = entry("5000").replace("EUR", "JPY")
    result = load(
        camt(
            statement(
                figure("CLBD", "50.00", "2024-02-01"),
                figure("CLBD", "5000", "2024-02-01", currency="JPY"),
                entry("50.00"),
                yen,
            )
        )
    )
    rows = {
        row.currency: (int(row.balance), row.credits.get().precision)
        for row in Balance.objects.filter(indicator=f"@{ACCOUNT}")
    }
    assert rows == {"EUR": (5000, 100), "JPY": (5000, 1)}
    assert result.failing == []


def test_the_next_statement_is_appended_and_what_overlaps_is_skipped(load: Any) -> None:
    load(camt(FEBRUARY))
    march = statement(
        figure("OPBD", "127.50", "2024-02-02"),
        figure("CLBD", "137.50", "2024-03-01"),
        entry("22.50", "DBIT", "2024-02-02", "A2", "<AddtlNtryInf>Coffee</AddtlNtryInf>"),
        entry("10.00", day="2024-03-01", ident="A3"),
    )
    result = load(camt(march), append=True)
    assert (result.transactions, result.skipped, result.openings, result.failing) == (1, 1, 0, [])
    assert balance(f"@{ACCOUNT}").balance == 13_750
    changed = march.replace("22.50", "22.51")
    assert "column source" not in (said := refused(load, camt(changed), append=True))
    assert f"column precise_amount: '{ACCOUNT}:A2' is in already with '2250', not '2251'" in said


def test_a_statement_that_is_missing_in_between_makes_an_assertion_fail(load: Any) -> None:
    load(camt(FEBRUARY))
    april = statement(figure("CLBD", "500.00", "2024-04-01"), entry("10.00", day="2024-04-01"))
    result = load(camt(april), append=True)
    assert [str(each) for each in result.failing] == [
        f"fails: @{ACCOUNT} 500 EUR at 2024-04-01; the rows say 137.5, -362.5 off (line 4)"
    ]


def test_several_statements_at_once_have_one_opening_and_each_entry_once(load: Any) -> None:
    later = statement(
        figure("OPBD", "127.50", "2024-02-02"),
        figure("CLBD", "120.00", "2024-02-02"),
        entry("22.50", "DBIT", "2024-02-02", "A2", "<AddtlNtryInf>Coffee</AddtlNtryInf>"),
        entry("7.50", "DBIT", "2024-02-02", "A3"),
    )
    result = load(camt(FEBRUARY), camt(later))
    assert (result.openings, result.transactions, result.skipped) == (1, 4, 1)
    assert [str(each) for each in result.assertions] == [f"holds: @{ACCOUNT} 120 EUR at 2024-02-02 (line 5)"]


def test_entries_without_an_id_are_told_apart_by_a_stable_digest_and_a_number(load: Any) -> None:
    twins = statement(entry("5.00"), entry("5.00"), entry("6.00"))
    load(camt(twins))
    result = load(camt(statement(entry("5.00"), entry("5.00"), entry("5.00"), entry("6.00"))), append=True)
    assert (result.transactions, result.skipped, balance(f"@{ACCOUNT}").balance) == (1, 3, 2100)


def test_one_id_for_two_entries_is_refused_and_digests_help(load: Any) -> None:
    text = camt(statement(entry("5.00", ident="X"), entry("6.00", ident="X")))
    assert f"column reference: '{ACCOUNT}:X' stands on line 4 already" in refused(load, text)
    assert load(text, digests=True).transactions == 2


def test_accounts_counterparts_and_openings_go_by_the_names_that_are_said(load: Any) -> None:
    load(camt(FEBRUARY), accounts={ACCOUNT: "@giro"}, counterpart="@world", opening_from="@equity")
    assert {str(each.indicator) for each in Balance.objects.all()} == {"@giro", "@world", "@equity"}


def test_days_begin_in_the_time_zone_that_is_said(load: Any) -> None:
    result = load(camt(FEBRUARY), style=Style(zone="Europe/Berlin"))
    row = Transaction.objects.get(reference=f"{ACCOUNT}:A1")
    assert row.effective_date is not None
    assert row.effective_date.astimezone(UTC).isoformat() == "2024-01-31T23:00:00+00:00"
    assert result.failing == []


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]><x>camt.053 &d;</x>'
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (BOMB, "declares a document type, which a bank statement does not; it is not read"),
        (BOMB.replace('"lol"', 'SYSTEM "file:///etc/passwd"'), "declares a document type"),
        (camt(FEBRUARY)[:400], "line 5: this is not XML"),
        (camt(), "holds no camt.053 statement"),
        (
            camt(FEBRUARY).replace("BkToCstmrStmt", "BkToCstmrAcctRpt"),
            "holds no camt.053 statement but BkToCstmrAcctRpt",
        ),
        (camt(statement(entry("5.001"))), "line 4: 5.001 EUR has a fraction of a minor unit at precision 100"),
        (camt(statement(entry("5,00"))), "line 4: '5,00' is not an amount such as 12.50"),
        (camt(statement(entry("1e3"))), "'1e3' is not an amount"),
        (camt(statement(entry("5.00", "XXXX"))), "line 4: 'XXXX' is neither CRDT nor DBIT"),
        (camt(statement(entry("5.00", day="01.02.2024"))), "line 4: '01.02.2024' is not a date"),
        (camt(statement(entry("5.00").replace(' Ccy="EUR"', ""))), "line 4: the amount has no currency"),
        (camt(statement(entry("5.00"), account="")), "line 3: the statement names no account"),
        (camt(FEBRUARY).encode("utf-16"), None),
    ],
)
def test_a_camt_file_that_cannot_be_trusted_is_refused_by_line(
    load: Any, text: str | bytes, sentence: str | None
) -> None:
    if sentence is None:  # XML says its encoding itself
        text = text.decode("utf-16").replace("UTF-8", "UTF-16").encode("utf-16")  # type: ignore[union-attr]
        assert load(text, format="camt053").transactions == 3
    else:
        assert sentence in refused(load, text)


# --- MT940


def mt940(
    *entries: str,
    opening: str = "C240131EUR100,00",
    closing: str = "C240202EUR127,50",
    account: str = "10020030/1234567",
) -> str:
    lines = [":20:STARTUMS", f":25:{account}", ":28C:1/1", f":60F:{opening}", *entries, f":62F:{closing}", "-"]
    return "\r\n".join(lines) + "\r\n"


MT_IN = ":61:2402010201C50,00NTRFNONREF//B1\r\n:86:Salary"
MT_OUT = ":61:2402020202D22,50NTRFNONREF//B2\r\n:86:Coffee"
GIRO = "@10020030-1234567"


def test_an_mt940_statement_comes_in_with_opening_and_closing_balance(load: Any) -> None:
    result = load(mt940(MT_IN, MT_OUT))
    assert moves() == [
        (f"{GIRO}-opening", GIRO, 10_000, "EUR"),
        (f"{GIRO}-external", GIRO, 5000, "EUR"),
        (GIRO, f"{GIRO}-external", 2250, "EUR"),
    ]
    assert [str(each) for each in result.assertions] == [f"holds: {GIRO} 127.5 EUR at 2024-02-02 (line 9)"]
    row = Transaction.objects.get(description="Coffee")
    assert row.meta_data == {"value_date": "2024-02-02", "customer_reference": "NONREF", "bank_reference": "B2"}
    assert drifts() == []


@pytest.mark.parametrize(("mark", "net"), [("C", 5000), ("D", -5000), ("RC", -5000), ("RD", 5000)])
def test_reversals_in_mt940_move_money_back(load: Any, mark: str, net: int) -> None:
    load(mt940(f":61:2402010201{mark}50,00NTRFNONREF"))
    assert balance(GIRO).balance == 10_000 + net


def test_an_overdrawn_opening_comes_out_of_the_account(load: Any) -> None:
    result = load(mt940(MT_IN, opening="D240131EUR30,00", closing="C240201EUR20,00"))
    assert (balance(GIRO).balance, balance(f"{GIRO}-opening").balance, result.failing) == (2000, 3000, [])


def test_several_mt940_statements_in_one_file_follow_each_other(load: Any) -> None:
    second = mt940(":61:2402030203C1,00NTRFNONREF", opening="C240202EUR127,50", closing="C240203EUR128,50")
    result = load(mt940(MT_IN, MT_OUT) + second)
    assert (result.transactions, result.openings, len(result.assertions), result.failing) == (4, 1, 2, [])
    again = load(second, append=True)
    assert (again.transactions, again.skipped) == (0, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (mt940(":61:nonsense"), "line 1: this statement is not MT940: 'nonsense'"),
        (":20:X\n:25:1\n" + MT_IN, "line 1: the statement states no balances; interim reports (MT942) are not read"),
        (
            mt940(":61:2402010201C50,00\r\n:86:x\r\n:61:2402010201C60,00\r\n:86:y"),
            "line 1: 2 lines begin with :61: and 1 of",
        ),
        (mt940(MT_IN).replace(":25:", ":26:"), "file-0"),
        (mt940(":61:2402010201C50,001NTRFNONREF"), "line 5: 50.001 EUR has a fraction of a minor unit"),
        (
            mt940(MT_IN.replace("Salary", "Café")).encode("cp1252"),
            "line 6: byte 0xe9 is not UTF-8; is this Windows-1252?",
        ),
        (mt940(MT_IN).encode("utf-16"), "use --format camt053|mt940"),
    ],
)
def test_an_mt940_file_that_cannot_be_understood_is_refused_by_line(
    load: Any, text: str | bytes, sentence: str
) -> None:
    assert sentence in refused(load, text)


def test_an_mt940_file_in_an_old_encoding_is_read_as_it_is_said(load: Any) -> None:
    load(mt940(MT_IN.replace("Salary", "Café")).encode("cp1252"), style=Style(encoding="cp1252"))
    assert Transaction.objects.filter(description="Café").exists()


# --- OFX


def ofx(*entries: str, closing: str = "27.50", number: str = "999988") -> str:
    return (
        "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nSECURITY:NONE\nENCODING:USASCII\nCHARSET:1252\nCOMPRESSION:NONE\n"
        "OLDFILEUID:NONE\nNEWFILEUID:NONE\n\n<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS>"
        "<DTSERVER>20240202<LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1><BANKMSGSRSV1><STMTTRNRS><TRNUID>1"
        "<STATUS><CODE>0<SEVERITY>INFO</STATUS><STMTRS><CURDEF>USD<BANKACCTFROM><BANKID>1<ACCTID>"
        f"{number}<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST><DTSTART>20240201<DTEND>20240202\n"
        + "\n".join(entries)
        + f"\n</BANKTRANLIST><LEDGERBAL><BALAMT>{closing}<DTASOF>20240202</LEDGERBAL></STMTRS></STMTTRNRS>"
        "</BANKMSGSRSV1></OFX>\n"
    )


def ofx_entry(amount: str, ident: str, name: str = "Shop", day: str = "20240201") -> str:
    return f"<STMTTRN><TRNTYPE>OTHER<DTPOSTED>{day}<TRNAMT>{amount}<FITID>{ident}<NAME>{name}</STMTTRN>"


def test_an_ofx_statement_comes_in_by_the_ids_of_the_bank(load: Any) -> None:
    result = load(ofx(ofx_entry("50.00", "F1"), ofx_entry("-22.50", "F2", day="20240202")))
    assert moves() == [("@999988-external", "@999988", 5000, "USD"), ("@999988", "@999988-external", 2250, "USD")]
    assert [(each.holds, each.stated.record.line) for each in result.assertions] == [(True, 14)]
    assert Transaction.objects.get(reference="999988:F2").description == "Shop"
    again = load(ofx(ofx_entry("-22.50", "F2", day="20240202"), ofx_entry("1.00", "F3"), closing="28.50"), append=True)
    assert (again.transactions, again.skipped, again.failing, drifts()) == (1, 1, [], [])


def test_an_opening_that_ofx_does_not_state_shows_as_an_assertion_that_is_off_by_it(load: Any) -> None:
    result = load(ofx(ofx_entry("50.00", "F1"), closing="150.00"))
    assert "the rows say 50, -100 off" in str(result.failing[0])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ofx(ofx_entry("5.001", "F1")), "line 12: 5.001 USD has a fraction of a minor unit at precision 100"),
        (ofx(ofx_entry("many", "F1")), "this is not OFX"),
        (ofx(ofx_entry("5.00", "F1"))[:600], "this is not OFX"),
        (ofx().replace("<OFX>", "<!DOCTYPE x><OFX>"), "declares a document type"),
        (
            ofx(ofx_entry("5.00", "F1"), ofx_entry("6.00", "F1")),
            "column reference: '999988:F1' stands on line 12 already",
        ),
    ],
)
def test_an_ofx_file_that_cannot_be_understood_is_refused(load: Any, text: str, sentence: str) -> None:
    assert sentence in refused(load, text)


# --- Beancount

JOURNAL = """\
option "title" "Test"
2024-01-01 open Assets:Bank
2024-01-01 open Assets:Shares
2024-01-01 open Income:Work
2024-01-01 open Expenses:Tax:State
2024-01-01 open Expenses:Food
2024-01-01 open Equity:Opening

2024-01-01 * "Opening"
  Assets:Bank        100.00 USD
  Equity:Opening

2024-01-15 * "Employer" "Salary"
  Assets:Bank        80.00 USD
  Expenses:Tax:State 20.00 USD
  Income:Work     -100.00 USD

2024-01-16 balance Assets:Bank 180.00 USD
2024-01-16 balance Expenses:Tax 20.00 USD

2024-01-20 * "Buy"
  Assets:Shares      1.5 SHR {40.00 USD}
  Assets:Bank      -60.00 USD

2024-01-21 balance Assets:Shares 1.5 SHR
2024-01-21 balance Assets:Bank 119.99 USD
2024-01-22 balance Assets:Bank 999.00 USD
"""


def test_a_beancount_journal_comes_in_by_one_call_and_its_balances_are_checked(load: Any) -> None:
    result = load(JOURNAL)
    assert moves() == [
        ("@Equity:Opening", "@Assets:Bank", 10_000, "USD"),
        ("@Income:Work", "@Assets:Bank", 8000, "USD"),
        ("@Income:Work", "@Expenses:Tax:State", 2000, "USD"),
        *sorted(
            [
                ("@Equity:Conversions", "@Assets:Shares", 150, "SHR"),
                ("@Assets:Bank", "@Equity:Conversions", 6000, "USD"),
            ],
            key=lambda move: Transaction.objects.get(currency=move[3], precise_amount=move[2]).reference or "",
        ),
    ]
    assert [each.holds for each in result.assertions] == [True, True, True, True, False]
    salary = Transaction.objects.filter(description="Employer | Salary")
    assert len({row.parent_transaction for row in salary}) == 1, "legs of an entry belong together"
    assert drifts() == []


def test_a_journal_that_has_grown_is_appended(load: Any) -> None:
    load(JOURNAL)
    more = '2024-02-01 * "Lunch"\n  Expenses:Food  9.50 USD\n  Assets:Bank\n2024-02-02 balance Assets:Bank 110.50 USD\n'
    result = load(JOURNAL + more, append=True)
    assert (result.transactions, result.skipped) == (1, 5)
    assert len(result.failing) == 1
    assert balance("@Assets:Bank").balance == 11_050


def test_padding_and_equal_entries_come_in_each(load: Any) -> None:
    text = JOURNAL + "2024-03-01 pad Assets:Bank Equity:Opening\n2024-03-02 balance Assets:Bank 500.00 USD\n"
    text += '2024-03-03 * "Bun"\n  Expenses:Food  1.00 USD\n  Assets:Bank\n' * 2
    result = load(text)
    assert (balance("@Assets:Bank").balance, balance("@Expenses:Food").balance) == (49_800, 200)
    assert [each.holds for each in result.assertions][-1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (JOURNAL + "nonsense\n", "line 28: Invalid token: 'nonsense'"),
        (JOURNAL.replace("Income:Work     -100.00", "Income:Work     -99.00"), "line 13: Transaction does not balance"),
        (JOURNAL + 'plugin "os"\n', "plugin 'os' may change entries, and no plugin is run"),
        (
            JOURNAL + 'plugin "beancount.plugins.split_expenses"\n',
            "plugin 'beancount.plugins.split_expenses' may change",
        ),
        (JOURNAL + 'include "other.beancount"\n', "it includes 'other.beancount', which is not there"),
        (JOURNAL.replace("60.00 USD", "60.001 USD", 1), "line "),
    ],
)
def test_a_journal_that_cannot_be_booked_is_refused_by_line(load: Any, text: str, sentence: str) -> None:
    assert sentence in refused(load, text)


def test_a_journal_may_include_others_from_the_shell_and_not_when_it_was_uploaded(load: Any, tmp_path: Path) -> None:
    (tmp_path / "more").write_text('2024-02-01 * "Lunch"\n  Expenses:Food  9.50 USD\n  Assets:Bank\n')
    text = JOURNAL + 'include "more"\ninclude "mor?"\n'
    assert load(text, dry_run=True).transactions == 6
    assert "it includes 'more'; an uploaded journal is one file" in refused(load, text, is_trusted=False)


def test_a_fraction_of_a_minor_unit_needs_a_precision(load: Any) -> None:
    text = (
        JOURNAL.replace("Expenses:Food", "Expenses:Drink", 1)
        + '2024-02-01 * "x"\n  Expenses:Tax  0.125 USD\n  Assets:Bank\n'
    )
    assert load(text, dry_run=True).tally.moved.keys() == {("USD", 1000), ("SHR", 100)}
    assert "0.125 USD has a fraction of a minor unit at precision 100; use --precision USD=1000" in refused(
        load, text, style=Style(precisions={"USD": 100})
    )


def test_the_example_of_beancount_comes_in_without_drift_and_all_its_balances_hold(load: Any) -> None:
    result = load(_example())
    assert result.transactions > 1500
    assert len(result.assertions) > 80
    assert result.failing == []
    assert drifts() == []


def _example() -> str:
    random.seed(0)
    out = io.StringIO()
    example.write_example_file(date(1980, 5, 12), date(2024, 1, 1), date(2026, 11, 30), True, out)
    return out.getvalue()


# --- hledger and Ledger

HLEDGER = (
    '"txnidx","date","date2","status","code","description","comment","account","amount","commodity","credit","debit",'
    '"posting-status","posting-comment"\n'
)


def posting(number: int, account: str, amount: str, commodity: str = "EUR", day: str = "2024-01-01") -> str:
    return f'"{number}","{day}","","*","","text {number}","","{account}","{amount}","{commodity}","","","",""\n'


def test_the_csv_of_hledger_comes_in_entry_by_entry(load: Any) -> None:
    result = load(
        HLEDGER
        + posting(1, "assets:my bank", "100.00")
        + posting(1, "equity", "-100.00")
        + posting(2, "expenses:food", "7.25", day="2024-01-02")
        + posting(2, "assets:my bank", "-7.25", day="2024-01-02")
        + posting(3, "assets:my bank", "-10.00", day="2024-01-03")
        + posting(3, "assets:usd", "11.00", "USD", "2024-01-03")
    )
    assert (result.transactions, result.balances) == (4, 6)
    assert balance("@assets:my-bank").balance == 8275
    assert balance("@assets:usd").balance == 1100
    assert drifts() == []


def test_amounts_of_a_journal_are_read_as_the_options_say(load: Any) -> None:
    text = HLEDGER + posting(1, "a", "1.000,50") + posting(1, "b", "-1.000,50")
    load(text, style=Style(decimal=",", thousands="."))
    assert balance("@a").balance == 100_050


def test_the_csv_of_ledger_has_no_numbers_and_ends_an_entry_where_it_sums_to_zero(load: Any) -> None:
    def line(account: str, amount: str, payee: str = "KFC") -> str:
        return f'"2012/03/01","","{payee}","{account}","$","{amount}","*",""\n'

    text = line("Food", "10") + line("Cash", "-10") + line("Food", "10") + line("Cash", "-4") + line("Bank", "-6")
    assert load(text, format="hledger").transactions == 3
    assert "the entry that begins here does not sum to zero: 1 $ are left" in refused(
        load, text + line("Food", "1", "Odd"), format="hledger", name="Other"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            HLEDGER + posting(1, "a", "1,000.00"),
            "line 2: '1,000.00' is not an amount such as 12.50; thousands separated by ','? use --thousands ,",
        ),
        (
            HLEDGER + posting(1, "a", "1.00") + posting(1, "b", "-1.01"),
            "line 2: the entry that begins here does not sum",
        ),
        (HLEDGER + posting(1, "a b", "1") + posting(1, "a-b", "-1"), "line 3: 'a-b' and 'a b' would both be @a-b"),
        (HLEDGER + posting(1, "a", "1", ""), "line 2: the commodity is missing"),
        (HLEDGER + posting(1, "", "1"), "line 2: the account is missing"),
        (HLEDGER + posting(1, "a", "1", day="2024-02-30"), "line 2: '2024-02-30' is not a date"),
        (HLEDGER + '"1","2024-01-01"\n', "line 2: 2 fields where the header has 14"),
        (HLEDGER.replace('"account",', ""), "line 1: column account is missing"),
        (HLEDGER, "holds no postings"),
        (HLEDGER + '"1', "this is not CSV"),
    ],
)
def test_a_line_of_a_journal_that_makes_no_sense_is_refused(load: Any, text: str, sentence: str) -> None:
    assert sentence in refused(load, text)


# --- all of them


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("hello", "its beginning does not show what it is; use --format camt053|mt940|ofx|beancount|hledger"),
        (gzip.compress(camt(FEBRUARY).encode(), mtime=0)[:100], "ends too early: the gzip file is not whole"),
    ],
)
def test_a_file_of_no_known_format_is_refused(load: Any, text: str | bytes, sentence: str) -> None:
    assert sentence in refused(load, text)


def test_a_packed_statement_is_unpacked(load: Any) -> None:
    assert load(gzip.compress(camt(FEBRUARY).encode())).transactions == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"format": "excel"}, "'excel' is not a format: camt053, mt940, ofx, beancount, hledger"),
        ({"counterpart": "world"}, "'world' is not an indicator such as @world"),
        ({"balances": Path("x")}, "Statements and journals come in alone"),
        ({"accounts": {"DE1": "@giro"}}, "No statement is of account 'DE1'"),
        ({"counterpart": f"@{ACCOUNT}"}, "column destination: source and destination are one balance"),
        ({"style": Style(zone="UTC"), "append": True}, "There is no ledger 'Bank' to add to"),
    ],
)
def test_options_that_make_no_sense_are_refused(load: Any, options: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(load, camt(FEBRUARY), **options)


@pytest.mark.parametrize(
    ("module", "text", "sentence"),
    [
        ("lxml", camt(FEBRUARY), "CAMT.053 needs lxml; install the extra camt: uv sync --extra camt"),
        ("mt940", mt940(MT_IN), "MT940 needs mt-940; install the extra mt940"),
        ("ofxtools.Parser", ofx(), "OFX needs ofxtools; install the extra ofx"),
        ("beancount.core", JOURNAL, "Beancount journals need beancount; install the extra beancount"),
    ],
)
def test_a_library_that_is_not_installed_is_named(
    load: Any, monkeypatch: pytest.MonkeyPatch, module: str, text: str, sentence: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert sentence in refused(load, text)


def test_amounts_of_forty_digits_stay_exact_through_every_reader(load: Any) -> None:
    huge = "1234567890" * 4
    load(camt(statement(entry(f"{huge}.01", "DBIT"))))
    assert balance(f"@{ACCOUNT}").balance == -int(f"{huge}01")
    load(HLEDGER + posting(1, "a", f"{huge}.01") + posting(1, "b", f"-{huge}.01"), name="Journal")
    assert balance("@a").balance == int(f"{huge}01")


@pytest.mark.parametrize("seed", range(5))
def test_the_movements_of_an_entry_give_each_account_what_the_entry_says(seed: int) -> None:
    chance = Random(seed)
    accounts = [f"A{number}" for number in range(6)]
    postings = [
        Posting(chance.choice(accounts), chance.choice(("EUR", "USD")), Decimal(chance.randrange(-500, 500)))
        for _ in range(9)
    ]
    place = Place(Path("x"), 1)
    journal = JournalEntry(place=place, reference="r", day=date(2024, 1, 1), description="", postings=postings)
    found: dict[tuple[str, str], int] = {}
    for record in movements(journal, {"EUR": 1, "USD": 1}, ""):
        assert record.text("source") != record.text("destination")
        units = int(record.text("precise_amount"))
        assert units > 0
        for side, sign in (("source", -1), ("destination", 1)):
            key = record.text(side), record.text("currency")
            found[key] = found.get(key, 0) + sign * units
    wanted: dict[tuple[str, str], int] = {}
    for each in postings:
        key = f"@{each.account}", each.currency
        wanted[key] = wanted.get(key, 0) + int(each.amount)
    assert {key: units for key, units in found.items() if units and "Conversions" not in key[0]} == {
        key: units for key, units in wanted.items() if units
    }


def test_a_digest_is_the_same_in_each_file_and_counts_equal_contents() -> None:
    first, second = Digests(), Digests()
    assert first.reference("x:", "a", 1) == second.reference("x:", "a", 1)
    assert first.reference("x:", "a", 1) != second.reference("x:", "a1", "")
    assert first.reference("x:", "a", 1).endswith("-3") or first.reference("x:", "a", 1).endswith("-4")
