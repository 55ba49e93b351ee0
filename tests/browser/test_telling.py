"""How people choose to be told, and what operations staff do about mail that failed, by what the pages say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from services.notifier.channels.port import Channel, Fate, Mail, Outcome
from services.notifier.directory.store import assignments
from services.notifier.obligations.store import obligations
from shared.database import upsert
from tests.browser import test_journeys as journeys
from tests.browser.conftest import Demo, embedded_demo
from tests.browser.keyboard import Keyboard
from tests.browser.test_journeys import check, hand_in, sign_in, sign_out
from tests.support.university import settle

STUDENT, TUTOR, OPERATOR = "P4000001", "00001001", "00009001"
MOST_STOPS = 60

browser_context_args, page = journeys.browser_context_args, journeys.page
"""With and without scripts, on a page that notes what the browser complains of."""


class Refusing:
    """A mail server that takes nothing until it is told to."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.refuses = False

    def send_all(self, mails: list[Mail]) -> list[Outcome]:
        return [Outcome(Fate.REJECTED, "smtp_550") for _ in mails] if self.refuses else self.channel.send_all(mails)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """In one process: its mail server is one of ours."""
    with embedded_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture(scope="module")
def refusing(demo: Demo) -> Refusing:
    sender = demo.system.notifier.service.loops[0]
    refusing = Refusing(sender.channel)  # type: ignore[attr-defined]
    sender.channel = refusing  # type: ignore[attr-defined]
    return refusing


def test_a_student_chooses_the_daily_digest(page: Page) -> None:
    sign_in(page, STUDENT, "student")
    page.get_by_role("link", name="Messages", exact=True).click()
    page.get_by_role("link", name="Choose when you are told by mail").click()
    expect(page.get_by_text("Receipt for work handed in")).to_be_visible()
    check(page)
    page.get_by_label("Once a day").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("You are told from now on: once a day.")
    expect(page.get_by_label("Once a day")).to_be_checked()
    check(page)


def test_a_tutor_chooses_by_the_keyboard_alone(page: Page) -> None:
    sign_in(page, TUTOR, "tutor")
    page.goto("/preferences")
    if not page.scripted:  # type: ignore[attr-defined]  # where the focus is, scripts tell
        return
    keyboard = Keyboard(page)
    keyboard.press("radio", "At once", "ArrowDown")
    page.keyboard.press("ArrowDown")
    keyboard.press("button", "Save")
    expect(page.get_by_role("status")).to_contain_text("only under Messages")
    page.goto("/preferences")
    page.get_by_label("At once").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("at once")


def test_nothing_chosen_is_explained_and_leads_to_the_choice(page: Page) -> None:
    sign_in(page, STUDENT, "student")
    page.goto("/preferences")
    if not page.scripted:  # type: ignore[attr-defined]  # nobody takes a mark away without a script
        return
    page.evaluate("() => document.querySelectorAll('[name=way]').forEach(radio => { radio.checked = false; })")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose how you want to be told")
    assert page.title().startswith("Problem:")
    page.complaints.clear()  # type: ignore[attr-defined]  # the browser says 422 in its own words
    check(page)
    page.get_by_role("link", name="Choose how you want to be told").click()
    expect(page.get_by_label("At once")).to_be_focused()


def test_operations_staff_send_a_failed_message_again(
    page: Page, demo: Demo, refusing: Refusing, tmp_path: Path
) -> None:
    refusing.refuses = True
    sign_in(page, STUDENT, "student")
    hand_in(page, tmp_path)
    settle(demo.system, every_seconds=0.05)
    sign_out(page)
    refusing.refuses = False
    sign_in(page, OPERATOR, "operations")
    if page.get_by_role("button", name="Menu").is_visible():
        page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Deliveries").click()
    page.get_by_label("Which").select_option("Failed")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("The mail server answered with code 550.").first).to_be_visible()
    check(page)
    failed = page.get_by_role("button", name="Send again to").count()
    if page.scripted:  # type: ignore[attr-defined]
        Keyboard(page).press("button", "Send again to")
    else:
        page.get_by_role("button", name="Send again to").first.click()
    expect(page.get_by_role("heading", name="Sent again")).to_be_visible()
    check(page)
    settle(demo.system, every_seconds=0.05)
    page.goto("/deliveries?state=failed")
    assert page.get_by_role("button", name="Send again to").count() == failed - 1
    while page.get_by_role("button", name="Send again to").count():
        page.get_by_role("button", name="Send again to").first.click()
        settle(demo.system, every_seconds=0.05)
        page.goto("/deliveries?state=failed")
    expect(page.get_by_text("Nothing is to be looked at.")).to_be_visible()
    check(page)
    page.goto("/deliveries")


def test_many_messages_are_read_page_by_page_by_the_keyboard(page: Page, demo: Demo) -> None:
    add_messages(demo, 400)
    sign_in(page, STUDENT, "student")
    page.goto("/inbox")
    check(page)
    seen = page.get_by_role("listitem").filter(has=page.get_by_role("heading", level=2)).count()
    assert seen == 50
    pages = 1
    while page.get_by_role("link", name="Older messages").count():
        if page.scripted and pages == 1:  # type: ignore[attr-defined]
            reach_end(page)
            page.keyboard.press("Enter")
            expect(page).not_to_have_url(f"{demo.address}/inbox")
        else:
            page.get_by_role("link", name="Older messages").click()
        pages += 1
    check(page)
    assert pages >= 9


def reach_end(page: Page) -> None:
    """Put the focus on the last link of the page's content, going backwards from the end of the document."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Shift+Tab")
        name = page.evaluate("() => document.activeElement.textContent")
        if name == "Older messages":
            return
    pytest.fail("the keyboard does not reach the older messages")


RIGHT_TO_LEFT = "تقرير عن المجتمعات الرقمية \u202e(fdp.exe)"
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2


def add_messages(demo: Demo, number: int) -> None:
    """News of assignments whose titles are as unwieldy as titles can be, straight into the rows."""
    notifier = demo.system.notifier.service.database
    titles = {"rtl": RIGHT_TO_LEFT, "long": LONG}
    with notifier.transaction() as tx:
        receipt = (
            tx.connection.execute(sa.select(obligations).where(obligations.c.purpose == "receipt")).mappings().first()
        )
        assert receipt is not None
        known = {"revision": 1, "module_code": "K827", "cut_off_at": tx.now}
        named = [{"assignment_id": name, "title": title, **known} for name, title in titles.items()]
        tx.write(upsert(assignments, key=["assignment_id"]), named)
        news = {**receipt, "purpose": "lateness_corrected", "parameters": {"version": "1", "band": "late"}}
        rows = [
            {**news, "obligation_id": f"made-{n}", "event_id": f"event-{n}", "assignment_id": ("rtl", "long")[n % 2]}
            for n in range(number)
        ]
        tx.write(upsert(obligations, key=["obligation_id"]), rows)
