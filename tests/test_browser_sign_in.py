"""Signing in with a second factor, in a real browser: a passkey, an authenticator app, a recovery code."""

from __future__ import annotations

import time

import pyotp
import pytest
from django.urls import reverse
from selenium.webdriver.common.by import By
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

from ledgerproj.models import Factor
from tests import test_browser
from tests.people import VIEW, person
from tests.test_browser import Desk, browser, desk  # noqa: F401 - fixtures

pytestmark = test_browser.pytestmark
PASSWORD = "a long password"


def enter(at: Desk, name: str) -> None:
    """Give the password at the door."""
    at.browser.delete_all_cookies()
    at.open("index")
    at.type("username", name)
    at.type("password", PASSWORD)
    at.browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()


def go(at: Desk, name: str) -> None:
    at.browser.get(at.server.url + reverse(name))


@pytest.fixture
def authenticator(browser: object) -> None:  # noqa: F811
    options = VirtualAuthenticatorOptions(
        protocol="ctap2", transport="internal", has_resident_key=True, has_user_verification=True, is_user_verified=True
    )
    browser.add_virtual_authenticator(options)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("authenticator")
def test_a_person_sets_up_a_passkey_and_signs_in_with_it(desk: Desk) -> None:  # noqa: F811
    somebody = person(*VIEW)
    enter(desk, somebody.username)
    desk.see("Balances")
    go(desk, "second_factor")
    desk.see("None yet.")
    desk.follow("Set up a passkey")
    desk.type("password", PASSWORD)
    desk.press("Set up")
    desk.see("Keep these recovery codes")
    desk.follow("I have kept them")
    desk.see("10 left")
    enter(desk, somebody.username)
    desk.see("Use a passkey")
    desk.press("Use a passkey")
    desk.see("Balances")
    kept = Factor.objects.get()
    assert (kept.kind, kept.sign_count > 0) == ("passkey", True)
    go(desk, "second_factor_passkey")  # the same device a second time
    desk.type("password", PASSWORD)
    desk.press("Set up")
    desk.see("This device holds a passkey of yours already.")
    assert Factor.objects.count() == 1


def test_a_person_sets_up_an_app_signs_in_with_it_and_with_a_recovery_code(desk: Desk) -> None:  # noqa: F811
    somebody = person(*VIEW)
    enter(desk, somebody.username)
    desk.see("Balances")
    go(desk, "second_factor")
    desk.follow("Set up an authenticator app")
    desk.see("Scan this")
    assert desk.browser.find_element(By.CSS_SELECTOR, ".ledger-qr svg").size["width"] > 100
    app = pyotp.TOTP(desk.browser.find_element(By.ID, "secret").text.replace(" ", ""))
    desk.type("password", PASSWORD)
    desk.type("code", app.now())
    desk.press("Set up")
    desk.see("Keep these recovery codes")
    spare = desk.browser.find_element(By.CSS_SELECTOR, "#recovery-codes code").text
    enter(desk, somebody.username)
    desk.see("Code of your app")
    desk.type("code", "000000")
    desk.press("Go on")
    desk.see("That was not right.")
    desk.type("code", app.at(int(time.time()) + 30))
    desk.press("Go on")
    desk.see("Balances")
    enter(desk, somebody.username)
    desk.type("code", spare)
    desk.press("Go on")
    desk.see("You used a recovery code; 9 are left.")
