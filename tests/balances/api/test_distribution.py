"""How an amount is shared out and what becomes of its digits, through the routes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import simplejson
from hypothesis import given, settings
from hypothesis import strategies as st

from balances.books.distribution import distribute
from balances.books.orders import Share
from balances.books.posting_exceptions import InvalidDistribution
from balances.models import Transaction
from tests.client import Client
from tests.wire import assert_no_drift, body, drain, wallets

TABLE: list[tuple[int, list[Any], list[int]]] = [
    (150, ["50%", "45%", "left"], [76, 67, 7]),
    (123_456, ["500", "25%", "10%", "left"], [50_001, 30_864, 12_345, 30_246]),
    (10_001, ["33.33%", "33.33%", "33.34%"], [3333, 3333, 3335]),
    (150, ["0.5%", "99.5%"], [0, 150]),
    (1000, ["30%", "30%"], [700, 300]),
    (10_000, ["60", "50%"], [5000, 5000]),
    (30_000, ["33.33%", 5000, "left"], [9999, 5000, 15_001]),
]
"""Minor units at precision 100, shares (an integer is a precise one), legs."""


def shares(parts: list[Any]) -> list[Share]:
    return [
        Share(identifier=f"@{n}", precise_distribution=str(part))
        if isinstance(part, int)
        else Share(identifier=f"@{n}", distribution=part)
        for n, part in enumerate(parts)
    ]


def test_the_table_of_the_contract_holds_to_the_unit() -> None:
    for total, parts, legs in TABLE:
        assert [int(part.units) for part in distribute(total, shares(parts), 100)] == legs, parts


@pytest.mark.parametrize(
    ("total", "parts", "legs"),
    [
        (1, ["left", "left"], [1, 0]),
        (1, ["10%", "90%"], [1, 0]),
        (0, ["left", "50%"], [0, 0]),
        (1000, ["0", "left"], [1000]),
        (1000, [0, "left"], [1000]),
        (3, ["25%"], [0]),
        (3, ["25%", "25%"], [0, 0]),
        (3, ["25%", "left"], [0, 3]),
        (8, ["25%"], [8]),
        (1000, ["left", "left"], [1000]),
        (1000, ["10", "left"], [1000, 0]),
        (1000, ["2", 300], [200, 800]),
        (1000, ["8", 100], [900, 100]),
        (1000, ["5", "5"], [500, 500]),
        (1000, ["12.3e-1", "left"], [123, 877]),
        (1000, ["1.2300000000001", "left"], [123, 877]),
        (1001, ["50%", "50%"], [501, 500]),
        (5, ["10%", "10%", "80%"], [0, 0, 5]),
        (1000, ["7", "60%", "left"], [700, 600, -300]),
        (10**40 + 3, ["50%", "left"], [5 * 10**39 + 2, 5 * 10**39 + 1]),
        (2**70, [2**63 - 1, "left"], [2**63 - 1, 2**70 - 2**63 + 1]),
    ],
)
def test_shares_follow_the_words_of_the_contract(total: int, parts: list[Any], legs: list[int]) -> None:
    assert [int(part.units) for part in distribute(total, shares(parts), 100)] == legs


PART = st.one_of(
    st.just("left"),
    st.integers(0, 2000),
    st.decimals(0, 20, places=2).map(str),
    st.decimals(0, 100, places=2).map(lambda percent: f"{percent}%"),
)


@settings(max_examples=300, deadline=None)
@given(total=st.integers(0, 5000), parts=st.lists(PART, min_size=1, max_size=6))
def test_whatever_is_asked_the_legs_are_the_amount_and_come_in_order(total: int, parts: list[Any]) -> None:
    try:
        found = distribute(total, shares(parts), 100)
    except InvalidDistribution:
        return
    given = [part.units for part in found]
    assert sum(given) == total or max(given) <= 0  # where nobody gets a unit there is nobody to get the rest
    assert [part.number for part in found] == sorted({part.number for part in found})
    assert all(part.identifier == f"@{part.number}" for part in found)
    assert found == distribute(total, shares(parts), 100)


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["at once", "queued", "batch"])
def test_the_legs_of_the_table_are_recorded_by_every_route(api: Client, mode: str) -> None:
    wallets()
    for number, (total, parts, legs) in enumerate(each for each in TABLE if all(each[2])):
        entries = [
            {"identifier": f"@{n}", "precise_distribution": str(part)} if isinstance(part, int) else
            {"identifier": f"@{n}", "distribution": part} for n, part in enumerate(parts)
        ]  # fmt: skip
        sent = body(f"r{number}", total, destinations=entries, allow_overdraft=True, skip_queue=mode == "at once")
        del sent["destination"]
        path = "/transactions/bulk" if mode == "batch" else "/transactions"
        answer = api.post(path, {"transactions": [sent], "skip_queue": True} if mode == "batch" else sent)
        assert answer.status == 201, answer.text
        drain()
        rows = Transaction.objects.filter(reference__startswith=f"r{number}").exclude(status="QUEUED")
        assert list(rows.order_by("reference").values_list("precise_amount", flat=True)) == legs
    assert_no_drift()


@pytest.mark.django_db
def test_a_share_that_names_a_balance_twice_keeps_both_parts(api: Client) -> None:
    """In the original the second one takes the place of the first, whose part goes to the largest."""
    wallets()
    parts = [("bln_bob", "1"), ("bln_carol", "5"), ("bln_bob", "4")]
    sent = body("r", destinations=[{"identifier": name, "distribution": part} for name, part in parts])
    del sent["destination"]
    assert api.post("/transactions", sent).status == 201
    rows = Transaction.objects.filter(reference__startswith="r-").order_by("reference")
    assert list(rows.values_list("destination", "precise_amount")) == [
        ("bln_bob", 100),
        ("bln_carol", 500),
        ("bln_bob", 400),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("amount", "precision", "units"),
    [
        ("1.005", 100, 0), ("0.29", 100, 29), ("0.005", 100, 0), ("12", 0, 12), ("0.5", None, 0), ("2.5", 1, 0),
        ("0.1", 3, 0), ("0.000000000000000001", 10**18, 1), ("1234.5", 10**18, 1234500000000000000000),
        ("999999999999999", 10**18, 999999999999999 * 10**18), ("1e-6", 10**6, 1), ("1E2", 100, 10_000),
        ("0.07", 100, 7), ("1.15", 100, 115), ("4.35", 100, 435), ("9999999999999.99", 100, 999999999999999),
    ],
)  # fmt: skip
def test_major_units_become_minor_units_exactly_or_are_refused(
    api: Client, amount: str, precision: int | None, units: int
) -> None:
    wallets()
    sent = body("r", None, allow_overdraft=True, precision=precision)  # type: ignore[arg-type]
    answer = api.post("/transactions", sent | {"amount": simplejson.RawJSON(amount)})
    if not units:
        assert (answer.status, answer.body["error_detail"]["code"]) == (400, "TXN_VALIDATION_ERROR")
        assert "is no whole number of minor units" in answer.body["errors"]
        return
    assert answer.status == 201, answer.text
    assert (answer.exact["precise_amount"], answer.exact["amount"]) == (units, Decimal(amount))
    assert api.get(f"/balances/{answer.body['destination']}").body["balance"] == units


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("units", "precision", "text"),
    [
        (1, 3, "0.3333333333333333"), (2, 3, "0.6666666666666667"), (5, 10**17, "0.0000000000000001"),
        (1, 10**18, "0"), (12_550, 100, "125.5"), (10**40, 10**18, "10000000000000000000000"), (100, 0, "100"),
        (2**63, 1, str(2**63)), (10**21 + 1, 10, "100000000000000000000.1"),
    ],
)  # fmt: skip
def test_minor_units_become_major_units_with_sixteen_decimals_at_most(
    api: Client, units: int, precision: int, text: str
) -> None:
    wallets()
    for skip_queue, reference in ((True, "now"), (False, "later")):
        sent = body(reference, units, allow_overdraft=True, precision=precision, skip_queue=skip_queue)
        answer = api.post("/transactions", sent)
        assert answer.status == 201, answer.text
        assert (answer.exact["amount_string"], answer.exact["amount"]) == (text, Decimal(text))
        assert answer.body["precision"] == max(precision, 1)
        stored = api.get(f"/transactions/{answer.body['transaction_id']}").exact
        assert (stored["amount"], stored["precise_amount"]) == (Decimal(text), units)
