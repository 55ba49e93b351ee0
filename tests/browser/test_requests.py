"""A student and a tutor come to an agreement, each in a browser of their own, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Demo
from tests.support.university import settle

STUDENT, TUTOR = "P4000001", "00001001"


@pytest.fixture(params=[True, False], ids=["with-javascript", "without-javascript"])
def both(browser: Browser, demo: Demo, request: pytest.FixtureRequest) -> Iterator[tuple[Page, Page]]:
    pages = [
        browser.new_context(base_url=demo.address, locale="en-GB", java_script_enabled=request.param).new_page()
        for _ in range(2)
    ]
    for page, who, role in zip(pages, (STUDENT, TUTOR), ("student", "tutor"), strict=True):
        page.set_default_timeout(20_000)
        page.goto(f"/sign-in?q={who}")
        page.get_by_role("button", name=f", {role}").first.click()
    yield pages[0], pages[1]
    for page in pages:
        page.context.close()


def ask(page: Page) -> None:
    """From the list of work, in five steps."""
    page.get_by_role("link", name="Reading the figures").click()
    page.get_by_role("link", name="Ask for more time").click()
    page.get_by_label("Until which day do you need?").select_option(index=6)
    page.get_by_label("What is the reason?").select_option("Caring for somebody")
    page.get_by_role("button", name="Send the request").click()
    expect(page.get_by_text("You asked for more time")).to_be_visible()


def test_they_propose_to_one_another_until_they_agree(both: tuple[Page, Page], demo: Demo) -> None:
    student, tutor = both
    ask(student)
    settle(demo.system, every_seconds=0.05)
    tutor.get_by_role("link", name="Messages").click()
    tutor.get_by_role("link", name="A student asks for more time").first.click()  # the latest
    tutor.get_by_label("Which day do you propose?").select_option(index=2)
    tutor.get_by_role("button", name="Propose this day").click()
    expect(tutor.get_by_text("You proposed another day")).to_be_visible()
    student.get_by_role("button", name="Withdraw the request").click()
    expect(student.get_by_role("heading", name="There is another proposal by now")).to_be_visible()
    student.get_by_role("button", name="Agree").click()
    expect(student.get_by_text("You agreed")).to_be_visible()
    settle(demo.system, every_seconds=0.05)
    tutor.reload()
    expect(tutor.get_by_text("Agreed", exact=True)).to_be_visible()
    student.get_by_role("link", name="My work").click()
    expect(student.get_by_text("Your agreed cut-off")).to_be_visible()
