"""The journeys of a student, a tutor and operations staff, by what the pages say, with and without JavaScript."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Demo
from tests.support.university import PDF, settle
from tests.support.uploading import BYTES, PROTOCOL, UPLOADS, metadata_of

STUDENT, OTHER_STUDENT = "P4000001", "P4000038"
LATE_STUDENT = "P4000741"
"""Of another tutor than the two before."""


@pytest.fixture(params=[True, False], ids=["with-javascript", "without-javascript"])
def browser_context_args(browser_context_args: dict[str, object], request: pytest.FixtureRequest) -> dict[str, object]:
    return {**browser_context_args, "java_script_enabled": request.param, "locale": "en-GB"}


@pytest.fixture
def page(page: Page, browser_context_args: dict[str, object]) -> Page:
    page.set_default_timeout(10_000)
    page.scripted = browser_context_args["java_script_enabled"]  # type: ignore[attr-defined]

    def fail(message: object) -> None:
        errors.append(str(message))

    errors: list[str] = []
    page.on("pageerror", fail)
    page.on("console", lambda message: fail(message.text) if message.type == "error" else None)
    page.complaints = errors  # type: ignore[attr-defined]
    return page


def sign_in(page: Page, who: str, role: str) -> None:
    page.goto(f"/sign-in?q={who}")
    page.get_by_role("button", name=f", {role}").first.click()


def check(page: Page) -> None:
    """The browser complains of nothing; what else may be wrong with a page, `test_states.py` asks."""
    assert page.complaints == []  # type: ignore[attr-defined]


def choose(page: Page, folder: Path, *, content: bytes = PDF) -> None:
    file = folder / "answer.pdf"
    file.write_bytes(content)
    page.get_by_role("link", name="Reading the figures").click()
    page.get_by_label("Your file").set_input_files(file)
    page.get_by_role("button", name="Hand in").click()


def hand_in(page: Page, folder: Path) -> None:
    """With scripts the student looks at what has arrived before it is handed in."""
    choose(page, folder)
    if page.scripted:  # type: ignore[attr-defined]
        expect(page.get_by_role("heading", name="Check your work: answer.pdf")).to_be_visible()
        page.get_by_role("button", name="Confirm and hand in").click()
    expect(page.get_by_role("heading", name="Your work was received")).to_be_visible()


def test_a_student_hands_in_and_checks_the_receipt(page: Page, tmp_path: Path) -> None:
    sign_in(page, STUDENT, "student")
    check(page)
    hand_in(page, tmp_path)
    check(page)
    receipt = page.locator("#receipt").text_content() or ""
    page.get_by_role("link", name="Check a receipt").first.click()
    page.get_by_label("The signed receipt, as text").fill(receipt)
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name="This receipt is genuine")).to_be_visible()
    check(page)
    page.get_by_label("The signed receipt, as text").fill(receipt[:-8] + "AAAAAAAA")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name="This receipt is not genuine")).to_be_visible()


def test_a_printed_receipt_is_checked_by_its_file_and_by_its_number(page: Page, tmp_path: Path) -> None:
    sign_in(page, STUDENT, "student")
    hand_in(page, tmp_path)
    number = page.locator("dt", has_text="Receipt number").locator("xpath=following-sibling::dd[1]").text_content()
    address = page.get_by_role("link", name="Receipt to print (PDF)").get_attribute("href") or ""
    printed = page.request.get(address).body()
    page.get_by_role("link", name="Check a receipt").first.click()
    page.get_by_label("The receipt as a file").set_input_files(
        {"name": "receipt.pdf", "mimeType": "application/pdf", "buffer": printed}
    )
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name="This receipt is genuine")).to_be_visible()
    check(page)
    page.goto(f"/verify/{number}")
    expect(page.get_by_role("heading", name="This receipt is on record")).to_be_visible()
    check(page)


def test_a_wrong_file_is_explained_and_can_be_put_right(page: Page, tmp_path: Path) -> None:
    sign_in(page, STUDENT, "student")
    choose(page, tmp_path, content=b"\x7fELF" + bytes(50))
    expect(page.get_by_role("alert")).to_contain_text("of a type that this assignment does not take")
    page.complaints.clear()  # type: ignore[attr-defined]  # the browser says 415 in its own words
    check(page)


def test_a_student_confirms_what_was_uploaded(page: Page) -> None:
    sign_in(page, STUDENT, "student")
    page.get_by_role("link", name="Reading the figures").click()
    form = page.locator("form[enctype]").get_attribute("action") or ""
    said = metadata_of(assignment=page.url.rsplit("/", 1)[-1], filename="figures.pdf")
    headers = {
        **PROTOCOL,
        **BYTES,
        "upload-length": str(len(PDF)),
        "upload-metadata": said,
        "x-csrf-token": form.partition("csrf_token=")[2].partition("&")[0],
    }
    assert page.request.post(UPLOADS, headers=headers, data=PDF).status == 201
    page.reload()
    expect(page.get_by_role("heading", name="Uploaded, not handed in yet")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Confirm and hand in").click()
    expect(page.get_by_role("heading", name="Your work was received")).to_be_visible()
    expect(page.get_by_text("figures.pdf")).to_be_visible()
    check(page)


def scripts(page: Page) -> Locator:
    return page.get_by_role("table", name="Each script")


def test_a_tutor_collects(page: Page, demo: Demo, tmp_path: Path) -> None:
    sign_in(page, OTHER_STUDENT, "student")
    hand_in(page, tmp_path)
    settle(demo.system, every_seconds=0.05)
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "00001001", "tutor")
    check(page)
    scripts(page).get_by_role("link").first.click()
    check(page)
    if page.get_by_role("button", name="Collect and download").count():
        with page.expect_download() as download:
            page.get_by_role("button", name="Collect and download").click()
        assert download.value.path().read_bytes() == PDF
    page.goto("/tutor")
    expect(scripts(page).get_by_text("Collected").first).to_be_visible()
    page.get_by_role("link", name="Messages").click()
    check(page)


def test_a_tutor_is_asked_about_a_later_version_and_takes_it(page: Page, demo: Demo, tmp_path: Path) -> None:
    student_hands_in(page, demo, tmp_path)
    sign_in(page, "00001002", "tutor")
    scripts(page).get_by_role("link").first.click()
    with page.expect_download():
        page.get_by_role("button", name="Collect and download").click()
    sign_out(page)
    student_hands_in(page, demo, tmp_path)
    sign_in(page, "00001002", "tutor")
    check(page)
    page.get_by_role("link", name="1 later version waits for your answer").click()
    check(page)
    page.get_by_role("row").nth(1).get_by_role("link").click()
    expect(page.get_by_role("heading", name="Which one do you mark?")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Take version").click()
    expect(page.get_by_text("The student was told.")).to_be_visible()
    check(page)
    page.get_by_role("link", name="The script with all its versions").click()
    expect(page.get_by_text("after you had collected an earlier one")).to_be_visible()
    check(page)
    settle(demo.system, every_seconds=0.05)
    sign_out(page)
    sign_in(page, LATE_STUDENT, "student")
    page.get_by_role("link", name="Reading the figures").click()
    expect(page.get_by_text("Your tutor takes this version instead of the earlier one")).to_be_visible()
    check(page)


def student_hands_in(page: Page, demo: Demo, folder: Path) -> None:
    sign_in(page, LATE_STUDENT, "student")
    hand_in(page, folder)
    settle(demo.system, every_seconds=0.05)
    sign_out(page)


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()


def test_operations_follow_a_piece_of_work(page: Page, demo: Demo, tmp_path: Path) -> None:
    sign_in(page, STUDENT, "student")
    hand_in(page, tmp_path)
    submission = page.url.rsplit("/", 1)[-1]
    settle(demo.system, every_seconds=0.05)
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "00009001", "operations")
    expect(page.get_by_role("heading", name="Pipeline")).to_be_visible()
    check(page)
    page.goto(f"/operations/trail?q={submission}")
    expect(page.get_by_text("SubmissionReceived").first).to_be_visible()
    check(page)
