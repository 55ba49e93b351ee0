"""Somebody who uses a page by the keyboard alone."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import FileChooser, Locator, Page, expect

MOST_TABS = 60
SECONDS = 20


class Keyboard:
    """`steps` counts what was done, not the way there."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.steps = 0
        self.choosers: list[FileChooser] = []
        page.on("filechooser", self._open)  # from the beginning: to listen takes effect only after a while

    def _open(self, chooser: FileChooser) -> None:
        self.choosers.append(chooser)

    def go_to(self, what: Locator) -> None:
        """By the Tab key; the thing must show that it has the focus."""
        expect(what).to_be_visible()
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            if what.evaluate("element => element === document.activeElement"):
                break
        expect(what).to_be_focused()
        assert what.evaluate("element => element.matches(':focus-visible')")

    def press(self, role: str, name: str, key: str = "Enter") -> None:
        self.go_to(self.page.get_by_role(role, name=name).first)  # type: ignore[arg-type]
        self.page.keyboard.press(key)
        self.steps += 1

    def write(self, label: str, words: str) -> None:
        self.go_to(self.page.get_by_label(label))
        self.page.keyboard.type(words)
        self.steps += 1

    def choose(self, label: str, file: Path) -> None:
        self.go_to(self.page.get_by_label(label))
        self.page.keyboard.press("Enter")
        until = time.monotonic() + SECONDS
        while not self.choosers and time.monotonic() < until:
            self.page.wait_for_timeout(50)
        self.choosers.pop().set_files(file)
        self.steps += 1

    def sign_in(self, who: str, role: str) -> None:
        self.page.goto(f"/sign-in?q={who}")
        self.press("button", f", {role}")
        self.steps = 0

    def sign_out(self) -> None:
        """The next page is awaited: a key, other than a click, waits for no page that it leads to."""
        self.press("button", "Sign out")
        expect(self.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
