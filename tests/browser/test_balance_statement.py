"""From the page of a balance to its statement, its holds and its counterparties, wide and narrow, light and dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from balances.history.snapshots import take_snapshots
from balances.models import Balance, now
from tests import world
from tests.people import CASES
from tests.test_browser import Desk, browser, desk, pytestmark  # noqa: F401 - fixtures and marks

SHOTS = os.environ.get("LEDGER_SCREENSHOTS", "")
"""A directory to leave screenshots in, to be looked at."""
LONG = int("1234567890" * 4)
WIDTHS, THEMES = (1280, 390), ("light", "dark")
TOO_WIDE = """
    const wide = ["html", "#verdict", "#totals", "#holds", "#flows", "#course", "#period", "#statement"];
    const parts = wide.flatMap((each) => [...document.querySelectorAll(each)]);
    return parts.some((each) => each.scrollWidth > each.clientWidth);
"""
"""Whether the page, or a part of it that money stands in, scrolls sideways."""


def looks(desk: Desk, name: str) -> Iterator[tuple[str, bool]]:  # noqa: F811
    """Show the page in each width and theme, and yield whether it scrolls sideways there."""
    driver: Any = desk.browser
    for width in WIDTHS:
        for theme in THEMES:
            metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
            driver.execute_script("document.documentElement.classList.toggle('dark', arguments[0])", theme == "dark")
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            if SHOTS:
                height = driver.execute_script("return document.documentElement.scrollHeight")
                driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics | {"height": height})
                driver.save_screenshot(str(Path(SHOTS) / f"{name}-{width}-{theme}.png"))
            yield f"{name} {width} {theme}", driver.execute_script(TOO_WIDE)
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_script("document.documentElement.classList.remove('dark')")


def overflowing(desk: Desk, name: str) -> list[str]:  # noqa: F811
    return [look for look, overflows in looks(desk, name) if overflows]


@pytest.fixture
def alice() -> Balance:
    """Return a balance of forty digits with a snapshot, drift, an open hold, and rows of two counterparties."""
    owner = world.ledger()
    alice, shop = world.balance(owner, indicator="@alice"), world.balance(owner, indicator="@shop")
    world.post("@bank", alice, LONG, description="Opening", reference="opening")
    for number in range(60):
        world.post(alice, shop, 100 + number, description=f"Order {number}", reference=f"order-{number}")
    world.post(alice, shop, 5_000, inflight=True, reference="hotel")
    take_snapshots()
    world.drift(alice, credit=4_200)
    world.row("APPLIED", 1, shop, alice, effective_date=now() - timedelta(days=1), reference="yesterday")
    return alice


def test_a_person_reads_the_statement_of_a_balance_and_what_is_on_its_page(
    desk: Desk,  # noqa: F811
    alice: Balance,
) -> None:
    desk.sign_in(*CASES)
    desk.open("balances_balance_change", alice.pk)
    desk.see("Held to go out")
    for part, text in (("holds", "hotel"), ("flows", "Went to"), ("course", "by transactions")):
        desk.browser.execute_script(
            f"document.querySelector('section[hx-get*=\"/{part}/\"]')?.scrollIntoView({{block: 'center'}})"
        )
        desk.wait(lambda b, part=part, text=text: text in b.find_element(By.ID, part).text)  # type: ignore[misc]
    assert overflowing(desk, "balance") == []
    copied, as_curl = desk.browser.find_elements(By.CSS_SELECTOR, ".ledger-copies [data-copy]")
    assert copied.get_attribute("data-copy") == alice.pk
    desk.browser.find_element(By.CSS_SELECTOR, ".ledger-copies button").click()
    desk.wait(lambda b: b.find_element(By.CSS_SELECTOR, ".ledger-copies button").text == "check")
    curl = as_curl.get_attribute("data-copy") or ""
    assert "$KEY" in curl
    assert world.MASTER_KEY not in curl

    desk.follow("statement with running balance")
    desk.see("Closing balance")
    assert len(desk.browser.find_elements(By.CSS_SELECTOR, "#statement tbody tr")) == 50
    assert overflowing(desk, "statement") == []
    desk.follow("Next")
    desk.see("opening")
    desk.see("yesterday")
    desk.follow("First page")
    Select(desk.browser.find_element(By.NAME, "status")).select_by_visible_text("Applied, and holds")
    desk.type("text", "hotel")
    desk.press("Show")
    desk.see("(50.00)")
    assert "text=hotel" in desk.browser.current_url
    assert overflowing(desk, "statement-of-a-hold") == []
