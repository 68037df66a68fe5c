"""Looks at a page in a browser for what people cannot use, what the policy of our pages forbids, and what overflows."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from selenium.webdriver import Chrome

AXE = files("selenium_axe_python").joinpath("axe-core/axe.min.js").read_text()
PHONE, DESK = 390, 1280
HEIGHT = 900
SIDEBAR = "#nav-sidebar"
"""The same on each page, so it is looked at on the first alone."""
HARMLESS = (
    "[DOM] Input elements should have autocomplete",
    "the server responded with a status of 403",
    "the server responded with a status of 404",
)
"""Advice, and that a page is one that refuses."""
LOOK = """
const [exclude, everything, done] = arguments;
const only = everything ? {} : {runOnly: ["color-contrast", "link-in-text-block"]};
const options = {resultTypes: ["violations"], preload: false, ...only};
const said = ({html, any}) => `${html.slice(0, 200)} ${any.map(({message}) => message)[0] ?? ""}`;
axe.run({include: [["body"]], exclude}, options).then(({violations}) => done(
    violations.filter(({impact}) => impact === "serious" || impact === "critical").flatMap(
        ({id, nodes}) => nodes.slice(0, 3).map(node => `${id}: ${said(node)}`)
    )
));
"""
LOADED = (
    "return performance.getEntriesByType('resource').map(({name}) => name).filter(name => !name.startsWith('data:'))"
)


class Inspector:
    """Opens pages and returns what is wrong with them, as sentences."""

    def __init__(self, browser: Chrome, server: str) -> None:
        self.browser, self.server = browser, server
        self.looked_at = 0

    def open(self, path: str) -> list[str]:
        """Open a page and return what is wrong with it."""
        self._resize(DESK)
        self._theme("light")
        self.browser.get(self.server + path)
        return [f"{path}: {each}" for each in self.look()]

    def look(self) -> list[str]:
        """Return what is wrong with the page that is open: in both themes, at a desk and on a telephone."""
        self.browser.execute_script(AXE)
        found = self._title() + self._elsewhere()
        exclude = [[SIDEBAR]] if self.looked_at else []
        found += [f"light {each}" for each in self._axe(exclude, everything=True)]
        self._theme("dark")
        found += [f"dark {each}" for each in self._axe(exclude, everything=False)]
        for width in (DESK, PHONE):
            self._resize(width)
            if self.browser.execute_script("return document.documentElement.scrollWidth > innerWidth"):
                found.append(f"scrolls sideways at {width}")
        self.looked_at += 1
        return found + self._complaints()

    def _axe(self, exclude: list[list[str]], *, everything: bool) -> list[str]:
        found: list[str] = self.browser.execute_async_script(LOOK, exclude, everything)
        return found

    def _title(self) -> list[str]:
        name = self.browser.title.split("|")[0].strip()
        return [] if name else [f"has no title: {self.browser.title!r}"]

    def _elsewhere(self) -> list[str]:
        """Return what was loaded from another host."""
        return [
            f"loads {name}"
            for name in self.browser.execute_script(LOADED)
            if not name.startswith((self.server, "data:"))
        ]

    def _complaints(self) -> list[str]:
        """Return what the browser has written to its console: errors of scripts, and what the policy has blocked."""
        lines: list[dict[str, Any]] = self.browser.get_log("browser")
        return [line["message"][:300] for line in lines if not any(each in line["message"] for each in HARMLESS)]

    def _theme(self, theme: str) -> None:
        feature = {"name": "prefers-color-scheme", "value": theme}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        self.browser.execute_script("document.documentElement.classList.toggle('dark', arguments[0])", theme == "dark")

    def _resize(self, width: int) -> None:
        size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width == PHONE}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
