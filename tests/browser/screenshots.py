"""Pictures of the pages in their states, at the width of a telephone and of a desk: `make screenshots`, then look.

One picture for each page, state and width in `build/screenshots`, named `page-state-width.png`. No test: whether a page
is clear, people say. `make pictures` takes those anew that the documentation shows, into `docs/pictures`.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from shared.observability.logs import configure_logs
from tests.browser.conftest import FLAGS, embedded_demo
from tests.browser.walk import Walk

ROOT = Path(__file__).parents[2]
WIDTHS = (360, 1280)
SHOWN_WIDTH = 900
SHOWN = (
    "work-handed-in",
    "assignment-open",
    "assignment-uploaded",
    "receipt",
    "verify-same-file",
    "preferences",
    "scripts-asked",
    "script-to-collect",
    "later-version-question",
    "request-to-decide",
    "request-to-answer",
    "pipeline-dead-letters",
    "trail-found",
    "dead-letter-tried",
    "deliveries-failed",
)
"""The states that the documentation shows."""


class Photographer:
    """Keeps a picture of what a page shows in a folder, for each width."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page, self.folder = page, folder

    def every(self, name: str) -> None:
        """Whatever it is."""
        for width in WIDTHS:
            self._set_width(width)
            self.page.screenshot(path=self.folder / f"{name}-{width}.png", full_page=True)

    def shown(self, name: str) -> None:
        """What the documentation shows, and no other."""
        if name in SHOWN:
            self._set_width(SHOWN_WIDTH)
            self.page.screenshot(path=self.folder / f"{name}.png")

    def _set_width(self, width: int) -> None:
        self.page.set_viewport_size({"width": width, "height": 900})


def main() -> int:
    """Walk and keep what is wanted; how many pictures there are goes to standard output."""
    configure_logs("CRITICAL")
    is_for_docs = sys.argv[1:] == ["docs"]
    pictures = ROOT / ("docs/pictures" if is_for_docs else "build/screenshots")
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_demo(Path(folder) / "var") as demo,
        sync_playwright() as play,
    ):
        browser = play.chromium.launch(executable_path=os.environ["CHROMIUM"], args=flags)
        page = browser.new_page(base_url=demo.address, locale="en-GB")
        photographer = Photographer(page, pictures)
        Walk(page, demo, Path(folder), photographer.shown if is_for_docs else photographer.every).whole()
        browser.close()
    sys.stdout.write(f"{len(list(pictures.iterdir()))} pictures are in {pictures.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
