"""Whoever guesses passwords has to wait, nobody else has, and what was refused is on record without a secret."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.management import call_command
from django.template.response import TemplateResponse
from django.test import Client, override_settings

from balances.ground.rate_limit import RateLimiter
from ledgerproj import signing_in
from reconciliation.models import Refusal
from reconciliation.records import refusals
from reconciliation.records.verifying import Verification

LOGIN = "/admin/login/"
RIGHT = "a long password"
SECRET = "hunter2-typed-into-the-wrong-field"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _braked(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AXES_ENABLED = True
    monkeypatch.setattr(refusals, "_PACES", {})


@pytest.fixture
def alice() -> User:
    return User.objects.create_superuser("alice", password=RIGHT)


def attempt(password: str, name: str = "alice", address: str = "192.0.2.1", browser: Client | None = None) -> Any:
    return (browser or Client()).post(LOGIN, {"username": name, "password": password}, REMOTE_ADDR=address)


def test_after_five_failures_a_user_is_closed_to_that_network_and_to_no_other(alice: User) -> None:
    assert [attempt("wrong").status_code for _ in range(5)] == [200, 200, 200, 200, 429]
    refused = attempt(RIGHT)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "900")
    text = refused.content.decode()
    assert "For 15 minutes" in text
    assert "manage.py axes_reset_username" in text
    assert attempt(RIGHT, address="192.0.2.2").status_code == 302


def test_an_attacker_in_one_network_of_ipv6_is_one_attacker(alice: User) -> None:
    codes = [attempt("wrong", address=f"2001:db8::{n}").status_code for n in range(5)]
    assert codes[-1] == 429
    assert attempt(RIGHT, address="2001:db8::99").status_code == 429
    assert attempt(RIGHT, address="2001:db8:0:1::99").status_code == 302


def test_who_is_let_in_begins_anew(alice: User) -> None:
    for _ in range(3):
        assert [attempt("wrong").status_code for _ in range(4)] == [200] * 4
        assert attempt(RIGHT).status_code == 302
    assert not AccessAttempt.objects.exists()


def test_the_wait_does_not_grow_by_trying_and_a_command_ends_it(alice: User) -> None:
    for _ in range(5):
        attempt("wrong")
    before = AccessAttempt.objects.get()
    for _ in range(3):
        assert attempt("wrong").status_code == 429
    after = AccessAttempt.objects.get()
    assert (after.attempt_time, after.failures_since_start) == (before.attempt_time, 5)
    call_command("axes_reset_username", "alice", verbosity=0)
    assert attempt(RIGHT).status_code == 302


def test_the_wait_is_over_in_time(alice: User) -> None:
    for _ in range(5):
        attempt("wrong")
    assert attempt(RIGHT).status_code == 429
    AccessAttempt.objects.update(attempt_time=AccessAttempt.objects.get().attempt_time - timedelta(minutes=16))
    assert attempt(RIGHT).status_code == 302


def test_behind_a_named_proxy_each_client_is_itself_and_nobody_writes_the_address_himself(alice: User) -> None:
    def through(client: str, password: str) -> int:
        browser = Client(headers={"X-Forwarded-For": client})
        return int(attempt(password, address="10.0.0.7", browser=browser).status_code)

    with override_settings(LEDGER_TRUSTED_PROXIES=[ip_network("10.0.0.7")]):
        assert [through("198.51.100.1", "wrong") for _ in range(5)][-1] == 429
        assert through("198.51.100.1", RIGHT) == 429
        assert through("198.51.100.2", RIGHT) == 302
    for n in range(5):  # nobody is believed without such a setting
        last = through(f"203.0.113.{n}", "wrong")
    assert last == 429


def test_one_network_tries_thirty_passwords_a_minute_whatever_the_names(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_in, "RateLimiter", partial(RateLimiter, clock=lambda: 0.0))
    browser = Client()
    codes = [attempt("x", name=f"nobody-{n}", browser=browser).status_code for n in range(31)]
    assert codes.count(200) + codes.count(429) == 31
    assert codes[-1] == 429
    assert "Wait a minute" in attempt(RIGHT, browser=browser).content.decode()
    assert attempt(RIGHT, address="192.0.2.2", browser=browser).status_code == 302
    assert browser.get(LOGIN, REMOTE_ADDR="192.0.2.1").status_code in (200, 302)


def test_names_of_nobody_fill_no_table_and_are_kept_nowhere(alice: User) -> None:
    for n in range(20):
        attempt(SECRET, name=f"{SECRET}-{n}")
    attempt(SECRET)
    attempt_of = {(each.username, each.ip_address) for each in AccessAttempt.objects.all()}
    assert attempt_of == {("unknown", "192.0.2.1"), ("alice", "192.0.2.1")}
    kept = [str(each.__dict__) for model in (AccessAttempt, Refusal) for each in model.objects.all()]
    assert not [text for text in kept if SECRET in text]


def test_refused_sign_ins_are_sealed_records_one_a_minute_and_kind(alice: User) -> None:
    for _ in range(7):
        attempt("wrong")
    for n in range(4):
        attempt("wrong", name=f"nobody-{n}", address="192.0.2.9")
    found = sorted((each.actor, each.door, each.why, each.address) for each in Refusal.objects.all())
    closed = "Too many failed attempts: closed to this network for 15 minutes"
    assert found == [
        ("alice (not signed in)", "sign-in", closed, "192.0.2.1"),
        ("alice (not signed in)", "sign-in", "Wrong password, or not active", "192.0.2.1"),
        ("unknown (not signed in)", "sign-in", "No user has this name", "192.0.2.9"),
    ]
    assert list(Verification()) == []


def test_a_brake_that_fails_to_record_brakes_all_the_same(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("no record")

    monkeypatch.setattr("reconciliation.receivers.record_refusal", broken)
    assert [attempt("wrong").status_code for _ in range(5)][-1] == 429


@pytest.mark.parametrize("name", ["", "a\x00b", "a" * 200, "\ud800", "alice\n"])
def test_odd_names_are_no_surprise(alice: User, name: str) -> None:
    browser = Client()
    body = b"username=" + name.encode("utf-8", "surrogatepass") + b"&password=x"
    answer = browser.post(LOGIN, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200


def test_a_client_without_an_address_is_braked_too(alice: User) -> None:
    assert [attempt("wrong", address="").status_code for _ in range(5)][-1] == 429


@pytest.mark.parametrize(
    ("networks", "names", "closed"),
    [(1, 1, {"alice"}), (1, 20, set()), (1000, 1, set()), (50, 4, {"alice", "b1", "b2", "b3"})],
)
def test_a_thousand_wrong_passwords_lock_as_documented_are_counted_and_lock_no_one_else_out(
    alice: User, monkeypatch: pytest.MonkeyPatch, networks: int, names: int, closed: set[str]
) -> None:
    """One network is stopped by its own limits; of many, each is closed out of the names that it was wrong about."""
    everyone = ["alice", *(f"b{number}" for number in range(1, names))]
    for name in everyone[1:]:
        User.objects.create_user(name, password=RIGHT, is_staff=True)
    monkeypatch.setattr(TemplateResponse, "rendered_content", "")
    monkeypatch.setattr(signing_in, "render_to_string", lambda *_: "")
    browser, answers = Client(), Counter[int]()
    for turn in range(1000):
        address = f"10.1.{turn % networks // 250}.{turn % networks % 250}"
        name = everyone[turn // networks % names]
        answers[attempt("wrong", name, address, browser).status_code] += 1
    assert sum(answers.values()) == 1000
    tried = sum(AccessAttempt.objects.values_list("failures_since_start", flat=True))
    if networks == 1:
        least = 5 if names == 1 else 30  # and one more every two seconds
        assert least <= tried <= (5 if names == 1 else 60)
        assert answers[429] >= 1000 - tried
    else:
        assert tried <= 5 * networks * names
    shut = {name for name in everyone if attempt(RIGHT, name, "10.1.0.0").status_code == 429}
    assert shut == closed
    assert all(attempt(RIGHT, name, "192.0.2.99").status_code == 302 for name in everyone)
    counted = sum(Refusal.objects.values_list("attempts", flat=True))
    waiting = sum(pace.unwritten for pace in refusals._PACES.values())
    assert counted >= names
    assert counted + waiting >= tried
