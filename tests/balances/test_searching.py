"""The search of the lists of the ledger: by what people hold in hand, and by an index each time."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.urls import reverse

from balances.backoffice import searching
from balances.models import Balance, Identity, Ledger, Transaction
from balances.people import identities
from tests import world
from tests.people import VIEW, person, signed_in

pytestmark = pytest.mark.django_db


def found(model: Any, term: str) -> set[str]:
    return {str(row.pk) for row in rows_of(model, term)}


def rows_of(model: Any, term: str, *codenames: str) -> Any:
    request = RequestFactory().get("/")
    request.user = person(*(codenames or (*VIEW, "view_identity")))
    rows, _ = admin.site.get_model_admin(model).get_search_results(request, model.objects.all(), term)
    return rows


# --- what is no amount


@pytest.mark.parametrize(
    "term", ["1.250,34", "875,14", "-5", "1e3", "0x10", "12,34,567", "", "NaN", "9" * 1001, "1.2.3"]
)
def test_what_can_be_read_two_ways_is_no_amount(term: str) -> None:
    assert searching.amount_in(term) is None


def test_a_word_of_marks_alone_finds_nothing_and_breaks_nothing() -> None:
    world.balance(world.ledger("Shop"))
    for term in ("'", "\\", "' | 'a", "!!", "a & | b", "%", "'';--"):
        for model in (Ledger, Balance, Identity, Transaction):
            assert found(model, term) == set(), (model, term)


def test_who_may_not_see_holders_finds_no_balance_by_them() -> None:
    holder = identities.register(first_name="Ruth", last_name="Hartley", email_address="ruth@example.org")
    world.balance(identity_id=holder.pk)
    for term in ("hartley", "ruth@example.org", holder.pk):
        assert not rows_of(Balance, term, *VIEW), term


# --- transactions


@pytest.mark.parametrize(
    "term", ["1,250.34", "1250.34", "1250.340", "1 250.34", "1,250.34 EUR", "1250.34 eur", "125034", "125,034"]
)
def test_an_amount_is_found_as_it_is_shown_or_stored(term: str) -> None:
    row = world.post("@a", "@b", 125_034, currency="EUR", precision=100)
    world.post("@a", "@b", 125_035, currency="EUR", precision=100)
    assert row.pk in found(Transaction, term)
    assert len(found(Transaction, term)) == 1


def test_an_amount_is_read_at_the_precision_of_each_row() -> None:
    cents = world.post("@a", "@b", 500, precision=100)
    mills = world.post("@a", "@b", 5_000, precision=1_000)
    world.post("@a", "@b", 500, precision=1_000)
    assert found(Transaction, "5.00") == {cents.pk, mills.pk}


def test_an_amount_in_another_currency_is_not_found() -> None:
    world.post("@a", "@b", 125_034, currency="EUR", precision=100)
    assert found(Transaction, "1,250.34 USD") == set()


def test_a_transaction_is_found_by_the_indicator_of_either_side() -> None:
    row = world.post("@demo-ben", "@shop", 100)
    world.post("@x", "@y", 100)
    for term in ("@demo-ben", "demo-ben", "@shop", row.reference, row.pk, row.pk[:20], row.source_id):
        assert found(Transaction, str(term)) == {row.pk}, term


# --- balances, ledgers, identities


def test_a_balance_is_found_by_indicator_holder_and_ledger() -> None:
    holder = identities.register(first_name="Ruth", last_name="Hartley", email_address="ruth@example.org")
    target = world.balance(world.ledger("Demo wallets"), indicator="@wallet-7", identity_id=holder.pk)
    world.balance(world.ledger("Bank"))
    for term in (
        "@wallet",
        "wallet-7",
        "hartley",
        "Ruth Hart",
        "demo",
        "DEMO WALLETS",
        "wallets demo",
        "ruth@example.org",
    ):
        assert found(Balance, term) == {target.pk}, term
    assert found(Balance, "Hartley Smith") == set()


def test_a_ledger_is_found_by_a_word_inside_its_name() -> None:
    made = world.ledger("Customer wallets, O'Brien & Sons")
    world.ledger("Bank")
    for term in ("wallets", "WALL", "sons customer", "o'brien", made.pk, made.pk[:9]):
        assert found(Ledger, term) == {made.pk}, term


def test_an_identity_is_found_by_each_name_and_by_email() -> None:
    ada = identities.register(first_name="Ada", last_name="Byron", email_address="Ada.B@example.org")
    firm = identities.register(identity_type="organization", organization_name="Acme Trading Ltd")
    for term, row in (("ada", ada), ("byron ada", ada), ("ada.b@EXAMPLE.org", ada), ("trading", firm), (firm.pk, firm)):
        assert found(Identity, term) == {row.pk}, term


def test_the_page_searches_by_all_of_it_at_once() -> None:
    row = world.post("@demo-ben", "@shop", 87_514, precision=100)
    client = signed_in(*VIEW)
    for term in ("875.14", "87514", "@demo-ben"):
        page = client.get(reverse("admin:balances_transaction_changelist"), {"q": term})
        assert [each.pk for each in page.context["cl"].result_list] == [row.pk]


# --- by an index


@pytest.mark.django_db(transaction=True)
def test_no_search_reads_a_whole_table() -> None:
    owner = world.ledger("Customer wallets")
    Ledger.objects.bulk_create([Ledger(name=f"Ledger {number}") for number in range(5_000)])
    Identity.objects.bulk_create(
        [Identity(first_name=f"First{number}", last_name=f"Last{number}", meta_data={}) for number in range(5_000)]
    )
    holder = Identity.objects.create(first_name="Ruth", last_name="Hartley", meta_data={})
    Balance.objects.bulk_create([Balance(ledger=owner, currency="USD", indicator=f"@b-{n}") for n in range(5_000)])
    small = world.ledger("Petty cash")
    cast = [world.balance(small, identity_id=holder.pk) for _ in range(4)]
    world.many_rows([*Balance.objects.all()[:100], *cast], 20_000)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) ledgers, identity, balances")
    world.post("@demo-ben", cast[0], 87_514, precision=100)
    for model, term, table in (
        (Transaction, "875.14", "transactions"),
        (Transaction, "87514 USD", "transactions"),
        (Transaction, "@demo-ben", "transactions"),
        (Transaction, "no such reference", "transactions"),
        (Balance, "@b-77", "balances"),
        (Balance, "hartley", "balances"),
        (Balance, "petty", "balances"),
        (Ledger, "petty", "ledgers"),
        (Identity, "hartley", "identity"),
    ):
        page = admin.site.get_model_admin(model)
        rows = rows_of(model, term)
        for asked in (rows.order_by(*page.ordering)[:50], rows.order_by()[:10_001]):  # type: ignore[misc]
            plan = asked.explain()
            assert f"Seq Scan on {table}" not in plan, f"{term}\n{plan}"
        assert len(rows) > 0 or term.startswith("no such"), term


def test_an_amount_is_found_to_its_last_digit() -> None:
    payer, payee = world.balance(), world.balance()
    units = 1234567890123456789012345678901234567890
    row = world.row("APPLIED", units, payer, payee)
    near = world.row("APPLIED", 12345678901234567890123456780, payer, payee)
    assert found(Transaction, f"{units}") == {row.pk}
    assert found(Transaction, "12,345,678,901,234,567,890,123,456,789,012,345,678.90 USD") == {row.pk}
    assert found(Transaction, "12345678901234567890123456784") == set()
    assert found(Transaction, "12345678901234567890123456780") == {near.pk}
