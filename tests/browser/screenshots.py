"""Pictures of the pages in their states, at the width of a telephone and of a desk: `make screenshots`, then look.

One picture for each page, state and width in `build/screenshots`, named `page-state-width.png`. No test: whether a page
is clear, people say.
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

FOLDER = Path(__file__).parents[2] / "build" / "screenshots"
WIDTHS = (360, 1280)


class Photographer:
    """Keeps a picture of what a page shows, for each width."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def look(self, name: str) -> None:
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 800})
            self.page.screenshot(path=FOLDER / f"{name}-{width}.png", full_page=True)


def main() -> int:
    """Walk and keep everything; how many pictures there are goes to standard output."""
    configure_logs("CRITICAL")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_demo(Path(folder) / "var") as demo,
        sync_playwright() as play,
    ):
        browser = play.chromium.launch(executable_path=os.environ["CHROMIUM"], args=flags)
        page = browser.new_page(base_url=demo.address, locale="en-GB")
        Walk(page, demo, Path(folder), Photographer(page).look).whole()
        browser.close()
    sys.stdout.write(f"{len(list(FOLDER.iterdir()))} pictures are in {FOLDER.relative_to(Path.cwd())}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
