"""A password is not enough where there is a second factor: wrong, used, old and foreign ones let nobody in."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from balances.ground import MASTER
from balances.instructing.service import Person, approve
from balances.keys import keyring
from balances.models import now
from ledgerproj.models import Factor, RecoveryCode
from ledgerproj.second_factor import codes, door, limits, sealing
from ledgerproj.second_factor.policy import SecondFactorNeeded, require_to_approve
from reconciliation.correcting.planning import Choice, Proposal, propose
from reconciliation.measuring.scope import Scope
from reconciliation.models import Acceptance, AuditEntry, Finding, Origin, Plan, Refusal, Step
from reconciliation.records import refusals
from reconciliation.sweeping.service import create_sweep, run_sweep
from tests import world
from tests.client import Client as Holder
from tests.people import person, signed_in

pytestmark = pytest.mark.django_db
PASSWORD = "a long password"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
LOGIN, CHECK, OWN = "/admin/login/", "/admin/second-factor/check/", "/admin/second-factor/"
NOT_CODES = ("", "12345", "1234567", "abcdef", "１２３４５６", "\x00", "' or 1=1", "9" * 10_000)


@pytest.fixture(autouse=True)
def _braked(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AXES_ENABLED = True
    monkeypatch.setattr(refusals, "_PACES", {})
    monkeypatch.setattr(limits.CODES, "_buckets", limits.CODES._buckets.__class__())


@pytest.fixture
def alice() -> User:
    return enrolled(person("view_ledger"))


def enrolled(user: User) -> User:
    Factor.objects.create(user=user, kind="codes", name="Phone", secret=sealing.seal(SECRET))
    return user


def code(steps: int = 0) -> str:
    return pyotp.TOTP(SECRET).at(int(time.time()) + steps * 30)


def wrong_code() -> str:
    right = {code(step) for step in range(-3, 4)}
    return next(text for n in range(100) if (text := f"{n:06}") not in right)


def with_password(user: User, address: str = "192.0.2.1", **sent: str) -> Client:
    """Return a browser in which the password was given."""
    browser = Client(REMOTE_ADDR=address)
    answer = browser.post(LOGIN, {"username": user.username, "password": PASSWORD} | sent)
    assert (answer.status_code, answer.headers["Location"]) == (302, CHECK)
    return browser


def is_inside(browser: Client) -> bool:
    return browser.get("/admin/").status_code == 200


def test_the_password_alone_signs_nobody_in_who_has_a_second_factor(alice: User) -> None:
    browser = with_password(alice)
    assert not is_inside(browser)
    assert browser.get(OWN).status_code == 302
    assert browser.get(reverse("second_factor_app")).status_code == 302
    assert "_auth_user_id" not in browser.session
    assert not AuditEntry.objects.filter(action="signed in").exists()


def test_a_thousand_wrong_codes_close_the_door_and_are_on_record(alice: User) -> None:
    browser, wrong = with_password(alice), wrong_code()
    answers = [browser.post(CHECK, {"code": wrong}).status_code for _ in range(1000)]
    assert answers[:5] == [200, 200, 200, 200, 429]
    assert set(answers[4:]) == {429}
    assert browser.post(CHECK, {"code": code()}).status_code == 429
    assert not is_inside(browser)
    assert (
        Client(REMOTE_ADDR="192.0.2.1").post(LOGIN, {"username": alice.username, "password": PASSWORD}).status_code
        == 429
    )
    kept = {each.why for each in Refusal.objects.all()}
    assert "Wrong second factor, after the right password" in kept
    assert is_inside(_after(with_password(alice, "192.0.2.2"), code()))


def _after(browser: Client, typed: str) -> Client:
    browser.post(CHECK, {"code": typed})
    return browser


def test_codes_of_one_user_are_limited_from_however_many_networks_they_come(alice: User) -> None:
    wrong = wrong_code()
    for n in range(limits.CODES_AN_HOUR):
        assert with_password(alice, f"198.51.100.{n}").post(CHECK, {"code": wrong}).status_code == 200
    answer = with_password(alice, "203.0.113.1").post(CHECK, {"code": code()})
    assert door.TOO_MANY in answer.content.decode()
    bob = enrolled(person())
    assert is_inside(_after(with_password(bob, "203.0.113.2"), code()))


def test_the_thirty_attempts_a_minute_of_a_network_count_codes_as_well(alice: User, settings: Any) -> None:
    settings.AXES_ENABLED = False
    browser = with_password(alice)
    answers = [browser.post(CHECK, {"code": "1"}).status_code for _ in range(40)]
    assert answers[-1] == 429


def test_a_right_password_does_not_forgive_wrong_codes(alice: User) -> None:
    for _ in range(4):
        assert with_password(alice).post(CHECK, {"code": wrong_code()}).status_code == 200
    assert AccessAttempt.objects.get().failures_since_start == 4
    assert with_password(alice).post(CHECK, {"code": wrong_code()}).status_code == 429


@pytest.mark.parametrize("typed", NOT_CODES)
def test_what_is_no_code_is_refused_in_words(alice: User, typed: str) -> None:
    answer = with_password(alice).post(CHECK, {"code": typed})
    assert (answer.status_code, answer.context["error"]) == (200, door.WRONG)


def test_a_code_counts_once_in_whatever_browser(alice: User) -> None:
    used = code()
    assert is_inside(_after(with_password(alice), used))
    assert not is_inside(_after(with_password(alice), used))
    assert not is_inside(_after(with_password(alice), code(-1)))  # nor does an older one any more
    assert is_inside(_after(with_password(alice), code(1)))


def test_the_clock_may_be_one_step_off_and_no_more(alice: User) -> None:
    at = codes.timezone.now()
    found = [codes.step_of(SECRET, pyotp.TOTP(SECRET).at(int(at.timestamp()) + n * 30), at) for n in (-2, -1, 0, 1, 2)]
    now = int(at.timestamp()) // 30
    assert found == [None, now - 1, now, now + 1, None]


def test_a_recovery_code_counts_once_and_those_of_others_never(alice: User) -> None:
    bob = enrolled(person())
    mine, theirs = codes.new_recovery_codes(alice), codes.new_recovery_codes(bob)
    assert not is_inside(_after(with_password(alice), theirs[0]))
    assert is_inside(_after(with_password(alice), mine[0].upper()))
    assert not is_inside(_after(with_password(alice), mine[0]))
    assert codes.recovery_codes_left(alice) == 9
    assert mine[1] not in str(list(RecoveryCode.objects.values()))


def test_between_the_pages_the_password_must_still_be_right_and_not_be_long_ago(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = with_password(alice)
    alice.set_password("another long password")
    alice.save()
    assert changed.get(CHECK).headers["Location"] == LOGIN
    alice.set_password(PASSWORD)
    alice.save()
    late = with_password(alice)
    monkeypatch.setattr(door, "WAITING_SECONDS", -1)
    assert late.post(CHECK, {"code": code()}).headers["Location"] == LOGIN
    assert not is_inside(late)
    assert Client().get(CHECK).headers["Location"] == LOGIN


def test_who_was_made_inactive_between_the_pages_stays_outside(alice: User) -> None:
    browser = with_password(alice)
    User.objects.update(is_active=False)
    assert not is_inside(_after(browser, code()))


def test_a_forged_form_is_refused(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True, REMOTE_ADDR="192.0.2.1")
    browser.cookies = with_password(alice).cookies
    assert browser.post(CHECK, {"code": code()}).status_code == 403
    inside = Client(enforce_csrf_checks=True)
    inside.force_login(alice)
    for page in ("second_factor_app", "second_factor_passkey", "second_factor_codes"):
        assert inside.post(reverse(page), {"password": PASSWORD}).status_code == 403


def test_the_way_back_leads_to_no_other_host(alice: User) -> None:
    answer = with_password(alice, next="https://evil.example/").post(CHECK, {"code": code()})
    assert answer.headers["Location"] == "/admin/"


def test_an_answer_of_a_passkey_without_a_question_or_of_nonsense_is_wrong(alice: User) -> None:
    for answer in ("{}", "[]", "nonsense", '{"id": "x", "rawId": "x"}', "[" * 10_000, "x" * 30_000):
        shown = with_password(alice).post(CHECK, {"answer": answer}, REMOTE_ADDR=f"192.0.2.{len(answer) % 250}")
        assert "This passkey was not accepted" in shown.context["error"]


def test_the_second_factor_of_somebody_else_cannot_be_removed(alice: User) -> None:
    bob = Client()
    bob.force_login(person())
    page = reverse("second_factor_remove", args=[alice.factors.get().pk])
    assert bob.get(page).status_code == 404
    assert bob.post(page, {"password": PASSWORD}).status_code == 404
    assert alice.factors.exists()


@pytest.mark.parametrize("page", ["second_factor", "second_factor_app", "second_factor_passkey", "second_factor_codes"])
def test_strangers_and_users_who_are_no_staff_get_no_page(page: str) -> None:
    user = person()
    user.is_staff = False
    user.save()
    outside = Client()
    outside.force_login(user)
    for browser in (Client(), outside):
        assert browser.get(reverse(page)).headers["Location"].startswith(LOGIN)


def test_each_change_asks_for_the_password_which_counts_as_one_at_the_door(alice: User) -> None:
    browser = Client(REMOTE_ADDR="192.0.2.1")
    browser.force_login(alice)
    page = reverse("second_factor_remove", args=[alice.factors.get().pk])
    assert [browser.post(page, {"password": "wrong"}).status_code for _ in range(5)] == [200, 200, 200, 200, 429]
    assert "Wait 15 minutes" in browser.post(page, {"password": PASSWORD}).content.decode()
    assert alice.factors.exists()
    assert Refusal.objects.filter(why__contains="on the page of").exists()


def test_an_app_is_set_up_with_its_code_and_then_asked_for(settings: Any) -> None:
    user = person()
    browser = Client(REMOTE_ADDR="192.0.2.1")
    assert browser.post(LOGIN, {"username": user.username, "password": PASSWORD}).headers["Location"] == "/admin/"
    page = reverse("second_factor_app")
    shown = browser.get(page)
    secret = shown.context["secret"].replace(" ", "")
    assert "<svg" in shown.content.decode()
    assert "style=" not in shown.context["picture"]
    assert secret not in str(dict(browser.session))
    sent = {"name": "Phone", "password": PASSWORD}
    right = pyotp.TOTP(secret).now()
    assert browser.post(page, sent | {"code": "000000" if right != "000000" else "111111"}).status_code == 200
    assert not Factor.objects.exists()
    done = browser.post(page, sent | {"code": right})
    assert len(done.context["codes"]) == 10
    assert "no-store" in done.headers["Cache-Control"]
    kept = Factor.objects.get()
    assert secret not in str(vars(kept))
    assert sealing.unseal(kept.secret) == secret
    record = AuditEntry.objects.get(action="changed")
    assert json.loads(record.after) == {"second factor": "Authenticator app “Phone”"}
    again = with_password(user)
    assert not is_inside(_after(again, right))  # it was used to set the app up
    assert is_inside(_after(with_password(user), pyotp.TOTP(secret).at(int(time.time()) + 30)))
    came = AuditEntry.objects.filter(action="signed in").latest("done_at")
    assert json.loads(came.after) == {"second factor": "Authenticator app “Phone”"}


def test_with_another_secret_key_the_secrets_cannot_be_read_and_with_a_fallback_they_can(settings: Any) -> None:
    sealed, old = sealing.seal("x"), settings.SECRET_KEY
    settings.SECRET_KEY = "another secret key of this house"
    assert sealing.unseal(sealed) is None
    settings.SECRET_KEY_FALLBACKS = [old]
    assert sealing.unseal(sealed) == "x"


def test_the_last_factor_takes_the_recovery_codes_along(alice: User) -> None:
    codes.new_recovery_codes(alice)
    browser = Client()
    browser.force_login(alice)
    page = reverse("second_factor_remove", args=[alice.factors.get().pk])
    assert browser.post(page, {"password": PASSWORD}).status_code == 302
    assert not alice.factors.exists()
    assert not alice.recovery_codes.exists()


def reset(browser: Client, *users: User) -> str:
    sent = {"action": "reset_second_factor", "index": "0", "_selected_action": [user.pk for user in users]}
    return str(browser.post("/admin/auth/user/", sent, follow=True).content.decode())


def test_an_administrator_resets_what_was_lost_on_record_but_not_above_them(alice: User) -> None:
    codes.new_recovery_codes(alice)
    root = enrolled(User.objects.create_superuser("root", password=PASSWORD))
    administrator = enrolled(person("view_user", "change_user"))
    browser = Client()
    browser.force_login(administrator)
    assert "rights that you do not have" in reset(browser, alice)
    alice.user_permissions.clear()
    assert "Only a superuser" in reset(browser, alice, root)
    assert "Remove your own" in reset(browser, alice, administrator)
    assert alice.factors.exists()
    assert "are removed" in reset(browser, alice)
    assert not alice.factors.exists()
    assert not alice.recovery_codes.exists()
    assert json.loads(AuditEntry.objects.get(action="acted").after)["done"] == "Second factor reset."
    assert "reset_second_factor" not in signed_in("view_user").get("/admin/auth/user/").content.decode()


def test_where_everyone_needs_one_no_other_page_is_shown_before(settings: Any) -> None:
    settings.LEDGER_SECOND_FACTOR = "everyone"
    browser = signed_in("view_ledger")
    for page in ("/admin/", "/admin/balances/ledger/", "/admin/auth/user/"):
        assert browser.get(page).headers["Location"] == OWN
        assert browser.post(page).headers["Location"] == OWN
    assert "Everyone needs a second factor" in browser.get("/admin/", follow=True).content.decode()
    assert browser.get(reverse("second_factor_app")).status_code == 200
    assert browser.get("/admin/password_change/").status_code == 200
    enrolled(User.objects.get())
    assert browser.get("/admin/balances/ledger/").status_code == 200


def test_the_policy_asks_people_and_their_keys_but_no_service_and_not_the_master_key(settings: Any) -> None:
    user = person("approve_plan")
    mine, service = (
        keyring.issue(name="key", owner_id=owner, scopes=["*:*"], expires_at=now())
        for owner in (user.username.upper(), "nightly")
    )
    by_key = [f"key ({key.pk})" for key in (mine, service)]
    for actor in (user.username, *by_key, MASTER.actor):
        require_to_approve(actor)  # off
    settings.LEDGER_SECOND_FACTOR = "approvers"
    for actor in (user.username, by_key[0]):
        with pytest.raises(SecondFactorNeeded, match="Set one up"):
            require_to_approve(actor)
    with pytest.raises(SecondFactorNeeded):
        approve("ins_x", note="", by=Person(actor=user.username, address=""))
    require_to_approve(by_key[1])
    require_to_approve(MASTER.actor)
    enrolled(user)
    for actor in (user.username, by_key[0]):
        require_to_approve(actor)


def proposed() -> Plan:
    owner = world.ledger()
    balance = world.balance(owner, indicator="@alice")
    world.post(world.balance(owner), balance, 70_000)
    world.drift(balance, credit=4_200)
    sweep = create_sweep(Scope(everything=True), actor="zoe", origin=Origin.COMMAND)
    run_sweep(sweep.sweep_id)
    return propose(Choice(sweep_id=sweep.pk), Proposal(actor="zoe", origin=Origin.COMMAND, reason="x"))


@pytest.mark.django_db(transaction=True)
def test_an_approver_without_one_approves_and_accepts_through_no_door_and_is_shown_how_to_get_one(
    settings: Any,
) -> None:
    settings.LEDGER_SECOND_FACTOR = "approvers"
    plan = proposed()
    rights = ("view_plan", "view_finding", "approve_plan", "accept_finding")
    user = person(*rights)
    browser = Client()
    browser.force_login(user)
    page = reverse("admin:reconciliation_plan_change", args=[plan.pk])
    shown = browser.get(page).content.decode()
    assert reverse("admin:reconciliation_plan_approve", args=[plan.pk]) not in shown
    assert f'href="{OWN}"' in shown
    answer = browser.post(reverse("admin:reconciliation_plan_approve", args=[plan.pk]), {"note": ""}, follow=True)
    assert "Approving needs a second factor" in answer.content.decode()
    finding = Finding.objects.latest("found_at")
    accepted = reverse("admin:reconciliation_finding_accept", args=[finding.pk])
    assert "Approving needs a second factor" in browser.post(accepted, {"note": "x"}, follow=True).content.decode()
    key = keyring.issue(name="mine", owner_id=user.username, scopes=["*:*"], expires_at=now() + timedelta(days=1))
    by_key = Holder(key.plaintext).post(f"/plans/{plan.pk}/approve", {})
    assert (by_key.status, "second factor" in by_key.text) == (403, True)
    plan.refresh_from_db()
    assert (plan.state, Acceptance.objects.count()) == ("proposed", 0)
    assert Step.objects.filter(plan_id=plan.pk, kind="refused", note__contains="second factor").count() == 2
    assert "for that a second factor is needed" in browser.get(OWN).content.decode()
    enrolled(user)
    assert reverse("admin:reconciliation_plan_approve", args=[plan.pk]) in browser.get(page).content.decode()
    browser.post(reverse("admin:reconciliation_plan_approve", args=[plan.pk]), {"note": ""})
    plan.refresh_from_db()
    assert plan.state == "approved"
