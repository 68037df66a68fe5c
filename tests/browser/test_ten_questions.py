"""Ten questions that staff ask: each answered in a real browser, in at most two clicks from the first page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from balances.models import now
from reconciliation.correcting import Choice, Proposal, propose
from reconciliation.correcting import reconstruct as correct
from reconciliation.measuring import Scope
from reconciliation.models import Origin
from reconciliation.sweeping import create_sweep, run_sweep
from tests import world
from tests.test_browser import Desk, browser, desk, pytestmark, wrong  # noqa: F401

CLICKS = 2
MONTH_AGO = timedelta(days=40)


@pytest.fixture
def cast(desk: Desk) -> Desk:  # noqa: F811
    """Let there be something to ask about, and somebody who may see all of it, on the first page."""
    ann = User.objects.create_superuser("ann", password="a long password")
    correct(wrong("@right-again").pk, world.request(actor="bob", reason="Ticket 1"))
    alice = wrong("@alice")
    shop, guest = world.balance(indicator="@shop"), world.balance(indicator="@guest")
    world.row("INFLIGHT", 500, guest, shop, reference="rent-of-may", created_at=now() - MONTH_AGO)
    for end, side in ((guest, "hold_debit"), (shop, "hold_credit")):
        world.drift(end, **{side: 500})
    run_sweep(create_sweep(Scope(everything=True), actor="nightly", origin=Origin.COMMAND).pk)
    propose(Choice(balance_ids=(alice.pk,)), Proposal(actor="carol", origin=Origin.API, reason="Ticket 2"))
    desk.browser.get(desk.server.url + reverse("admin:index"))
    desk.type("username", "ann")
    desk.type("password", "a long password")
    desk.browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    desk.see("is wrong")
    desk.open("auth_group_change", str(Group.objects.get_or_create(name="Viewer")[0].pk))
    name = desk.browser.find_element(By.NAME, "name")
    name.clear()
    name.send_keys("Lookers", Keys.ENTER)
    desk.see("was changed successfully")
    assert ann.is_superuser
    return desk


def from_home(desk: Desk) -> None:  # noqa: F811
    desk.open("index")
    desk.see("is wrong")
    desk.clicks = 0


def in_the_bar(desk: Desk, section: str, label: str) -> None:  # noqa: F811
    """Follow a link of the bar at the side, which may have to be opened first."""
    link = desk.browser.find_element(By.XPATH, f"//nav//a[normalize-space(.)='{label}' or contains(., '{label}')]")
    if not link.is_displayed():
        desk.browser.find_element(By.XPATH, f"//nav//h2[contains(., '{section}')]").click()
        desk.clicks += 1
    desk.wait(lambda _: desk._reach(link))
    desk.clicks += 1


def search(desk: Desk, words: str) -> None:  # noqa: F811
    field = desk.browser.find_element(By.CSS_SELECTOR, "input[name=q]")
    field.send_keys(words, Keys.ENTER)


def answered(desk: Desk, *texts: str) -> None:  # noqa: F811
    for text in texts:
        desk.see(text)
    assert desk.clicks <= CLICKS, texts


def test_each_of_ten_questions_is_answered_in_two_clicks(cast: Desk, settings: Any) -> None:
    ask = cast
    # 1, 2, 3: Which balances are wrong, since when, by how much, and why?
    from_home(ask)
    ask.follow("Show what is open")
    answered(ask, "@alice", "-4,200", "Wrong since", "Stored total edited")
    ask.choose("@alice")
    answered(ask, "Stored total edited")
    # 4: Who corrected @right-again last week?
    from_home(ask)
    answered(ask, "@right-again", "by bob")
    # 5: What waits for me?
    answered(ask, "asked by carol")
    ask.follow("Approve or reject")
    answered(ask, "Waits for approval", "Ticket 2")
    # 6: What is stuck?
    from_home(ask)
    answered(ask, "No background worker is running")
    # 7: Which holds are older than a month?
    from_home(ask)
    in_the_bar(ask, "Ledger", "Open holds")
    answered(ask, "Held since", "rent-of-may", "1 month")  # the oldest first
    # 8: Who changed the permissions of a group?
    from_home(ask)
    in_the_bar(ask, "Evidence", "Audit log")
    answered(ask, "Lookers", "ann")
    # 9: What did the last sweep find?
    from_home(ask)
    ask.follow("Show the last proof")
    answered(ask, "Something is wrong.", "1 balance drifted")
    # 10: What has a balance on it, and what moved it last?
    from_home(ask)
    in_the_bar(ask, "Ledger", "Balances")
    search(ask, "@alice")
    ask.choose("@alice")
    answered(ask, "742.00 USD", "Came from", "Last transactions")
