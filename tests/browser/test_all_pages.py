"""Every page of the back-office in a real browser, at once for accessibility, policy, console and sideways scroll."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from selenium import webdriver

from tests.browser.inspecting import Inspector
from tests.test_browser import browser  # noqa: F401
from tests.test_browser import pytestmark as in_a_browser
from tests.test_every_page import addresses, cast, pages, signed_in, swept  # noqa: F401

pytestmark = [*(mark for mark in in_a_browser if mark.name != "xdist_group"), pytest.mark.xdist_group("walk")]
NO_PAGES = ("/export.", "/autocomplete/", "/history/", "/jsi18n/", "/live/")
"""Files and parts of pages, and the history that Django keeps beside each page, which is none of ours."""
BESIDE = (
    "/admin/",
    "/admin/password_change/",
    "/admin/balances/",
    "/admin/guide/",
    "/admin/nothing/",
    "/admin/balances/transaction/add/",
)
"""Pages of no model, but for that of Swagger, whose colours are its own.

The last two are a page that says what is missing, and one that says what is refused.
"""


@pytest.fixture
def inspector(browser: webdriver.Chrome, live_server: Any, cast: None) -> Inspector:  # noqa: F811
    client = signed_in("superuser")
    browser.get(f"{live_server.url}/static/balances/icon.svg")
    browser.add_cookie({"name": settings.SESSION_COOKIE_NAME, "value": client.cookies["sessionid"].value, "path": "/"})
    browser.get_log("browser")  # the icon alone has no icon
    return Inspector(browser, live_server.url)


def as_the_browser() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get(username="superuser"))
    return client


def walked(client: Client) -> Iterator[str]:
    yield from BESIDE
    for model, model_admin in pages():
        for address in addresses(model, model_admin):
            if not any(part in address for part in NO_PAGES) and client.get(address).status_code == 200:
                yield address


def test_no_page_is_blocked_overflows_or_keeps_anyone_out(inspector: Inspector) -> None:
    opened = list(walked(as_the_browser()))
    assert len(opened) > 2 * len(admin.site._registry)
    found = [each for address in opened for each in inspector.open(address)]
    assert not found, "\n".join(found)
