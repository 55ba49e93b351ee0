"""The way through each page and each of its states, as students, a tutor, operations staff and an administrator go.

Who looks at what is met there, the caller says: `screenshots.py` keeps pictures, `test_states.py` asks for faults.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from playwright.sync_api import FilePayload, Page

from services.notifier.deliveries.store import deliveries
from services.operations.audits.domain import failed
from services.submission.negotiation.handlers import ANSWER_DUE
from services.submission.negotiation.store import request_table
from shared.messaging.tables import dead_letter, timer
from tests.browser.conftest import Demo
from tests.browser.problems import PROBLEMS, served_problems
from tests.integration.operations_house import received
from tests.support.audits import ended, runs_in, taken
from tests.support.messages import letter_row
from tests.support.university import PDF, settle
from tests.support.uploading import BYTES, PROTOCOL, UPLOADS, metadata_of

STUDENT, TUTOR, OPERATOR, ADMINISTRATOR = "P4000001", "00001001", "00009001", "00009002"
SUPPORTER = "00009003"
AUDIT_SECONDS = 60
OPEN, OVER = "K827-26J-TMA02", "K827-26J-TMA01"


def bury(demo: Demo, key: str, *states: str) -> None:
    """Leave facts of one key with marking's dead letters, which it can apply; in one process."""
    facts = [(number, received(key, version=number), state) for number, state in enumerate(states, start=1)]
    rows = [letter_row("marking", fact, number=number, state=state) for number, fact, state in facts]
    with demo.system.services[2].database.transaction() as tx:
        tx.connection.execute(sa.insert(dead_letter), rows)


