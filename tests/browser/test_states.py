"""Each page in each of its states, as `walk.py` goes through them: no fault that a program can find."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page

from shared.web.rights import RIGHTS
from tests.browser.conftest import Demo
from tests.browser.walk import Walk

WIDTHS = (320, 1280)
NO_PAGES = {
    "/",
    "/healthz",
    "/readyz",
    "/favicon.ico",
    "/sign-in/university",
    "/sign-in/return",
    "/tutor/scripts/{work_id}/file",
    "/operations/live",
}
"""What answers to GET without a page of its own: it leads on, is a file, or is for a machine or the provider."""


class Inspector:
    """Asks what a page shows for faults, and notes whose addresses it was asked about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.axe = Axe()
        self.faults: list[str] = []
        self.paths: set[str] = set()
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on("console", self._hear)

    def look(self, name: str) -> None:
        """Nothing that axe finds, and no sideways scrolling, at any width."""
        self.paths.add(urlsplit(self.page.url).path)
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            overflow = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if overflow > 0:
                self.faults.append(f"{name} is {overflow} px wider than {width} px")
            results = self.axe.run(self.page)
            if results.violations_count:
                self.faults.append(f"{name} at {width} px: {results.generate_report()}")

    def _hear(self, said: ConsoleMessage) -> None:
        """A complaint of the browser, but the one that a page was answered with a problem, as some are."""
        expected = said.text.startswith("Failed to load resource") and "/static/" not in said.location["url"]
        if said.type == "error" and not expected:
            self.faults.append(f"{self.page.url}: {said.text}")


def addresses_of_pages() -> set[str]:
    """Of all services, as the table of rights writes them."""
    paths = {path for method, path in (route.split(" ") for route in RIGHTS) if method == "GET"}
    return {path for path in paths if not path.startswith(("/api/", "/internal/", "/.well-known/"))} - NO_PAGES


def unseen(paths: set[str]) -> set[str]:
    """The pages of which none of the paths is one."""
    patterns = {page: re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(page))) for page in addresses_of_pages()}
    return {page for page, pattern in patterns.items() if not any(map(pattern.fullmatch, paths))}


def test_each_page_and_state_is_without_a_fault(browser: Browser, demo: Demo, tmp_path: Path) -> None:
    page = browser.new_page(base_url=demo.address, locale="en-GB")
    page.set_default_timeout(20_000)
    inspector = Inspector(page)
    Walk(page, demo, tmp_path, inspector.look).whole()
    assert inspector.faults == []
    assert unseen(inspector.paths) == set(), "walk.py does not go there"
    page.close()
