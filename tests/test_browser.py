"""The main job in a real browser: sign in, look at a wrong balance, preview, reconstruct, see the result."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from balances.models import Balance
from balances.models.monitors import BalanceMonitor
from reconciliation.models import Plan, Reconstruction, Step
from tests import world
from tests.people import CASES, VIEW, person

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
WAIT_SECONDS = 20
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed"),
]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for option in (*OPTIONS, f"--user-data-dir={tmp_path}"):
        options.add_argument(option)
    started = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield started
    started.quit()


class Desk:
    """A person in front of the browser."""

    def __init__(self, browser: webdriver.Chrome, server: Any) -> None:
        self.browser, self.server = browser, server
        self.clicks = 0

    def wait(self, condition: Callable[[webdriver.Chrome], bool]) -> None:
        """Wait for it, also while one page goes and the next one comes."""
        WebDriverWait(self.browser, WAIT_SECONDS, ignored_exceptions=[WebDriverException]).until(condition)

    def see(self, text: str) -> None:
        try:
            self.wait(lambda b: text in b.find_element(By.TAG_NAME, "body").text)
        except TimeoutException:
            pytest.fail(
                f"{text!r} is not on {self.browser.current_url}: {self.browser.find_element(By.TAG_NAME, 'body').text}"
            )

    def follow(self, label: str) -> None:
        self._click(By.LINK_TEXT, label)

    def choose(self, name: str) -> None:
        """Follow the link of a row, which says more than the name."""
        self._click(By.PARTIAL_LINK_TEXT, name)

    def press(self, label: str) -> None:
        self._click(By.XPATH, f"//button[normalize-space(.)='{label}']")

    def tick(self, label: str) -> None:
        self._click(By.XPATH, f"//label[contains(., '{label}')]/input")

    def _click(self, by: str, what: str) -> None:
        self.wait(lambda b: self._reach(b.find_element(by, what)))
        self.clicks += 1

    def _reach(self, element: WebElement) -> bool:
        """Click where a person would: not under the bar at the foot of the page."""
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()
        return True

    def type(self, name: str, text: str) -> None:
        self.browser.find_element(By.NAME, name).send_keys(text)

    def open(self, view: str, *args: str) -> None:
        self.browser.get(self.server.url + reverse(f"admin:{view}", args=args))

    def sign_in(self, *codenames: str) -> None:
        somebody = person(*VIEW, *codenames)
        self.browser.delete_all_cookies()
        self.open("index")
        self.type("username", somebody.username)
        self.type("password", "a long password")
        self.browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
        self.see("Balances")


@pytest.fixture
def desk(browser: webdriver.Chrome, live_server: Any, settings: Any) -> Desk:
    settings.LEDGER_FOUR_EYES_DIRECT = False
    return Desk(browser, live_server)


def wrong(indicator: str) -> Balance:
    owner = world.ledger()
    balance = world.balance(owner, indicator=indicator)
    world.post(world.balance(owner), balance, 70_000)
    world.drift(balance, credit=4_200)
    return balance


def test_a_person_previews_and_reconstructs_a_balance_on_its_page(desk: Desk) -> None:
    alice = wrong("@alice")
    desk.sign_in("preview_reconstruction", "reconstruct_balance")
    desk.open("balances_balance_change", alice.pk)
    desk.see("The metadata holds no result of a reconstruction.")
    desk.press("Preview reconstruction")
    desk.see("No balance was changed.")
    desk.see("-4200")
    assert world.totals(alice)["balance"] == 74_200
    desk.press("Go on to reconstruct…")
    desk.press("Reconstruct")
    desk.see("Say why")
    assert world.totals(alice)["balance"] == 74_200
    desk.type("reason", "Ticket 4711")
    desk.press("Reconstruct")
    desk.see("Corrected 1 balance from the transactions.")
    panel = desk.browser.find_element(By.ID, "last-result").text
    assert "Previous balance\n74200" in panel
    assert "Recalculated balance\n70000" in panel
    assert "Difference\n-4200" in panel
    assert "Ticket 4711" in desk.browser.find_element(By.ID, "history").text
    assert world.totals(alice)["balance"] == 70_000
    assert set(Reconstruction.objects.values_list("outcome", flat=True)) == {"previewed", "corrected"}


def test_a_person_reconstructs_several_balances_from_the_list(desk: Desk) -> None:
    chosen = [wrong("@alice"), wrong("@bob")]
    desk.sign_in("reconstruct_balance")
    desk.open("balances_balance_changelist")
    for balance in chosen:
        desk.browser.find_element(By.CSS_SELECTOR, f"input.action-select[value='{balance.pk}']").click()
    Select(desk.browser.find_element(By.NAME, "action")).select_by_visible_text("Reconstruct")
    desk.press("Run")
    desk.see("2 of 2 balances differ")
    desk.type("reason", "Ticket 4712")
    desk.press("Reconstruct")
    desk.see("Corrected 2 balances from the transactions.")
    assert [world.totals(each)["balance"] for each in chosen] == [70_000, 70_000]


def test_the_page_of_a_balance_offers_no_button_to_those_who_may_only_look(desk: Desk) -> None:
    alice = wrong("@alice")
    desk.sign_in()
    desk.open("balances_balance_change", alice.pk)
    desk.see("Last transactions")
    assert not desk.browser.find_elements(By.XPATH, "//button[contains(., 'econstruct') or contains(., 'Save')]")


def test_a_person_asks_what_a_balance_was_and_has_it_watched(desk: Desk) -> None:
    alice = wrong("@alice")
    desk.sign_in("view_balancemonitor", "add_balancemonitor")
    desk.open("balances_balance_change", alice.pk)
    desk.see("No monitor watches this balance.")
    desk.browser.find_element(By.NAME, "as_of").send_keys("01012100", Keys.TAB, "120000PM")
    desk.press("Show")
    desk.see("Applied by 2100-01-01 12:00:00 UTC")
    assert "70000" in desk.browser.find_element(By.ID, "as-of").text
    desk.follow("add one")
    desk.see("@alice (USD)")
    Select(desk.browser.find_element(By.NAME, "field")).select_by_visible_text("Balance")
    Select(desk.browser.find_element(By.NAME, "operator")).select_by_visible_text("is at most")
    desk.type("value", "0.29")
    desk.type("precision", "100")
    desk.type("description", "nearly empty")
    desk.press("Save")
    desk.see("was added successfully")
    desk.open("balances_balance_change", alice.pk)
    desk.follow("Balance is at most")
    desk.see("nearly empty")
    assert BalanceMonitor.objects.get().precise_value == 29


def test_drift_is_swept_explained_planned_approved_by_a_second_person_applied_and_taken_back(desk: Desk) -> None:
    alice = wrong("@alice")
    desk.sign_in(*CASES, "run_sweep", "propose_plan", "approve_plan")
    desk.open("reconciliation_sweep_add")
    desk.type("reason", "month end")
    desk.press("Start sweep")
    desk.see("The background worker will run this sweep.")
    desk.see("Unfinished: nothing is proved yet.")
    call_command("work", "--once")
    desk.see("Something is wrong.")  # the page reloads itself

    desk.open("index")
    desk.clicks = 0
    desk.see("1 balance is wrong")
    desk.follow("Show what is open")
    desk.choose("@alice")
    desk.see("Stored total edited")
    desk.press("Propose plan")
    desk.see("Nothing is changed before the plan is approved")
    desk.type("reason", "Ticket 4711")
    desk.press("Propose plan")
    desk.see("You asked for this plan; a second person must approve it.")
    assert desk.clicks <= 6
    assert not desk.browser.find_elements(By.XPATH, "//button[normalize-space(.)='Approve']")
    assert world.totals(alice)["balance"] == 74_200

    _approve_and_apply(desk, Plan.objects.get(), "undo_reconstruction")
    assert world.totals(alice)["balance"] == 70_000

    desk.open("reconciliation_reconstruction_change", Reconstruction.objects.get().pk)
    desk.press("Take this correction back")
    desk.type("reason", "it was the other account")
    desk.press("Propose plan")
    desk.see("You asked for this plan")
    _approve_and_apply(desk, Plan.objects.get(undoing=True))
    assert world.totals(alice)["balance"] == 74_200
    assert Step.objects.filter(kind="finished").count() == 2


def _approve_and_apply(desk: Desk, plan: Plan, *codenames: str) -> None:
    """Sign in as somebody else, approve a plan and have it applied by the worker."""
    desk.sign_in(*CASES, "approve_plan", "apply_plan", *codenames)
    desk.open("index")
    desk.clicks = 0
    desk.follow("Approve or reject")
    desk.see("Waits for approval")
    desk.type("note", "looked at it")
    desk.press("Approve")
    assert Plan.objects.get(pk=plan.pk).state == Plan.State.PROPOSED  # the browser asks for the tick first
    desk.clicks -= 1
    desk.tick("I have looked")
    desk.press("Approve")
    desk.see("The plan is approved.")
    assert desk.clicks <= 3
    desk.press("Apply")
    desk.see("The background worker applies the plan.")
    call_command("work", "--once")
    desk.see("Applied: 1")
