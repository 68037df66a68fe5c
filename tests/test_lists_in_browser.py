"""Every list in a real browser: nothing is wider than the screen, on a desk or a telephone, and ids can be copied."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from balances.models import Ledger, now
from balances.models.hooks import Delivery
from reconciliation.models import Break, Incident, Plan
from tests import world
from tests.test_browser import Desk, browser, desk, pytestmark  # noqa: F401 - fixtures, and when they can run
from tests.test_every_page import cast, list_of, pages, swept  # noqa: F401

LONG = int("1234567890" * 4)
TOO_WIDE = """
    const wide = [...document.querySelectorAll('body, #content-main, #changelist, #changelist *')].filter((each) =>
        each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0 && each.closest('template') === null
        && ['auto', 'scroll'].includes(getComputedStyle(each).overflowX));
    const root = document.documentElement;
    const found = wide.map((each) => `${each.id || each.className} ${each.scrollWidth} > ${each.clientWidth}`);
    return root.scrollWidth > window.innerWidth ? [...found, `page ${root.scrollWidth}`] : found;
"""


@pytest.fixture
def long_ones(cast: None) -> None:  # noqa: F811
    """Add what is as long as it can be: amounts of forty digits, long names."""
    owner = Ledger.objects.create(name="A ledger with a name that goes on and on, as in real life they do")
    balance = world.balance(owner, indicator="@" + "merchant-settlement-" * 3)
    world.post("@payer", balance, LONG)
    world.drift(balance, credit=LONG, hold_credit=LONG)
    finding = world.finding(
        balance, cause="silent_settlement", explained_at=now(), unexplained=LONG, first_wrong_at=now()
    )
    sweep = finding.sweep
    totals = {"balances": 2_000_000, "drift": {"DEM": LONG, "USD": LONG, "JPY": LONG, "EUR": LONG}}
    title = "A sentence about what they have in common, which says a good deal"
    Incident.objects.create(sweep=sweep, cause="lost_update", title=title, **totals)
    Plan.objects.filter(undoing=False).update(**totals, reason="words " * 40)
    kind, whose = Break.Kind.BALANCE_BORN, {"balance_id": balance.pk, "currency": "USD"}
    author = {"database_user": "a_database_user_with_a_long_name"}
    made = {"kind": kind, "stream": 1, "position": 2, "xid": 2, "committed_at": now(), "author": author}
    Break.objects.create(**made, **whose, balance=LONG, credit_balance=LONG)
    Delivery.objects.update(answer="ConnectionError: " * 8, recipient="hooks.a-rather-long-host-name.example.org")


@pytest.fixture
def somebody(desk: Desk, long_ones: None) -> Desk:  # noqa: F811
    """Sign in as one who may do everything."""
    User.objects.create_superuser("root", password="a long password")
    desk.open("index")
    desk.type("username", "root")
    desk.type("password", "a long password")
    desk.browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    desk.see("Balances")
    return desk


def wide(desk: Desk, width: int) -> dict[str, Any]:  # noqa: F811
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    desk.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    found = {}
    for model, _ in pages():
        desk.browser.get(desk.server.url + list_of(model))
        desk.wait(lambda b: b.find_elements(By.ID, "changelist"))
        if too_wide := desk.browser.execute_script(TOO_WIDE):
            found[model.__name__] = too_wide
    return found


def test_no_list_scrolls_sideways_on_a_desk_or_a_telephone(somebody: Desk) -> None:
    assert {width: found for width in (1280, 390) if (found := wide(somebody, width))} == {}


def test_an_id_is_copied_whole_with_the_keyboard_alone(somebody: Desk) -> None:
    somebody.browser.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    ledger = Ledger.objects.order_by("-created_at", "-ledger_id").first()
    assert ledger is not None
    somebody.open("balances_ledger_changelist")
    buttons = somebody.browser.find_elements(By.CSS_SELECTOR, ".ledger-copy")
    assert len(buttons) == Ledger.objects.count()
    assert buttons[0].get_attribute("aria-label") == f"Copy {ledger.pk}"
    buttons[0].send_keys(Keys.ENTER)
    somebody.wait(lambda b: b.execute_script("return document.activeElement.ariaLabel") == "Copied")
    assert somebody.browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == ledger.pk
