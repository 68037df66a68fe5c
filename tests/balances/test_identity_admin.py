"""Identities and accounts in the back-office: tokens are shown, originals only to those who may, and recorded."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.models.people import Account, Identity
from balances.people import accounts, identities, tokenizing
from reconciliation.models import Disclosure
from tests import world
from tests.people import signed_in

pytestmark = pytest.mark.django_db
LIST = "admin:balances_identity_changelist"
SEES = ("view_identity", "view_account", "view_balance", "view_disclosure")


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.BLNK_TOKENIZATION_SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def alice() -> Identity:
    made = identities.register(identity_type="individual", first_name="Alice", last_name="Stone", city="Prague")
    tokenizing.tokenize(made.pk, ["FirstName"])
    return made


def page(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def show(client: Any, *chosen: Identity) -> Any:
    action = {"action": "show_originals", "index": "0", "_selected_action": [each.pk for each in chosen]}
    return client.post(reverse(LIST), action, follow=True)


# --- refused


def test_the_pages_are_closed_to_staff_without_permission(alice: Identity) -> None:
    account = accounts.open_account(balance_id=world.balance(identity_id=alice.pk).pk)
    for url in (reverse(LIST), page(alice), reverse("admin:balances_account_changelist"), page(account)):
        assert signed_in("view_balance").get(url).status_code == 403


def test_nothing_is_added_changed_or_deleted_by_hand(alice: Identity) -> None:
    client = signed_in(*SEES, "add_identity", "change_identity", "delete_identity", "add_account", "change_account")
    assert client.get(reverse("admin:balances_identity_add")).status_code == 403
    assert client.post(page(alice), {"city": "Brno"}).status_code == 403
    assert client.post(reverse("admin:balances_identity_delete", args=[alice.pk]), {"post": "yes"}).status_code == 403
    assert client.get(reverse("admin:balances_account_add")).status_code == 403
    assert Identity.objects.get().city == "Prague"


def test_who_may_look_does_not_see_originals(alice: Identity) -> None:
    answer = show(signed_in(*SEES), alice)
    assert "Alice" not in answer.content.decode()
    assert not Disclosure.objects.exists()


def test_no_more_than_twenty_are_shown_at_once() -> None:
    many = [identities.register(first_name=f"Alice {number}") for number in range(21)]
    for each in many:
        tokenizing.tokenize(each.pk, ["FirstName"])
    answer = show(signed_in(*SEES, "detokenize_identity"), *many)
    assert "Choose 20 identities at most." in answer.content.decode()
    assert not Disclosure.objects.exists()


def test_a_token_of_another_key_is_reported_and_not_shown(alice: Identity, settings: Any) -> None:
    settings.BLNK_TOKENIZATION_SECRET = b"another key, of thirty-two bytes"
    answer = show(signed_in(*SEES, "detokenize_identity"), alice)
    assert (
        "Nothing is shown. A token cannot be read: it is damaged, or another BLNK_TOKENIZATION_SECRET made it"
        in answer.content.decode()
    )
    assert not Disclosure.objects.exists()


# --- granted


def test_tokens_are_shown_as_tokens(alice: Identity) -> None:
    client = signed_in(*SEES)
    held = world.balance(identity_id=alice.pk)
    listed, shown, balance = (client.get(url).content.decode() for url in (reverse(LIST), page(alice), page(held)))
    assert "Awoay (token) Stone" in listed
    assert "FPT:Awoay:" in shown
    assert "Awoay (token) Stone" in balance
    assert "Alice" not in listed + shown + balance
    assert "FirstName" in shown


def test_originals_are_shown_to_those_who_may_and_it_is_recorded(alice: Identity) -> None:
    client = signed_in(*SEES, "detokenize_identity")
    bare = identities.register(first_name="Bob")
    answer = show(client, alice, bare)
    text = answer.content.decode()
    assert "Alice" in text
    assert "No field is tokenized." in text
    assert "no-store" in answer.headers["Cache-Control"]
    record = Disclosure.objects.get()
    assert (record.identity_id, record.field_names, record.door) == (alice.pk, "FirstName", "admin")
    assert record.actor.startswith("person-")
    listed = client.get(reverse("admin:reconciliation_disclosure_changelist")).content.decode()
    assert alice.pk in listed
    assert record.actor in client.get(page(record)).content.decode()
    assert "Alice" not in listed


@pytest.mark.parametrize("term", ["Stone", "Sto", "idt_", "{id}"])
def test_identities_are_found_by_id_or_beginning_of_a_name(alice: Identity, term: str) -> None:
    client = signed_in(*SEES)
    found = client.get(reverse(LIST), {"q": term.format(id=alice.pk)}).content.decode()
    assert alice.pk in found
    assert alice.pk not in client.get(reverse(LIST), {"q": "tone"}).content.decode()


@pytest.mark.parametrize("by", ["number", "account_id", "identity_id", "balance_id"])
def test_accounts_are_found_by_number_or_id(alice: Identity, by: str) -> None:
    held = world.balance(identity_id=alice.pk)
    account = accounts.open_account(balance_id=held.pk, number="0001")
    client = signed_in(*SEES)
    url = reverse("admin:balances_account_changelist")
    assert account.pk in client.get(url, {"q": getattr(account, by)}).content.decode()
    assert account.pk not in client.get(url, {"q": "0002"}).content.decode()
    assert "0001" in client.get(page(account)).content.decode()


@pytest.mark.parametrize("model", ["identity", "account"])
def test_a_list_takes_as_many_statements_however_long_it_is(alice: Identity, model: str) -> None:
    client = signed_in(*SEES)
    counts = []
    for _ in range(2):
        for _ in range(5):
            held = world.balance(identity_id=identities.register(last_name="Stone").pk)
            accounts.open_account(balance_id=held.pk)
        client.get(reverse(f"admin:balances_{model}_changelist"))
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse(f"admin:balances_{model}_changelist"))
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert Account.objects.count() == 10
