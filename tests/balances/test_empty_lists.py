"""Empty lists say what would fill them."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import reverse

import ledgerproj.urls  # noqa: F401 - finds the admin pages
from balances.backoffice import LedgerModelAdmin
from tests.people import VIEW, signed_in

pytestmark = pytest.mark.django_db
TRANSACTIONS = "admin:balances_transaction_changelist"


def test_every_list_has_a_sentence_on_what_would_fill_it() -> None:
    pages = [page for page in admin.site._registry.values() if isinstance(page, LedgerModelAdmin)]
    assert len(pages) > 10
    assert [page for page in pages if not page.filled_by.endswith(".")] == []


def test_an_empty_list_says_what_would_fill_it_and_offers_no_reset() -> None:
    shown = signed_in(*VIEW).get(reverse(TRANSACTIONS)).content.decode()
    assert "A transaction is posted with POST /transactions" in shown
    assert "Reset search and filters" not in shown
    assert "yielded" not in shown


@pytest.mark.parametrize("query", [{"q": "nothing"}, {"status__exact": "VOID"}])
def test_a_search_without_matches_says_so_and_offers_a_reset(query: dict[str, str]) -> None:
    shown = signed_in(*VIEW).get(reverse(TRANSACTIONS), query).content.decode()
    assert "No transaction has what the search and the filters ask for." in shown
    assert "Reset search and filters" in shown
    assert ("Searched: Reference, id, amount" in shown) == ("q" in query)
