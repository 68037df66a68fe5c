"""A session ends by itself, by its owner and by an administrator; that of somebody else is out of reach."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from ledgerproj import sessions
from ledgerproj.models import SignIn
from reconciliation.models import AuditEntry
from tests.people import person, signed_in

pytestmark = pytest.mark.django_db
PASSWORD = "a long password"


class Clock:
    def __init__(self, at: float) -> None:
        self.at = at

    def time(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Clock:
    settings.LEDGER_SESSION_IDLE, settings.SESSION_COOKIE_AGE = 1800, 12 * 3600
    made = Clock(sessions.time.time())
    monkeypatch.setattr(sessions, "time", made)
    return made


def browser_of(user: User) -> Client:
    browser = Client(REMOTE_ADDR="192.0.2.7", headers={"User-Agent": "Lynx <b>"})
    browser.post("/admin/login/", {"username": user.username, "password": PASSWORD})
    return browser


def is_inside(browser: Client) -> bool:
    return browser.get("/admin/").status_code == 200


def test_who_does_nothing_is_signed_out_and_a_form_of_then_does_nothing(clock: Clock) -> None:
    browser = browser_of(person("change_group", "view_group"))
    for _ in range(3):
        clock.at += 1700
        assert is_inside(browser)
    clock.at += 1801
    answer = browser.post(reverse("admin:auth_group_add"), {"name": "late"}, follow=True)
    assert "nothing was done for 30 minutes" in answer.content.decode()
    assert not is_inside(browser)
    assert not SignIn.objects.exists()


def test_a_session_ends_after_its_hours_however_busy_it_is(clock: Clock) -> None:
    browser = browser_of(person())
    for _ in range(12 * 3):
        clock.at += 1199
        assert is_inside(browser)
    clock.at += 100
    assert "12 hours at most" in browser.get("/admin/", follow=True).content.decode()
    assert not is_inside(browser)


def test_a_session_from_before_there_were_limits_goes_on_and_is_listed(clock: Clock) -> None:
    user = person()
    browser = browser_of(user)
    SignIn.objects.all().delete()
    kept = browser.session
    del kept[sessions.SINCE], kept[sessions.SEEN]
    kept.save()
    assert is_inside(browser)
    assert SignIn.objects.get().user == user


def test_the_session_of_somebody_else_cannot_be_ended_nor_seen() -> None:
    alice = browser_of(person())
    page = reverse("session_end", args=[SignIn.objects.get().pk])
    bob = signed_in()
    assert bob.post(page).status_code == 404
    assert bob.get(page).status_code == 405
    assert Client().post(page).headers["Location"].startswith("/admin/login/")
    assert "192.0.2.7" not in bob.get(reverse("sessions")).content.decode()
    forging = Client(enforce_csrf_checks=True)
    forging.cookies = alice.cookies
    assert forging.post(page).status_code == 403
    assert is_inside(alice)


def test_a_person_sees_their_sessions_and_ends_one() -> None:
    user = person()
    here, there = browser_of(user), browser_of(user)
    shown = here.get(reverse("sessions")).content.decode()
    assert (shown.count("192.0.2.7"), shown.count("Lynx &lt;b&gt;"), shown.count("this one")) == (2, 2, 1)
    other = SignIn.objects.exclude(session_key=here.session.session_key).get()
    here.post(reverse("session_end", args=[other.pk]))
    assert (is_inside(here), is_inside(there)) == (True, False)
    assert AuditEntry.objects.filter(action="acted", actor=user.username).exists()


def test_a_new_password_ends_the_other_sessions_and_not_this_one() -> None:
    user = person()
    here, there = browser_of(user), browser_of(user)
    new = "another long password"
    sent = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert here.post("/admin/password_change/", sent).status_code == 302
    assert (is_inside(here), is_inside(there)) == (True, False)
    assert SignIn.objects.get().session_key == here.session.session_key
    assert Session.objects.filter(session_key=SignIn.objects.get().session_key).exists()


def test_signing_out_leaves_no_row() -> None:
    browser = browser_of(person())
    browser.post("/admin/logout/")
    assert not SignIn.objects.exists()


def test_an_administrator_ends_all_sessions_of_a_user_on_record() -> None:
    user = person()
    browsers = [browser_of(user), browser_of(user)]
    sent = {"action": "end_sessions", "index": "0", "_selected_action": [user.pk]}
    assert signed_in("view_user").post("/admin/auth/user/", sent).status_code == 403
    assert all(map(is_inside, browsers))
    signed_in("view_user", "change_user").post("/admin/auth/user/", sent)
    assert not any(map(is_inside, browsers))
    assert AuditEntry.objects.filter(action="acted", subject_id=str(user.pk)).exists()
