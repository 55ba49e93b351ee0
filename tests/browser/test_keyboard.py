"""Each journey by the keyboard alone, found by what is to be read on the page, and in no more steps than it needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Demo
from tests.browser.keyboard import Keyboard
from tests.support.university import PDF, settle

STUDENT, TUTOR, OPERATOR = "P4000112", "00001001", "00009001"


@pytest.fixture
def keyboard(browser: Browser, demo: Demo) -> Iterator[Keyboard]:
    page = browser.new_page(base_url=demo.address, locale="en-GB")
    page.set_default_timeout(20_000)
    yield Keyboard(page)
    page.close()


def test_the_first_tab_leads_past_the_menu(keyboard: Keyboard) -> None:
    keyboard.page.goto("/verify")
    keyboard.press("link", "Skip to main content")
    expect(keyboard.page.get_by_role("main")).to_be_focused()


def test_a_student_has_a_receipt_in_four_steps(keyboard: Keyboard, tmp_path: Path) -> None:
    answer = tmp_path / "answer.pdf"
    answer.write_bytes(PDF)
    keyboard.sign_in(STUDENT, "student")
    keyboard.press("link", "Reading the figures")
    keyboard.choose("Your file", answer)
    keyboard.press("button", "Hand in")
    expect(keyboard.page.get_by_role("heading", name="Check your work: answer.pdf")).to_be_visible()
    keyboard.press("button", "Confirm and hand in")
    expect(keyboard.page.get_by_role("heading", name="Your work was received")).to_be_visible()
    assert keyboard.steps == 4


def test_a_tutor_collects_in_two_steps_and_reads_the_news_in_one(
    keyboard: Keyboard, demo: Demo, tmp_path: Path
) -> None:
    test_a_student_has_a_receipt_in_four_steps(keyboard, tmp_path)
    settle(demo.system, every_seconds=0.05)
    keyboard.sign_out()
    keyboard.sign_in(TUTOR, "tutor")
    expect(keyboard.page.get_by_role("table", name="Each script")).to_be_visible()
    keyboard.press("link", "Dafydd Jones")
    with keyboard.page.expect_download():
        keyboard.press("button", "Collect and download")
    assert keyboard.steps == 2
    keyboard.press("link", "Messages")
    expect(keyboard.page.get_by_role("heading", name="Messages")).to_be_visible()


def test_operations_find_a_piece_of_work_in_three_steps(keyboard: Keyboard, tmp_path: Path, demo: Demo) -> None:
    test_a_student_has_a_receipt_in_four_steps(keyboard, tmp_path)
    submission = keyboard.page.url.rsplit("/", 1)[-1]
    settle(demo.system, every_seconds=0.05)
    keyboard.sign_out()
    keyboard.sign_in(OPERATOR, "operations")
    keyboard.press("link", "Trail")
    keyboard.write("What to look for", submission)
    keyboard.page.keyboard.press("Enter")
    expect(keyboard.page.get_by_text("SubmissionReceived").first).to_be_visible()
    assert keyboard.steps == 2


def test_anybody_checks_a_receipt_and_its_file(keyboard: Keyboard, tmp_path: Path) -> None:
    test_a_student_has_a_receipt_in_four_steps(keyboard, tmp_path)
    receipt = tmp_path / "receipt.jws"
    receipt.write_text(keyboard.page.locator("#receipt").text_content() or "", encoding="ascii")
    keyboard.sign_out()
    keyboard.press("link", "Check a receipt")
    keyboard.choose("The receipt as a file", receipt)
    keyboard.press("button", "Check")
    expect(keyboard.page.get_by_role("heading", name="This receipt is genuine")).to_be_visible()
    keyboard.choose("The file that was handed in", tmp_path / "answer.pdf")
    expect(keyboard.page.get_by_text("is the file that was handed in, byte for byte")).to_be_visible()