class Walk:
    """In one browser; `look` is called with the name of each state, `page-state`. `folder` takes files to hand in."""

    def __init__(self, page: Page, demo: Demo, folder: Path, look: Callable[[str], None]) -> None:
        self.page, self.demo, self.look = page, demo, look
        self.file = folder / "answer.pdf"

    def whole(self) -> None:
        """Each page in each of its states."""
        self.everybody()
        self.student()
        self.tutor()
        self.requests()
        self.staff()

    def see(self, name: str, path: str = "") -> None:
        """Look at the page, or at another one."""
        if path:
            self.page.goto(path)
        self.look(name)

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

    def confirm(self) -> None:
        self.page.get_by_role("button", name="Confirm and hand in").click()
        self.page.get_by_role("heading", name="Your work was received").wait_for()

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
        self.see("sign-in", "/sign-in")
        self.see("sign-in-nobody", "/sign-in?q=nobody-at-all")
        self.see("verify", "/verify")
        self.see("accessibility", "/accessibility")
        with served_problems() as address:
            for name in PROBLEMS:
                self.see(f"problem-{name}", f"{address}/problem/{name}")

    def student(self) -> None:
        page = self.page
        with self.signed_in(STUDENT, "student"):
            self.see("work-nothing-yet", "/work")
            self.see("inbox-empty", "/inbox")
            self.see("assignment-open", f"/assignments/{OPEN}")
            self.see("assignment-over", f"/assignments/{OVER}")
            self.hand_in(b"\x7fELF" + bytes(50))
            self.see("assignment-wrong-type")
            self.hand_in(b"")
            self.see("assignment-empty-file")
            self.upload()
            self.see("assignment-uploaded", f"/assignments/{OPEN}")
            self.see("work-uploaded", "/work")
            page.goto(f"/assignments/{OPEN}")
            self.confirm()
            self.see("receipt")
            signed = page.locator("#receipt").text_content() or ""
            number = page.locator("dt", has_text="Receipt number").locator("xpath=following-sibling::dd[1]")
            self.see("receipt-on-record", f"/verify/{number.text_content()}")
            settle(self.demo.system, every_seconds=0.05)
            self.see("work-handed-in", "/work")
            self.see("assignment-handed-in", f"/assignments/{OPEN}")
            self.see("inbox", "/inbox")
            self.preferences()
            self.see("sessions", "/sessions")
            page.goto("/verify")
            page.get_by_label("The signed receipt, as text").fill(signed)
            page.get_by_role("button", name="Check").click()
            self.see("verify-genuine")
            self.compare(PDF, "is the file that was handed in")
            self.see("verify-same-file")
            self.compare(PDF + b"and more", "is not the file that was handed in")
            self.see("verify-other-file")
            page.get_by_label("The signed receipt, as text").fill(signed[:-8] + "AAAAAAAA")
            page.get_by_role("button", name="Check").click()
            self.see("verify-not-genuine")

    def preferences(self) -> None:
        self.see("preferences", "/preferences")
        self.page.get_by_label("Once a day").check()
        self.page.get_by_role("button", name="Save").click()
        self.see("preferences-saved")
        unmark = "() => document.querySelectorAll('[name=way]').forEach(radio => { radio.checked = false; })"
        self.page.evaluate(unmark)
        self.page.get_by_role("button", name="Save").click()
        self.see("preferences-nothing-chosen")

    def tutor(self) -> None:
        page = self.page
        with self.signed_in(TUTOR, "tutor"):
            self.see("scripts", "/tutor")
            page.get_by_role("table", name="Each script").get_by_role("link").first.click()
            self.see("script-to-collect")
            with page.expect_download():
                page.get_by_role("button", name="Collect and download").click()
            page.reload()
            self.see("script-collected")
            self.see("later-versions-none", "/tutor/later-versions")
        with self.signed_in(STUDENT, "student"):
            self.hand_in()
            self.confirm()
            settle(self.demo.system, every_seconds=0.05)
            self.see("work-later-version", "/work")
            self.see("assignment-later-version", f"/assignments/{OPEN}")
        with self.signed_in(TUTOR, "tutor"):
            self.see("scripts-asked", "/tutor")
            self.see("later-versions", "/tutor/later-versions")
            page.get_by_role("row").nth(1).get_by_role("link").click()
            self.see("later-version-question")
            page.get_by_role("button", name="Take version").click()
            self.see("later-version-taken")

    def requests(self) -> None:
        """More time is asked for, another day proposed and agreed; a second request goes to support."""
        page = self.page
        with self.signed_in(STUDENT, "student"):
            self.see("requests-none", "/requests")
            self.see("ask", f"/assignments/{OPEN}/more-time")
            self.see("ask-too-late", f"/assignments/{OVER}/more-time")
            conversation = self.ask(3)
            self.see("request-asked")
            self.see("requests-student", "/requests")
        with self.signed_in(TUTOR, "tutor"):
            self.see("requests-tutor", "/requests")
            page.get_by_role("link", name="More time for").first.click()
            self.see("request-to-answer")
            page.get_by_role("button", name="Decline").click()
            self.see("request-declined-without-words")
            page.get_by_label("Which day do you propose?").select_option(index=2)
            page.get_by_label("Your words to the student").nth(1).fill("Is this enough?\nI hope so.")
            page.get_by_role("button", name="Propose this day").click()
            self.see("request-proposed-another-day")
        with self.signed_in(STUDENT, "student"):
            self.see("request-to-decide", conversation)
            page.get_by_role("button", name="Agree").click()
            self.see("request-agreed")
            self.see("work-more-time", "/work")
            self.see("assignment-more-time", f"/assignments/{OPEN}")
            self.ask(5)
            self.see("assignment-protected", f"/assignments/{OPEN}")
        self.escalate()
        with self.signed_in(SUPPORTER, "support"):
            self.see("requests-support", "/requests")
            page.get_by_role("link", name="More time for").click()
            self.see("request-support")

    def ask(self, day: int) -> str:
        """For the so-manyeth day; the address of the conversation."""
        page = self.page
        page.goto(f"/assignments/{OPEN}/more-time")
        page.get_by_role("button", name="Send the request").click()
        self.see("ask-nothing-chosen")
        page.get_by_label("Until which day do you need?").select_option(index=day)
        page.get_by_label("What is the reason?").select_option("Illness or an accident")
        page.get_by_label("Anything that your tutor should know").fill("I was in hospital.\nI am better now.")
        page.get_by_role("button", name="Send the request").click()
        page.get_by_role("heading", name="What was said").wait_for()
        return page.url

    def escalate(self) -> None:
        """Have the days pass in which the tutor does not answer."""
        database = self.demo.system.submission.database
        now = database.clock.now()
        with database.transaction() as tx:
            tx.connection.execute(sa.update(request_table).values(answer_by=now))
            tx.connection.execute(sa.update(timer).where(timer.c.kind == ANSWER_DUE).values(due_at=now))
        deadline = time.monotonic() + AUDIT_SECONDS
        while not self._is_escalated():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _is_escalated(self) -> bool:
        with self.demo.system.submission.database.reading() as connection:
            found = sa.select(sa.func.count()).where(request_table.c.escalated_at.is_not(None))
            return bool(connection.scalar(found))

    def deliveries(self) -> None:
        """Messages that failed, as their rows say."""
        self.see("deliveries-none", "/deliveries")
        with self.demo.system.notifier.service.database.transaction() as tx:
            failed = deliveries.update().where(deliveries.c.state == "sent")
            tx.connection.execute(failed.values(state="failed", reason="smtp_550"))
        self.see("deliveries-failed", "/deliveries")
        self.page.get_by_role("button", name="Send again to").first.click()
        self.see("deliveries-sent-again")

    def staff(self) -> None:
        page = self.page
        with self.signed_in(OPERATOR, "operations"):
            self.see("pipeline", "/operations")
            self.see("trail", "/operations/trail")
            self.see("trail-nothing", "/operations/trail?q=nothing")
            (version, *_) = self.demo.system.inspections()["submission"].facts("versions")
            self.see("trail-found", f"/operations/trail?q={version['submission_id']}")
            self.audits_come_to_an_end()
            self.deliveries()
            self.see("trail-person", f"/operations/trail?q={STUDENT}")
            self.dead_letters()
            self.audit_with_findings()
        with self.signed_in(ADMINISTRATOR, "admin"):
            self.see("roles", "/roles?q=Tom")
            page.get_by_role("row").nth(1).get_by_role("link").click()
            self.see("roles-of")
            self.signed_out_in_mid_form()

    def dead_letters(self) -> None:
        """Two are buried, one with another behind it; one is tried, and replayed."""
        page = self.page
        self.see("dead-letters-none", "/operations/dead-letters")
        for key, states in (("w-one", ("buried", "parked")), ("w-two", ("buried",))):
            bury(self.demo, key, *states)
        self.see("pipeline-dead-letters", "/operations")
        self.see("dead-letters", "/operations/dead-letters")
        page.get_by_role("row", name="w-one").get_by_role("link").click()
        self.see("dead-letter")
        page.get_by_role("button", name="Try it without effect").click()
        self.see("dead-letter-tried")
        page.get_by_role("button", name="Discard").click()
        self.see("dead-letter-no-reason")
        page.get_by_role("button", name="Replay").click()
        self.see("dead-letter-replayed")
        self.see("dead-letters-replayed", "/operations/dead-letters?state=replayed")

    def audits_come_to_an_end(self) -> None:
        """One is never looked at, one is at work elsewhere and lets go of it; one fails, and one is cut off."""
        self.see("audit-never", "/operations/audit")
        runs = runs_in(self.demo.system.services[4].database)
        run = taken(runs)
        self.see("audit-running", "/operations/audit")
        runs.let_go(run)
        self.until_audited("All is well")
        self.see("audit-clean")
        ended(runs, failed("marking cannot be asked: ConnectError"))
        self.see("audit-failed", "/operations/audit")
        taken(runs)
        runs.free_all()
        self.see("audit-cut-off", "/operations/audit")

    def audit_with_findings(self) -> None:
        """Messages are buried, and others did not go out."""
        self.page.goto("/operations/audit")
        self.page.get_by_role("button", name="Look now").click()
        self.until_audited("There are")
        self.see("audit-findings")

    def until_audited(self, words: str) -> None:
        """Load the page anew until it says this."""
        said = self.page.get_by_text(words)
        deadline = time.monotonic() + AUDIT_SECONDS
        while not said.count():
            assert time.monotonic() < deadline, self.page.inner_text("main")
            self.page.goto("/operations/audit")

    def signed_out_in_mid_form(self) -> None:
        """A role is given by who was signed out since the page was loaded, and signs in again beside it."""
        page = self.page
        page.get_by_label("Reaches").fill("presentation:K827-26J")
        session = page.context.cookies()
        page.context.clear_cookies()
        page.get_by_role("button", name="Give").click()
        self.see("signed-out-in-mid-form")
        page.context.add_cookies(session)
        page.get_by_role("button", name="I have signed in: go on").click()
        self.see("sent-again")
        page.get_by_role("button", name="Send it now").click()
        self.see("role-given")

    def compare(self, content: bytes, words: str) -> None:
        """With what the receipt on the page is for; `words` must be the answer."""
        file = FilePayload(name="found.pdf", mimeType="application/pdf", buffer=content)
        self.page.get_by_label("The file that was handed in").set_input_files(file)
        self.page.get_by_role("status").filter(has_text=words).wait_for()
