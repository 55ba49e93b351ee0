"""Operations staff at a browser: figures that change by themselves, and what is done with dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from shared.messaging.tables import dead_letter
from tests.browser.conftest import Demo, embedded_demo
from tests.browser.test_journeys import STUDENT, check, hand_in, sign_in, sign_out
from tests.browser.test_journeys import browser_context_args as browser_context_args  # noqa: PLC0414 - a fixture
from tests.browser.test_journeys import page as page  # noqa: PLC0414 - a fixture
from tests.integration.operations_house import received
from tests.support.messages import letter_row
from tests.support.university import settle

OPERATOR = "00009001"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """In one process; letters are buried in its databases."""
    with embedded_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


def bury(demo: Demo, key: str) -> None:
    """A fact that marking could not apply, and can now, with one behind it."""
    marking = demo.system.services[2].database
    with marking.transaction() as tx:
        rows = [
            letter_row("marking", received(key, version=1), number=1, state="buried"),
            letter_row("marking", received(key, version=2), number=2, state="parked"),
        ]
        tx.connection.execute(sa.insert(dead_letter), rows)


def allocated(page: Page) -> int:
    return int(page.locator('[data-stage="allocated"]').text_content() or "")


def test_figures_change_by_themselves_and_can_be_loaded_anew(page: Page, demo: Demo, tmp_path: Path) -> None:
    sign_in(page, OPERATOR, "operations")
    expect(page.get_by_role("heading", name="Pipeline")).to_be_visible()
    before = allocated(page)
    check(page)
    if page.scripted:  # type: ignore[attr-defined]
        expect(page.get_by_role("status")).to_have_text("The figures change by themselves.")
    other = page.context.browser.new_context(base_url=demo.address, java_script_enabled=False)  # type: ignore[union-attr]
    student = other.new_page()
    student.scripted = False  # type: ignore[attr-defined]
    sign_in(student, STUDENT if page.scripted else "P4000038", "student")  # type: ignore[attr-defined]
    hand_in(student, tmp_path)
    other.close()
    settle(demo.system, every_seconds=0.05)
    if not page.scripted:  # type: ignore[attr-defined]
        page.get_by_role("link", name="Load the figures anew").click()
    expect(page.locator('[data-stage="allocated"]')).to_have_text(str(before + 1))
    check(page)


@pytest.mark.parametrize("by", ["line", "server"])
def test_a_lost_connection_is_said_and_it_goes_on_when_it_is_back(page: Page, by: str) -> None:
    if not page.scripted:  # type: ignore[attr-defined]
        pytest.skip("there is no connection without scripts")
    page.clock.install()
    sign_in(page, OPERATOR, "operations")
    said = page.get_by_role("status")
    expect(said).to_have_text("The figures change by themselves.")
    answer = {"line": lambda route: route.abort(), "server": lambda route: route.fulfill(status=503)}[by]
    page.route("**/operations/live*", answer)
    page.reload()
    page.clock.run_for(11_000)
    expect(said).to_contain_text("The connection is lost: the figures are those of the time shown")
    page.complaints.clear()  # type: ignore[attr-defined]  # the browser says in its own words what was lost
    check(page)
    page.unroute("**/operations/live*")
    page.clock.run_for(60_000)
    expect(said).to_have_text("The figures change by themselves again.")


def test_a_dead_letter_is_tried_given_up_and_replayed(page: Page, demo: Demo) -> None:
    key = "w-scripted" if page.scripted else "w-plain"  # type: ignore[attr-defined]
    sign_in(page, OPERATOR, "operations")
    page.get_by_role("link", name="Dead letters", exact=True).click()
    expect(page.get_by_text("There are none" if page.scripted else "Buried")).not_to_have_count(0)  # type: ignore[attr-defined]
    check(page)
    bury(demo, key)
    page.reload()
    check(page)
    page.get_by_role("row", name=key).get_by_role("link").click()
    expect(page.get_by_role("heading", name="SubmissionReceived")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Try it without effect").click()
    expect(page.get_by_role("heading", name="What a replay would do")).to_be_visible()
    expect(page.get_by_text("It would be applied, with 1 that waits behind it.")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("alert")).to_contain_text("Enter why this message is given up")
    page.complaints.clear()  # type: ignore[attr-defined]  # the browser says 422 in its own words
    check(page)
    page.get_by_label("Reason").fill("Sent twice by a test.")
    page.wait_for_timeout(1000)  # sooner, a second press of a button is taken for a slip of the hand
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("It is given up for ever.")).to_be_visible()
    expect(page.get_by_text("Sent twice by a test.")).to_be_visible()
    check(page)
    page.get_by_role("link", name="Dead letters").first.click()
    page.get_by_role("row", name=key).get_by_role("link").click()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("It was applied, and so was what waited behind it.")).to_be_visible()
    check(page)
    page.goto("/operations/dead-letters?state=replayed")
    expect(page.get_by_role("row", name=key)).to_have_count(1)
    check(page)
    sign_out(page)
