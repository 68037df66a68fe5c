"""What somebody known was refused is on record, sealed; strangers leave none, and nobody fills the disk."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser

from balances.keys import keyring
from reconciliation.models import Refusal, Seal
from reconciliation.records import refusals
from reconciliation.records.refusals import MOST_A_MINUTE, record_refusal, refused_changes, report_refused_changes
from reconciliation.records.verifying import Verification
from tests import world
from tests.client import Client
from tests.people import person, signed_in

CHANGE = "/admin/balances/balance/"
REQUEST = {"actor": "mallory", "door": "admin", "what": "POST /admin", "why": "No permission", "address": "10.0.0.9"}


@pytest.fixture(autouse=True)
def _new_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_PACES", {})
    monkeypatch.setattr(keyring, "HASH_COST", 4)


def key(*scopes: str, expires: int = 2032) -> Client:
    at = datetime(expires, 1, 1, tzinfo=UTC)
    return Client(keyring.issue(name="tea", owner_id="team", scopes=scopes, expires_at=at).plaintext)


def only() -> Refusal:
    refusal = Refusal.objects.get()
    assert Seal.objects.filter(kind="refusal", record_id=refusal.pk).exists()
    assert list(Verification()) == []
    return refusal


@pytest.mark.django_db
@pytest.mark.parametrize("headers", [{}, {"X-Blnk-Key": "nobody's"}])
def test_strangers_leave_no_record(headers: dict[str, str]) -> None:
    stranger = Client(key=None)
    stranger.headers |= headers
    assert stranger.get("/balances").status == 401
    assert Browser(enforce_csrf_checks=True).post(CHANGE, {"action": "reconstruct_balances"}).status_code == 403
    assert Browser().get(CHANGE).status_code == 302
    assert not Refusal.objects.exists()


@pytest.mark.django_db
def test_an_expired_key_is_recorded() -> None:
    assert key("balances:*", expires=2020).get("/balances").status == 401
    refusal = only()
    assert refusal.actor.startswith("key tea (")
    assert (refusal.door, refusal.what, refusal.address) == ("api", "GET /balances", "127.0.0.1")
    assert refusal.why.startswith("AUTH_EXPIRED_API_KEY: ")


@pytest.mark.django_db
def test_a_key_without_the_scope_is_recorded() -> None:
    alice = world.balance()
    assert key("ledgers:read").post(f"/balances/{alice.pk}/reconstructions").status == 403
    assert only().what == f"POST /balances/{alice.pk}/reconstructions"


@pytest.mark.django_db
def test_a_key_that_would_issue_itself_more_than_it_holds_is_recorded() -> None:
    body = {"name": "more", "owner": "team", "scopes": ["*:*"], "expires_at": "2031-01-01T00:00:00Z"}
    assert key("api-keys:write").post("/api-keys", body).status == 403
    assert only().why.startswith("AUTH_SCOPE_ESCALATION: ")


@pytest.mark.django_db
def test_a_person_without_the_permission_is_recorded() -> None:
    alice = world.balance()
    client = signed_in("view_balance")
    posted = {"action": "reconstruct_balances", "_selected_action": alice.pk, "post": "yes", "reason": "forged"}
    assert client.post(CHANGE, posted).status_code == 403
    refusal = only()
    assert (refusal.actor[:7], refusal.door) == ("person-", "admin")
    assert (refusal.what, refusal.why) == (f"POST {CHANGE} (reconstruct_balances)", "No permission")


@pytest.mark.django_db
def test_a_forged_form_in_the_name_of_somebody_signed_in_is_recorded() -> None:
    client = Browser(enforce_csrf_checks=True)
    victim = person("view_balance", "reconstruct_balance")
    client.force_login(victim)
    assert client.post(CHANGE, {"action": "reconstruct_balances"}).status_code == 403
    refusal = only()
    assert (refusal.actor, refusal.what) == (victim.username, f"POST {CHANGE} (reconstruct_balances)")
    assert refusal.why == "Forged or outdated form: CSRF cookie not set."


@pytest.mark.django_db
def test_a_character_that_nothing_stored_can_hold_is_no_way_around_the_record() -> None:
    signed_in("view_balance").post(CHANGE, {"action": "re\x00construct"})
    assert only().what == f"POST {CHANGE} (re\ufffdconstruct)"


@pytest.mark.django_db
def test_what_comes_too_fast_is_counted_in_the_next_record_and_others_are_not_kept_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = [1000.0]
    monkeypatch.setattr("reconciliation.records.refusals.time.monotonic", lambda: seconds[0])
    written = [record_refusal(**REQUEST) for _ in range(MOST_A_MINUTE + 7)]
    assert [refusal is not None for refusal in written] == [True] * MOST_A_MINUTE + [False] * 7
    assert record_refusal(**REQUEST | {"actor": "trudy"})
    seconds[0] += 60
    later = record_refusal(**REQUEST)
    assert later is not None
    assert later.attempts == 8
    assert sum(Refusal.objects.filter(actor="mallory").values_list("attempts", flat=True)) == MOST_A_MINUTE + 8


@pytest.mark.django_db(transaction=True)
def test_a_record_is_never_written_in_a_block_that_may_be_rolled_back() -> None:
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        record_refusal(**REQUEST)
    assert not Refusal.objects.exists()
    record_refusal(**REQUEST)
    assert Refusal.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_refusal_that_cannot_be_recorded_is_a_refusal_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise IntegrityError("disk full")

    monkeypatch.setattr(refusals, "_sealed", broken)
    assert key("ledgers:read").get("/balances").status == 403
    assert signed_in("view_ledger").get(CHANGE).status_code == 403
    assert not Refusal.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_changes_that_the_database_refused_are_reported_once_however_many_look() -> None:
    world.post("@world", world.balance(), 100)
    report_refused_changes()
    already = sum(Refusal.objects.values_list("attempts", flat=True))
    assert already == refused_changes()
    assert report_refused_changes() is None
    for _ in range(3):
        with pytest.raises(IntegrityError), connection.cursor() as cursor:
            cursor.execute("DELETE FROM transactions")
    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    newest = Refusal.objects.latest("refused_at")
    assert (newest.attempts, newest.door, newest.actor) == (3, "database", "unknown")
    assert newest.what.startswith("Change of transactions in SQL, 3 times since ")
    assert sum(Refusal.objects.values_list("attempts", flat=True)) == refused_changes() == already + 3
    assert list(Verification()) == []


def look() -> None:
    report_refused_changes()
    connection.close()
