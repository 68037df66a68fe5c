"""Identities through Blnk's SDKs, unchanged, against a live server."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from tests import world
from tests.clients.sdks import Client

pytestmark = pytest.mark.django_db(transaction=True)
ALICE = {
    "identity_type": "individual",
    "first_name": "Alice",
    "last_name": "O'Neil: Jr",
    "email_address": "alice@example.com",
    "gender": "female",
    "dob": datetime(1990, 5, 6, tzinfo=UTC),
    "meta_data": {"team": "ops"},
}


@pytest.fixture(autouse=True)
def _tokens(settings: Any) -> None:
    settings.BLNK_TOKENIZATION_SECRET = b"0123456789abcdef0123456789abcdef"


def test_unknown_identities_are_refused_by_every_method(blnk: Client) -> None:
    identity = blnk.identity
    answers = [
        identity.get("idt_x"),
        identity.update("idt_x", ALICE),
        identity.delete("idt_x"),
        identity.get_tokenized_fields("idt_x"),
        identity.tokenize_field("idt_x", "FirstName"),
        identity.tokenize("idt_x", {"fields": ["FirstName"]}),
        identity.detokenize_field("idt_x", "FirstName"),
        identity.detokenize("idt_x", {"fields": []}),
        blnk.ledger_balances.update_identity("bln_x", {"identity_id": "idt_x"}),
    ]
    assert [answer.status for answer in answers] == [404] * 9


def test_a_second_tokenizing_and_a_second_use_of_an_id_are_refused(blnk: Client) -> None:
    chosen = f"idt_{uuid.uuid4()}"
    assert blnk.identity.create(ALICE | {"identity_id": chosen}).data["identity_id"] == chosen
    assert blnk.identity.create(ALICE | {"identity_id": chosen}).status == 400
    assert blnk.identity.tokenize_field(chosen, "FirstName").status == 200
    assert blnk.identity.tokenize_field(chosen, "FirstName").status == 409
    assert blnk.identity.tokenize(chosen, {"fields": ["LastName", "Gender"]}).status == 400
    assert blnk.identity.detokenize_field(chosen, "LastName").status == 400


def test_the_sdk_keeps_identities_and_their_tokens(blnk: Client) -> None:
    created = blnk.identity.create(ALICE)
    assert created.status == 201, created
    alice = created.data["identity_id"]
    assert blnk.identity.get(alice).data == created.data
    assert blnk.identity.get("").data == [created.data]  # sends GET /identities/ and follows the redirect
    assert blnk.identity.list().data == [created.data]

    updated = blnk.identity.update(alice, {"identity_type": "individual", "city": "Prague"})
    assert (updated.status, updated.data) == (200, {"message": "Identity updated successfully"})
    assert blnk.metadata.update(alice, {"meta_data": {"tier": 2}}).data == {"meta_data": {"team": "ops", "tier": 2}}

    assert blnk.identity.tokenize_field(alice, "FirstName").data == {"message": "Field tokenized successfully"}
    several = blnk.identity.tokenize(alice, {"fields": ["LastName", "EmailAddress"]})
    assert several.data == {"message": "Fields tokenized successfully"}
    fields = {"FirstName": "Alice", "LastName": "O'Neil: Jr", "EmailAddress": "alice@example.com"}
    assert set(blnk.identity.get_tokenized_fields(alice).data["tokenized_fields"]) == set(fields)
    read = blnk.identity.get(alice).data
    assert all(read[name].startswith("FPT:") for name in ("first_name", "last_name", "email_address"))
    assert blnk.identity.detokenize_field(alice, "FirstName").data == {"field": "FirstName", "value": "Alice"}
    assert blnk.identity.detokenize(alice, {"fields": ["LastName"]}).data == {"fields": {"LastName": "O'Neil: Jr"}}
    assert blnk.identity.detokenize(alice, {"fields": []}).data == {"fields": fields}

    balance = {"ledger_id": world.ledger().pk, "currency": "USD", "identity_id": alice}
    held = blnk.ledger_balances.create(balance).data["balance_id"]
    assert blnk.identity.delete(alice).status == 409
    bob = blnk.identity.create(ALICE).data["identity_id"]
    assert blnk.ledger_balances.update_identity(held, {"identity_id": bob}).status == 200
    assert blnk.ledger_balances.get(held).data["identity_id"] == bob
    deleted = blnk.identity.delete(alice)
    assert (deleted.status, deleted.data) == (200, {"message": "Identity deleted successfully"})
