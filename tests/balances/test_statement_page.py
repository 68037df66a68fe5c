"""The page of a statement: closed to those who may not see it, filters in the address, and the same rows as a file."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.backoffice import exporting, statement
from balances.ground import ReadTimedOut
from balances.models import Balance
from tests import world
from tests.balances.test_exporting import cells
from tests.people import VIEW, signed_in

pytestmark = pytest.mark.django_db
DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG = int("1234567890" * 4)


def url(balance: Balance | str, kind: str = "") -> str:
    name = f"admin:balances_balance_statement{kind and f'_{kind}'}"
    return reverse(name, args=[balance if isinstance(balance, str) else balance.pk])


def shown(client: Client, balance: Balance, **query: str) -> str:
    answer = client.get(url(balance), query)
    assert answer.status_code == 200
    return answer.content.decode()


def rows(page: str) -> list[list[str]]:
    """Return the texts of the cells of each row."""
    found = re.search(r'id="statement".*?<tbody>(.*?)</tbody>', page, re.S)
    return (
        [
            [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)]
            for row in re.findall(r"<tr>(.*?)</tr>", found[1], re.S)
        ]
        if found
        else []
    )


def exported(client: Client, balance: Balance, **query: str) -> list[dict[str, str]]:
    answer = client.get(url(balance, "csv"), query)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode(), newline="")))


@pytest.fixture
def alice() -> Balance:
    """Return a balance with two credits, a debit and a hold, on four days."""
    alice, bob = world.balance(indicator="@alice"), world.balance(indicator="@bob")
    for days, (status, units, source, destination, text) in enumerate(
        (
            ("APPLIED", 125_034, bob, alice, "Salary"),
            ("APPLIED", 20_000, alice, bob, "Rent"),
            ("INFLIGHT", 5_000, alice, bob, "Hotel"),
            ("APPLIED", 700, bob, alice, "=1+1"),
        )
    ):
        given = {"effective_date": DAY + timedelta(days=days), "reference": f"ref-of-{text}", "description": text}
        world.row(status, units, source, destination, **given)
    return alice


# --- refused


@pytest.mark.parametrize("kind", ["", *exporting.KINDS])
@pytest.mark.parametrize("codenames", [(), ("view_balance",), ("view_transaction",)])
def test_a_statement_is_closed_to_who_may_not_see_balances_and_transactions(
    alice: Balance, kind: str, codenames: tuple[str, ...]
) -> None:
    assert signed_in(*codenames).get(url(alice, kind)).status_code == 403
    assert Client().get(url(alice, kind)).status_code == 302


@pytest.mark.parametrize("missing", ["bln_none", "_5F x'"])
def test_a_balance_that_is_not_there_has_no_statement(missing: str) -> None:
    for kind in ("", *exporting.KINDS):
        assert signed_in(*VIEW).get(url(missing, kind)).status_code == 404


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"amount": "1.250,34"}, "Write an amount as 1,250.34"),
        ({"first": "2026-02-31"}, "Enter a valid date"),
        ({"first": "2026-03-02", "last": "2026-03-01"}, "The period ends before it begins."),
        ({"status": "nothing"}, "Select a valid choice"),
    ],
)
def test_a_filter_that_cannot_be_read_shows_why_and_no_row(alice: Balance, query: dict[str, str], why: str) -> None:
    client = signed_in(*VIEW)
    page = shown(client, alice, **query)
    assert why in page
    assert 'id="statement"' not in page
    assert client.get(url(alice, "csv"), query).status_code == 302


@pytest.mark.parametrize("place", ["after", "before"])
def test_a_page_that_begins_nowhere_is_refused_in_words(alice: Balance, place: str) -> None:
    assert "No page of this statement begins there." in shown(signed_in(*VIEW), alice, **{place: "x"})


def test_what_takes_too_long_is_refused_in_words(alice: Balance, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*given: Any, **named: Any) -> Any:
        raise ReadTimedOut(5)

    monkeypatch.setattr(statement, "statement_page", slow)
    assert "Give a shorter period." in shown(signed_in(*VIEW), alice, text="x")


def test_a_workbook_of_too_many_rows_is_refused_and_csv_is_not(alice: Balance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST_IN_A_WORKBOOK", 2)
    client = signed_in(*VIEW)
    answer = client.get(url(alice, "xlsx"), follow=True)
    assert "more than 2 rows, too many for a workbook" in answer.content.decode()
    assert len(exported(client, alice)) == 3


# --- shown


def test_rows_are_in_major_units_with_the_balance_after_each(alice: Balance) -> None:
    page = shown(signed_in(*VIEW), alice)
    assert [(row[1], row[4], row[5], row[6]) for row in rows(page)] == [
        ("Applied", "", "7.00", "1,057.34"),
        ("Applied", "200.00", "", "1,050.34"),
        ("Applied", "", "1,250.34", "1,250.34"),
    ]
    assert 'title="105734 minor units"' in page
    assert "ref-of-Hotel" not in page


def test_holds_are_in_brackets_and_count_to_what_is_held_alone(alice: Balance) -> None:
    read = rows(shown(signed_in(*VIEW), alice, status="with-holds", order="oldest"))
    assert [row[4:] for row in read] == [
        ["", "1,250.34", "1,250.34", "0.00"],
        ["200.00", "", "1,050.34", "0.00"],
        ["( 50.00 )", "", "1,050.34", "-50.00"],
        ["", "7.00", "1,057.34", "-50.00"],
    ]


@pytest.mark.parametrize(
    ("query", "references"),
    [
        ({"first": "2026-03-02"}, ["=1+1", "Rent"]),
        ({"last": "2026-03-02"}, ["Rent", "Salary"]),
        ({"side": "source"}, ["Rent"]),
        ({"side": "destination"}, ["=1+1", "Salary"]),
        ({"amount": "1,250.34"}, ["Salary"]),
        ({"amount": "20000"}, ["Rent"]),
        ({"text": "sala"}, ["Salary"]),
        ({"text": "nothing like it"}, []),
        ({"status": "holds"}, ["Hotel"]),
        ({"status": "rejected"}, []),
    ],
)
def test_filters_are_in_the_address_and_hide_rows(alice: Balance, query: dict[str, str], references: list[str]) -> None:
    client = signed_in(*VIEW)
    read = rows(shown(client, alice, **query))
    assert [row[2].split(" ")[0].removeprefix("ref-of-") for row in read] == references
    assert [row["reference"].removeprefix("ref-of-") for row in exported(client, alice, **query)] == references[::-1]


def test_a_period_has_its_opening_and_closing_figures(alice: Balance) -> None:
    page = shown(signed_in(*VIEW), alice, first="2026-03-02", last="2026-03-02", side="destination")
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>(?:<strong>)?<span[^>]*>([^<]+)</span>", page))
    assert facts == {
        "Opening balance": "1,250.34 USD",
        "Credits": "0.00 USD",
        "Debits": "200.00 USD",
        "Closing balance": "1,050.34 USD",
    }
    assert "also those that the filters hide" in page


def test_pages_keep_their_filters_and_lead_back(alice: Balance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "ROWS", 1)
    client = signed_in(*VIEW)
    first = shown(client, alice, side="destination")
    there = re.search(r'href="(\?[^"]+)" rel="next"', first)
    assert there is not None
    assert "side=destination" in there[1]
    second = client.get(url(alice) + there[1].replace("&amp;", "&")).content.decode()
    assert [row[6] for row in rows(second)] == ["1,250.34"]
    assert 'rel="next"' not in second
    back = re.search(r'href="(\?[^"]+)" rel="prev"', second)
    assert back is not None
    assert rows(client.get(url(alice) + back[1].replace("&amp;", "&")).content.decode()) == rows(first)


def test_a_balance_of_forty_digits_is_shown_whole() -> None:
    alice = world.balance()
    world.post("@world", alice, LONG)
    page = shown(signed_in(*VIEW), alice)
    assert f'title="{LONG} minor units"' in page
    assert "money-long" in page


def test_the_statement_is_linked_from_the_balance_for_who_may_see_it(alice: Balance) -> None:
    there = reverse("admin:balances_balance_change", args=[alice.pk])
    assert url(alice) in signed_in(*VIEW).get(there).content.decode()
    assert url(alice) not in signed_in("view_balance").get(there).content.decode()


# --- as a file


def test_the_file_has_the_running_balance_in_both_units_and_no_formula(alice: Balance) -> None:
    read = exported(signed_in(*VIEW), alice, status="all")
    assert [
        (row["moved (minor units)"], row["balance (minor units)"], row["balance (major units)"]) for row in read
    ] == [
        ("125034", "125034", "1250.34"),
        ("-20000", "105034", "1050.34"),
        ("0", "105034", "1050.34"),
        ("700", "105734", "1057.34"),
    ]
    assert [row["inflight_balance (minor units)"] for row in read] == ["0", "0", "-5000", "-5000"]
    assert [row["amount (minor units)"] for row in read] == ["125034", "20000", "5000", "700"]
    assert read[3]["description"] == "'=1+1"
    assert read[3]["effective_date"] == "2026-03-04T12:00:00Z"
    assert read[0]["other_indicator"] == "'@bob"


def test_a_workbook_has_the_same_rows(alice: Balance) -> None:
    client = signed_in(*VIEW)
    answer = client.get(url(alice, "xlsx"))
    assert answer.status_code == 200
    read = [[text for _, text in row] for row in cells(b"".join(answer.streaming_content))]
    titles, first = read[0], read[1]
    assert dict(zip(titles, first, strict=True))["balance (major units)"] == "1250.34"
    assert len(read) == 4


def test_a_page_takes_few_queries_and_no_more_for_many_rows(alice: Balance) -> None:
    client = signed_in(*VIEW)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            shown(client, alice, status="all")
        counts.append(len(queries))
        for _ in range(40):
            world.row("APPLIED", 5, world.balance(), alice)
    assert counts[0] == counts[1] <= 12
