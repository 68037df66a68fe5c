"""API keys in the back-office: issued once, shown once, looked at, revoked."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from balances.keys import keyring
from balances.models.keys import ApiKey
from reconciliation.models import AuditEntry
from tests.client import Client
from tests.people import signed_in

pytestmark = pytest.mark.django_db
LIST, ADD = "admin:balances_apikey_changelist", "admin:balances_apikey_add"
FORM = {
    "name": "tea-svc",
    "owner_id": "team-7",
    "scopes": ["ledgers:read", "transactions:*", "*:read"],
    "expires_at_0": "2099-01-01",
    "expires_at_1": "00:00:00",
}


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "HASH_COST", 4)


def issue(name: str = "tea-svc", **fields: Any) -> ApiKey:
    given: dict[str, Any] = {
        "owner_id": "team-7",
        "scopes": ["ledgers:read"],
        "expires_at": timezone.now() + timedelta(1),
    }
    return keyring.issue(name=name, **(given | fields))


def revoke(client: Any, *keys: ApiKey) -> Any:
    chosen = {"action": "revoke_keys", "index": "0", "_selected_action": [key.pk for key in keys]}
    return client.post(reverse(LIST), chosen, follow=True)


# --- refused


def test_keys_are_closed_to_staff_without_permission() -> None:
    key = issue()
    for client in (signed_in(), signed_in("view_balance")):
        for url in (reverse(LIST), reverse(ADD), reverse("admin:balances_apikey_change", args=[key.pk])):
            assert client.get(url).status_code == 403


def test_nobody_issues_a_key_without_the_permission_to_add() -> None:
    client = signed_in("view_apikey", "change_apikey", "revoke_api_key")
    assert client.post(reverse(ADD), FORM).status_code == 403
    assert not ApiKey.objects.exists()


def test_nobody_changes_or_deletes_a_key_not_even_with_every_permission() -> None:
    key = issue()
    client = signed_in("view_apikey", "add_apikey", "change_apikey", "delete_apikey")
    assert client.post(reverse("admin:balances_apikey_change", args=[key.pk]), FORM).status_code == 403
    assert client.post(reverse("admin:balances_apikey_delete", args=[key.pk]), {"post": "yes"}).status_code == 403
    assert ApiKey.objects.get().scopes == ["ledgers:read"]


def test_a_forged_revocation_without_the_permission_does_nothing() -> None:
    key = issue()
    revoke(signed_in("view_apikey", "change_apikey", "delete_apikey"), key)
    assert not ApiKey.objects.get().is_revoked


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", " ", "This field is required."),
        ("owner_id", "", "This field is required."),
        ("scopes", [], "This field is required."),
        ("scopes", "ledgers", "No request needs ledgers"),
        ("scopes", ["ledgers:read", "ledger:read"], "No request needs ledger:read"),
        ("scopes", "ledgers:reed", "No request needs ledgers:reed"),
        ("scopes", "ledgers:approve", "No request needs ledgers:approve"),
        ("scopes", "a:b:c", "No request needs a:b:c"),
        ("expires_at_0", "2020-01-01", "The key would have expired already."),
        ("expires_at_0", "soon", "Enter a valid date."),
        ("name", "x" * 201, "at most 200 characters"),
        ("name", "a\0b", "Null characters are not allowed."),
    ],
)
def test_a_form_that_makes_no_sense_issues_nothing(field: str, value: Any, message: str) -> None:
    answer = signed_in("add_apikey").post(reverse(ADD), FORM | {field: value})
    assert answer.status_code == 200
    assert message in str(answer.context["adminform"].form.errors)
    assert not ApiKey.objects.exists()


# --- replacing


def replace(client: Any, key: ApiKey, overlap: str = "24") -> Any:
    return client.post(reverse("admin:balances_apikey_rotate", args=[key.pk]), {"overlap": overlap})


def test_a_key_is_replaced_by_no_one_who_may_not_issue_and_revoke_and_only_while_it_is_valid() -> None:
    key, old = issue(), issue("old", expires_at=timezone.now() - timedelta(1))
    for rights in (("view_apikey", "add_apikey"), ("view_apikey", "revoke_api_key")):
        assert replace(signed_in(*rights), key).status_code == 403
    client = signed_in("view_apikey", "add_apikey", "revoke_api_key")
    for overlap in ("", "-1", "99999", "x"):
        assert replace(client, key, overlap).status_code == 400
    assert client.get(reverse("admin:balances_apikey_rotate", args=[key.pk])).status_code == 400
    replace(client, old)
    keyring.revoke([key.pk])
    replace(client, key)
    assert ApiKey.objects.count() == 2
    assert b"Replace this key" not in client.get(reverse("admin:balances_apikey_change", args=[key.pk])).content


def test_a_successor_has_the_same_scopes_and_the_old_key_ends_after_the_overlap_on_record() -> None:
    key = issue(expires_at=timezone.now() + timedelta(days=60))
    client = signed_in("view_apikey", "add_apikey", "revoke_api_key")
    assert b"Replace this key" in client.get(reverse("admin:balances_apikey_change", args=[key.pk])).content
    answer = replace(client, key)
    new = answer.context["issued"]
    assert answer.content.decode().count(new.plaintext) == 1
    assert "no-store" in answer.headers["Cache-Control"]
    kept, was = ApiKey.objects.get(pk=new.pk), ApiKey.objects.get(pk=key.pk)
    assert (kept.scopes, kept.owner_id, kept.name) == (key.scopes, key.owner_id, key.name)
    assert timedelta(hours=23) < was.expires_at - timezone.now() <= timedelta(hours=24)
    assert kept.expires_at - timezone.now() > timedelta(days=59)
    assert [Client(each.plaintext).get("/ledgers").status for each in (key, new)] == [200, 200]
    records = {each.action: each for each in AuditEntry.objects.filter(subject="API key")}
    assert (records["changed"].subject_id, records["added"].subject_id) == (key.pk, new.pk)
    assert new.pk in records["changed"].after
    assert new.plaintext not in str(AuditEntry.objects.values())
    replace(client, new, "0")
    assert Client(new.plaintext).get("/ledgers").status == 401


# --- issuing


def test_a_new_key_is_shown_once_and_kept_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = signed_in("add_apikey", "view_apikey")
    page = client.get(reverse(ADD))
    assert b"approve and reject plans" in page.content
    answer = client.post(reverse(ADD), FORM)
    assert answer.status_code == 200
    plaintext = answer.context["issued"].plaintext
    assert answer.content.decode().count(plaintext) == 1
    assert "no-store" in answer.headers["Cache-Control"]
    assert plaintext not in str(answer.headers) + str(answer.cookies) + caplog.text
    assert all(plaintext not in str(session.get_decoded()) for session in Session.objects.all())
    assert plaintext not in str(LogEntry.objects.values())

    key = ApiKey.objects.get()
    assert (key.name, key.owner_id, key.scopes) == ("tea-svc", "team-7", ["ledgers:read", "transactions:*", "*:read"])
    assert key.expires_at == datetime(2099, 1, 1, tzinfo=UTC)
    assert Client(plaintext).get("/ledgers").status == 200
    for url in (reverse(LIST), reverse("admin:balances_apikey_change", args=[key.pk])):
        shown = client.get(url).content.decode()
        assert plaintext not in shown
        assert key.key not in shown
        assert f"{plaintext[:16]}…" in shown
    assert LogEntry.objects.get().object_id == key.pk


def test_who_may_add_but_not_view_gets_the_key_and_no_link() -> None:
    answer = signed_in("add_apikey").post(reverse(ADD), FORM)
    assert answer.context["page"] is None
    assert answer.context["issued"].plaintext in answer.content.decode()


# --- looking and revoking


def test_the_list_shows_state_and_use_in_a_fixed_number_of_queries() -> None:
    issue("old", expires_at=timezone.now() - timedelta(1))
    keyring.revoke([issue("gone").pk])
    Client(issue("good").plaintext).get("/ledgers")
    client = signed_in("view_apikey")
    with CaptureQueriesContext(connection) as few:
        shown = client.get(reverse(LIST)).content.decode()
    states = re.findall(r"\b(valid|expired|revoked)\s*</span>", shown)
    assert sorted(states) == ["expired", "revoked", "valid"]
    assert len(re.findall(r"\bnever\s*</td>", shown)) == 2
    for _ in range(10):
        issue()
    with CaptureQueriesContext(connection) as many:
        client.get(reverse(LIST))
    assert len(many) == len(few)


@pytest.mark.parametrize("term", ["tea", "team-7", "id", "prefix"])
def test_a_key_is_found_by_id_owner_prefix_or_name(term: str) -> None:
    key, _ = issue(), issue("other", owner_id="team-8")
    wanted = {"id": key.pk, "prefix": key.plaintext[:16]}.get(term, term)
    answer = signed_in("view_apikey").get(reverse(LIST), {"q": wanted})
    assert [row.pk for row in answer.context["cl"].result_list] == [key.pk]


def test_keys_are_revoked_together_and_the_log_names_who_did() -> None:
    keys = [issue(), issue(), issue()]
    keyring.revoke([keys[2].pk])
    before = ApiKey.objects.get(pk=keys[2].pk).revoked_at
    client = signed_in("view_apikey", "revoke_api_key")
    answer = revoke(client, *keys)
    assert "Revoked 2 keys, for good." in answer.content.decode()
    assert not ApiKey.objects.filter(is_revoked=False).exists()
    assert ApiKey.objects.get(pk=keys[2].pk).revoked_at == before
    assert {entry.object_id for entry in LogEntry.objects.all()} == {keys[0].pk, keys[1].pk}
    assert Client(keys[0].plaintext).get("/ledgers").status == 401
    assert "were already revoked" in revoke(client, *keys).content.decode()


def test_the_sidebar_leads_to_the_keys() -> None:
    assert reverse(LIST) in signed_in("view_apikey").get(reverse(LIST)).content.decode()
