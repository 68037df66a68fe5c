"""Stories of staff: money moved by hand, holds voided together, and work assigned, talked about and finished."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from balances.instructing import end_plans, settle_some
from balances.models import Balance, HoldPlan, Instruction, Transaction
from tests import world
from tests.browser.test_balance_statement import overflowing
from tests.people import person
from tests.test_browser import Desk, browser, desk, pytestmark  # noqa: F401 - fixtures and marks

MOVING = ("move_money", "view_instruction", "view_openhold", "view_holdplan")
WORKING = ("assign_finding", "view_assignment", "view_note")


@pytest.fixture
def wallets() -> tuple[Balance, Balance]:
    source, target = world.balance(indicator="@alice"), world.balance(indicator="@shop")
    world.post("@world", source, 100_000)
    return source, target


def filled(desk: Desk, **fields: str) -> None:  # noqa: F811
    for name, text in fields.items():
        field = desk.browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(text)


def previewed(desk: Desk, name: str) -> None:  # noqa: F811
    """Look at what it would do, and do it."""
    desk.press("Preview")
    desk.see("nothing has been moved")
    assert overflowing(desk, name) == []
    desk.press("Do it")
    desk.see("Done.")


def test_a_person_pays_holds_commits_and_refunds_after_a_preview(
    desk: Desk,  # noqa: F811
    wallets: tuple[Balance, Balance],
) -> None:
    source, target = wallets
    desk.sign_in(*MOVING)
    payment = {"source": "@alice", "destination": "@shop", "currency": "USD", "description": "rent", "reason": "T-1"}
    desk.open("instructions_instruction_add")
    filled(desk, **payment, amount="12.34")
    previewed(desk, "pay")
    desk.open("instructions_instruction_add")
    filled(desk, **payment, amount="50")
    box = desk.browser.find_element(By.NAME, "inflight")
    desk.browser.execute_script("arguments[0].click()", box)
    previewed(desk, "hold")
    hold = Transaction.objects.get(status="INFLIGHT")
    desk.open("instructions_instruction_part", "commit", hold.pk)
    filled(desk, amount="20", reason="T-2")
    previewed(desk, "commit")
    committed = Transaction.objects.get(parent_transaction=hold.pk, status="APPLIED")
    desk.open("instructions_instruction_part", "refund", committed.pk)
    filled(desk, reason="T-3")
    previewed(desk, "refund")
    target.refresh_from_db()
    source.refresh_from_db()
    assert (target.balance, source.inflight_debit_balance) == (1_234, 3_000)
    assert set(Instruction.objects.values_list("state", flat=True)) == {"done"}


def test_a_person_voids_many_holds_together(
    desk: Desk,  # noqa: F811
    wallets: tuple[Balance, Balance],
) -> None:
    for units in (1_000, 2_500, 700):
        world.post(*wallets, units, inflight=True)
    desk.sign_in(*MOVING)
    desk.open("instructions_openhold_changelist")
    desk.see("Age")
    assert overflowing(desk, "open-holds") == []
    driver: Any = desk.browser
    for box in driver.find_elements(By.CSS_SELECTOR, "input.action-select"):
        driver.execute_script("arguments[0].click()", box)
    chosen = driver.find_element(By.CSS_SELECTOR, "select[name=action]")
    driver.execute_script("arguments[0].value = 'void_holds'; arguments[0].form.requestSubmit()", chosen)
    desk.see("nothing has been settled")
    desk.see("Void 3 of 3 selected holds: 42.00")
    assert overflowing(desk, "void-preview") == []
    filled(desk, reason="Ticket 4711")
    desk.press("Void 3 holds")
    desk.see("0 of 3")
    while settle_some():
        pass
    end_plans()
    driver.refresh()
    desk.see("Done: 3.")
    assert overflowing(desk, "void-done") == []
    assert HoldPlan.objects.get().state == "done"
    assert world.totals(wallets[0])["inflight_debit_balance"] == 0


def test_a_person_assigns_work_talks_about_it_and_finishes_it(
    desk: Desk,  # noqa: F811
    wallets: tuple[Balance, Balance],
) -> None:
    desk.sign_in(*WORKING)
    me = desk.browser.execute_script("return document.body.textContent.match(/person-[0-9]+/)[0]")
    helper = person("view_balance").username
    desk.open("balances_balance_change", wallets[0].pk)
    Select(desk.browser.find_element(By.NAME, "assignee")).select_by_visible_text(me)
    Select(desk.browser.find_element(By.NAME, "state")).select_by_visible_text("In progress")
    desk.press("Save")
    desk.see(f"{me}, In progress")
    filled(desk, text=f"Looks odd to me, @{helper}: do you know this one?")
    desk.press("Add note")
    desk.see("Looks odd to me")
    assert overflowing(desk, "work") == []
    desk.open("index")
    desk.see("1 to do")
    assert overflowing(desk, "home-yours") == []
    desk.follow("Show all your work")
    desk.see("In progress")
    assert overflowing(desk, "board") == []
    desk.choose(wallets[0].pk)
    Select(desk.browser.find_element(By.NAME, "state")).select_by_visible_text("Done")
    desk.press("Save")
    desk.see(f"{me}, Done")
    desk.open("index")
    desk.see("Nothing is assigned to you")
