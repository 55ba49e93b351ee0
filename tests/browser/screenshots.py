"""Pictures of the pages in their states, at the width of a telephone and of a desk: `make screenshots`, then look.

One picture for each page, state and width in `build/screenshots`, named `page-state-width.png`. No test: whether a page
is clear, people say. It walks the demo as students, a tutor, operations staff and an administrator do.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from shared.observability.logs import configure_logs
from tests.browser.conftest import FLAGS, Demo, embedded_demo
from tests.support.university import PDF, settle
from tests.support.uploading import BYTES, PROTOCOL, UPLOADS, metadata_of

FOLDER = Path(__file__).parents[2] / "build" / "screenshots"
WIDTHS = (360, 1280)
STUDENT, TUTOR, OPERATOR, ADMINISTRATOR = "P4000001", "00001001", "00009001", "00009002"
OPEN, OVER = "K827-26J-TMA02", "K827-26J-TMA01"


class Photographer:
    """Walks through the demo in one browser and keeps what it sees."""

    def __init__(self, page: Page, demo: Demo, folder: Path) -> None:
        self.page, self.demo, self.folder = page, demo, folder
        self.file = folder / "answer.pdf"

    def take(self, name: str, path: str = "") -> None:
        """Keep a picture of the page, or of another one."""
        if path:
            self.page.goto(path)
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 800})
            self.page.screenshot(path=FOLDER / f"{name}-{width}.png", full_page=True)

    @contextmanager
    def signed_in(self, who: str, role: str) -> Iterator[None]:
        self.page.goto(f"/sign-in?q={who}")
        self.page.get_by_role("button", name=f", {role}").first.click()
        yield
        self.page.get_by_role("button", name="Sign out").click()

    def hand_in(self, content: bytes = PDF) -> None:
        self.page.goto(f"/assignments/{OPEN}")
        self.file.write_bytes(content)
        self.page.get_by_label("Your file").set_input_files(self.file)
        self.page.get_by_role("button", name="Hand in").click()
        confirming, refused = (
            self.page.get_by_role("button", name="Confirm and hand in"),
            self.page.get_by_role("alert"),
        )
        confirming.or_(refused).first.wait_for()

    def upload(self, content: bytes = PDF) -> None:
        """By tus, up to where the student is asked."""
        self.page.goto(f"/assignments/{OPEN}")
        form = self.page.locator("form[enctype]").get_attribute("action") or ""
        headers = {
            **PROTOCOL,
            **BYTES,
            "upload-length": str(len(content)),
            "upload-metadata": metadata_of(assignment=OPEN, filename="figures.pdf"),
            "x-csrf-token": form.partition("csrf_token=")[2].partition("&")[0],
        }
        self.page.request.post(UPLOADS, headers=headers, data=content)

    def everybody(self) -> None:
        """What needs no sign-in."""
        self.take("sign-in", "/sign-in")
        self.take("sign-in-nobody", "/sign-in?q=nobody-at-all")
        self.take("verify", "/verify")
        self.take("problem-401", "/work")
        self.take("problem-404", "/nothing-is-here")

    def student(self) -> None:
        page = self.page
        with self.signed_in(STUDENT, "student"):
            self.take("work-nothing-yet", "/work")
            self.take("inbox-empty", "/inbox")
            self.take("assignment-open", f"/assignments/{OPEN}")
            self.take("assignment-over", f"/assignments/{OVER}")
            self.hand_in(b"\x7fELF" + bytes(50))
            self.take("assignment-wrong-type")
            self.hand_in(b"")
            self.take("assignment-empty-file")
            self.upload()
            self.take("assignment-uploaded", f"/assignments/{OPEN}")
            page.get_by_role("button", name="Confirm and hand in").click()
            self.take("receipt")
            signed = page.locator("#receipt").text_content() or ""
            number = page.locator("dt", has_text="Receipt number").locator("xpath=following-sibling::dd[1]")
            self.take("receipt-on-record", f"/verify/{number.text_content()}")
            settle(self.demo.system, every_seconds=0.05)
            self.take("work-handed-in", "/work")
            self.take("assignment-handed-in", f"/assignments/{OPEN}")
            self.take("inbox", "/inbox")
            self.take("sessions", "/sessions")
            self.take("problem-403", "/operations")
            page.goto("/verify")
            page.get_by_label("The signed receipt, as text").fill(signed)
            page.get_by_role("button", name="Check").click()
            self.take("verify-genuine")
            page.get_by_label("The signed receipt, as text").fill(signed[:-8] + "AAAAAAAA")
            page.get_by_role("button", name="Check").click()
            self.take("verify-not-genuine")

    def tutor(self) -> None:
        page = self.page
        with self.signed_in(TUTOR, "tutor"):
            self.take("scripts", "/tutor")
            page.get_by_role("row").nth(1).get_by_role("link").click()
            self.take("script-to-collect")
            with page.expect_download():
                page.get_by_role("button", name="Collect and download").click()
            page.reload()
            self.take("script-collected")
            self.take("later-versions-none", "/tutor/later-versions")
        with self.signed_in(STUDENT, "student"):
            self.hand_in()
            settle(self.demo.system, every_seconds=0.05)
            self.take("work-later-version", "/work")
            self.take("assignment-later-version", f"/assignments/{OPEN}")
        with self.signed_in(TUTOR, "tutor"):
            self.take("scripts-asked", "/tutor")
            self.take("later-versions", "/tutor/later-versions")
            page.get_by_role("row").nth(1).get_by_role("link").click()
            self.take("later-version-question")
            page.get_by_role("button", name="Take version").click()
            self.take("later-version-taken")

    def staff(self) -> None:
        page = self.page
        with self.signed_in(OPERATOR, "operations"):
            self.take("pipeline", "/operations")
            self.take("trail", "/operations/trail")
            self.take("trail-nothing", "/operations/trail?q=nothing")
            (version, *_) = self.demo.system.inspections()["submission"].facts("versions")
            self.take("trail-found", f"/operations/trail?q={version['submission_id']}")
        with self.signed_in(ADMINISTRATOR, "admin"):
            self.take("roles", "/roles?q=Tom")
            page.get_by_role("row").nth(1).get_by_role("link").click()
            self.take("roles-of")


def main() -> int:
    """Walk and keep everything; how many pictures there are goes to standard output."""
    configure_logs("ERROR")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_demo(Path(folder) / "var") as demo,
        sync_playwright() as play,
    ):
        browser = play.chromium.launch(executable_path=os.environ["CHROMIUM"], args=flags)
        photographer = Photographer(browser.new_page(base_url=demo.address, locale="en-GB"), demo, Path(folder))
        photographer.everybody()
        photographer.student()
        photographer.tutor()
        photographer.staff()
        browser.close()
    sys.stdout.write(f"{len(list(FOLDER.iterdir()))} pictures are in {FOLDER.relative_to(Path.cwd())}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
