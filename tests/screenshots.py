"""Makes the pictures of docs/guide.md, from a running quickstart: python -m tests.screenshots URL PASSWORD.

A plan has to wait for approval there: `manage.py plan --balance ID --reason "ticket 4711"`.
Each is the first screen of a page at 1280 pixels; it has to stay small.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "guide"
WIDTH, HEIGHT = 1280, 860
PAGES = {
    "home": ("/admin/", ""),
    "balance": ("/admin/balances/balance/?q=demo-ben", "@demo-ben"),
    "transaction": ("/admin/balances/transaction/?status__exact=INFLIGHT", "*"),
    "plan": ("/admin/reconciliation/plan/?state__exact=proposed", "*"),
}
"""Name, address, and the text of the row to open, if it is a list; ``*`` is the first."""


def main(url: str, password: str) -> None:
    options = webdriver.ChromeOptions()
    for option in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--window-size={WIDTH},{HEIGHT}",
    ):
        options.add_argument(option)
    browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    sign_in(browser, url, password)
    for name, (path, row) in PAGES.items():
        browser.get(url + path)
        if row:
            links = browser.find_elements(By.CSS_SELECTOR, "#result_list tbody th a")
            next(link for link in links if row in ("*", link.text.strip())).click()
        time.sleep(2)  # for what is drawn after the page has come
        browser.save_screenshot(str(FOLDER / f"{name}.png"))
    browser.quit()


def sign_in(browser: webdriver.Chrome, url: str, password: str) -> None:
    browser.get(f"{url}/admin/login/")
    browser.find_element(By.NAME, "username").send_keys("admin")
    browser.find_element(By.NAME, "password").send_keys(password)
    browser.find_element(By.CSS_SELECTOR, "form [type=submit]").click()
    time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:3])
