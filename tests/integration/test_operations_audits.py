"""Operations staff ask for an audit on a page and read what it found; one runs at a time, and none is silently lost."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2 as httpx
import pytest
import sqlalchemy as sa

from services.embedded import Embedded
from services.operations.audits.domain import KEPT_RUNS, LEASE, Outcome, RunState
from services.operations.audits.handlers import AuditLoop, AuditRuns, Sources, TakenOver
from services.operations.audits.store import runs as run_table
from services.operations.schema import metadata
from shared.database import Database
from shared.inspection import PAGE as PAGE_ROWS
from shared.inspection import Inspection
from shared.settings import Settings
from shared.web.remote_inspection import RemoteInspection
from shared.web.remote_service import RemoteService
from tests.support.audits import SOMEBODY, runs_in, taken
from tests.support.callers import SERVICES
from tests.support.databases import ManualClock, close_all, make_database
from tests.support.university import OPERATOR, Town, embedded_town, running_town

PAGE = "/operations/audit"
SECONDS = 30
GOES_ON = threading.Event()
"""Nobody asks the process to stop."""


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a town with one piece of work leaves in its folder."""
    folder = tmp_path_factory.mktemp("town")
    with running_town(folder) as town:
        town.hand_in()
        town.settle()
    return folder


class Desk:
    """A system that does not run by itself, and a member of staff at its page."""

    def __init__(self, system: Embedded) -> None:
        self.town = embedded_town(system)
        self.operations = system.services[4]
        self.runs = runs_in(self.operations.database)
        (loop,) = self.operations.follow_up
        assert isinstance(loop, AuditLoop)
        self.loop = loop

    def page(self) -> str:
        return " ".join(page_of(self.town).text.split())

    def press(self) -> str:
        """By the form of the page; what is shown then."""
        return " ".join(pressed(self.town).text.split())

    def states(self) -> list[str]:
        """Of all runs, the newest first."""
        return [str(run.state) for run in self.runs.newest()]

    def change(self, number: int, sql: str) -> None:
        """Change a row of a service's database."""
        with self.town.system.services[number].database.transaction() as tx:
            assert tx.connection.execute(sa.text(sql)).rowcount


def page_of(town: Town, query: str = "") -> httpx.Response:
    answer = town.client.get(PAGE + query, headers=cookie_of(town))
    assert answer.status_code == 200
    return answer


def cookie_of(town: Town) -> dict[str, str]:
    token = town.token("operations", OPERATOR)["authorization"].removeprefix("Bearer ")
    return {"cookie": f"etma_session={token}"}


def pressed(town: Town) -> httpx.Response:
    headers = cookie_of(town)
    found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', town.client.get(PAGE, headers=headers).text)
    assert found
    answer = town.client.post(PAGE, data={"csrf_token": found[1]}, headers=headers)
    assert answer.status_code == 303
    return town.client.get(answer.headers["location"], headers=headers)


@pytest.fixture
def desk(left_behind: Path, tmp_path: Path) -> Iterator[Desk]:
    shutil.copytree(left_behind / "var", tmp_path / "var")
    system = Embedded(Settings(data_dir=tmp_path / "var", digest_window_seconds=0, settle_seconds=0, demo=True))
    yield Desk(system)
    system.platform.close()


@pytest.mark.sqlite
def test_before_anybody_looked_the_page_says_so(desk: Desk) -> None:
    page = desk.page()
    assert "Nobody has had a look yet." in page
    assert ">Look now</button>" in page


@pytest.mark.sqlite
def test_a_clean_run_says_so_with_how_long_how_many_and_by_whom(desk: Desk) -> None:
    assert "An audit was asked for by you" in desk.press()
    assert desk.loop.step(GOES_ON)
    page = desk.page()
    assert "All is well" in page
    assert re.search(r"Events looked at</dt><dd [^>]*>[1-9]", page)
    assert re.search(r"Took</dt><dd [^>]*>\w", page)
    assert "Files" not in re.findall(r"<li>(.*?)</li>", page)
    (run,) = desk.runs.newest()
    assert re.fullmatch(r"operations:[0-9a-f-]{36}", run.asked_by)
    assert (run.outcome.left_out, run.total) == ([], 0)
    assert not desk.loop.step(GOES_ON)


@pytest.mark.sqlite
def test_a_damaged_row_is_found_and_explained_with_a_way_to_the_trail(desk: Desk) -> None:
    desk.change(1, "UPDATE version SET band = 'late'")
    desk.press()
    desk.loop.step(GOES_ON)
    page = desk.page()
    (version,) = desk.town.rows("submission", "versions")
    for words in ("Version differs", "<code>version_differs</code>", "receipt and version row differ in band"):
        assert words in page
    assert f'href="/operations/trail?q={version["submission_id"]}"' in page
    assert "All is well" not in page
    assert "finding" in page


@pytest.mark.sqlite
def test_a_file_that_is_gone_is_found(desk: Desk) -> None:
    (version,) = desk.town.rows("submission", "versions")
    desk.town.system.platform.objects.delete(str(version["object_key"]), str(version["object_version"]))
    desk.press()
    desk.loop.step(GOES_ON)
    assert "<code>object_missing</code>" in desk.page()


@pytest.mark.sqlite
def test_pressed_twice_one_is_begun(desk: Desk) -> None:
    desk.press()
    assert "no second was begun" in desk.press()
    assert desk.states() == ["asked"]
    desk.loop.step(GOES_ON)
    taken(desk.runs)
    page = desk.press()
    assert "no second was begun" in page
    assert "An audit is running</button>" in page
    assert f"<code>{SOMEBODY}</code>" in page
    assert "Load this page anew" in page
    assert desk.states() == ["running", "finished"]


@pytest.mark.sqlite
def test_a_form_of_another_session_begins_nothing(desk: Desk) -> None:
    answer = desk.town.client.post(PAGE, data={"csrf_token": "0" * 64}, headers=cookie_of(desk.town))
    assert (answer.status_code, desk.states()) == (403, [])


@pytest.mark.sqlite
def test_a_run_that_lost_its_process_is_cut_off_and_asked_for_anew(desk: Desk) -> None:
    taken(desk.runs)
    desk.change(4, "UPDATE audit_run SET lease_until = '2020-01-01T00:00:00.000000+00:00'")
    assert "It was cut off before its end" in desk.page()
    assert "An audit was asked for by you" in desk.press()
    assert desk.states() == ["asked", "cut_off"]
    desk.loop.step(GOES_ON)
    assert desk.states() == ["finished", "cut_off"]
    assert "Earlier audits" in desk.page()


@pytest.mark.sqlite
def test_what_ran_when_the_process_died_is_cut_off_at_its_start(desk: Desk) -> None:
    taken(desk.runs)
    for recover in desk.operations.recover:
        recover()
    assert desk.states() == ["cut_off"]


@pytest.mark.sqlite
def test_a_service_that_is_away_makes_it_fail_with_words(desk: Desk) -> None:
    desk.press()
    with closing(RemoteService("marking", "http://127.0.0.1:9", SERVICES, asked_by="operations")) as away:
        sources = desk.town.system.audited()
        others = {**sources.inspections, "marking": RemoteInspection(away)}
        without = Sources(inspections=others, objects=sources.objects, verify=sources.verify, read_mail=None)
        assert AuditLoop(desk.runs, lambda: without, desk.loop.question).step(GOES_ON)
    page = desk.page()
    assert "so nothing can be said: marking cannot be asked: ConnectError" in page
    assert "All is well" not in page
    assert ">Look now</button>" in page


@pytest.mark.sqlite
def test_a_fault_of_the_audit_itself_ends_the_run_and_not_the_loop(desk: Desk) -> None:
    def sources() -> Sources:
        raise KeyError("secret")

    desk.press()
    assert AuditLoop(desk.runs, sources, desk.loop.question).step(GOES_ON)
    assert "The audit itself failed" in desk.page()
    assert "secret" not in desk.page()


@pytest.mark.sqlite
def test_what_a_process_cannot_look_at_is_said(desk: Desk) -> None:
    desk.change(1, "UPDATE version SET receipt = 'forged'")
    desk.press()
    bare = Sources(inspections=desk.town.system.inspections(), objects=None, verify=None, read_mail=None)
    AuditLoop(desk.runs, lambda: bare, desk.loop.question).step(GOES_ON)
    page = desk.page()
    for words in ("The files in the object store", "The signatures of receipts", "The mails themselves"):
        assert f"<li>{words}" in page
    assert "<code>receipt_forged</code>" not in page


@pytest.mark.sqlite
def test_a_process_that_is_to_end_leaves_the_run_to_another(desk: Desk) -> None:
    desk.press()
    stop = threading.Event()
    stop.set()
    assert desk.loop.step(stop)
    assert desk.states() == ["asked"]
    desk.loop.step(GOES_ON)
    assert desk.states() == ["finished"]


class Slow:
    """A service of which each page takes most of a lease; somebody presses the button meanwhile."""

    def __init__(self, inspection: Inspection, clock: ManualClock, press: Callable[[], bool]) -> None:
        self.inspection, self.clock, self.press = inspection, clock, press

    def facts(self, kind: str, *, after: str = "", limit: int = PAGE_ROWS) -> list[dict[str, object]]:
        self.clock.advance(LEASE * 0.7)
        assert not self.press()
        return self.inspection.facts(kind, after=after, limit=limit)

    def status(self) -> dict[str, object]:
        return self.inspection.status()


@pytest.mark.sqlite
def test_the_lease_of_a_run_that_goes_on_is_renewed(desk: Desk) -> None:
    clock = ManualClock(desk.runs.clock.now())
    runs = AuditRuns(desk.operations.database, clock)
    sources = desk.town.system.audited()
    slow = {name: Slow(each, clock, lambda: runs.ask(actor=SOMEBODY)) for name, each in sources.inspections.items()}
    runs.ask(actor=SOMEBODY)
    assert AuditLoop(runs, lambda: replace(sources, inspections=slow), desk.loop.question).step(GOES_ON)
    assert desk.states() == ["finished"]


def test_in_a_running_system_the_button_is_enough(tmp_path: Path) -> None:
    with running_town(tmp_path) as town:
        town.hand_in()
        town.settle()
        pressed(town)
        deadline = time.monotonic() + SECONDS
        while "All is well" not in page_of(town).text:
            assert time.monotonic() < deadline, page_of(town).text
            time.sleep(0.1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def runs(tmp_path: Path, clock: ManualClock) -> Iterator[AuditRuns]:
    yield AuditRuns(make_database(metadata, tmp_path, "operations", clock), clock)
    close_all()


FINISHED = Outcome(state=RunState.FINISHED, facts=1)


def test_a_run_is_held_for_as_long_as_it_is_renewed(runs: AuditRuns, clock: ManualClock) -> None:
    assert runs.ask(actor=SOMEBODY)
    run = runs.claim()
    assert run is not None
    assert runs.claim() is None
    clock.advance(LEASE - timedelta(seconds=1))
    runs.renew(run)
    clock.advance(LEASE - timedelta(seconds=1))
    assert not runs.ask(actor=SOMEBODY)
    runs.end(run, FINISHED)
    assert [run.state for run in runs.newest()] == [RunState.FINISHED]


def test_who_was_too_slow_writes_nothing_over_what_came_after(runs: AuditRuns, clock: ManualClock) -> None:
    runs.ask(actor=SOMEBODY)
    slow = runs.claim()
    clock.advance(LEASE)
    assert runs.ask(actor=SOMEBODY)
    assert slow is not None
    for late in (lambda: runs.renew(slow), lambda: runs.end(slow, FINISHED)):
        with pytest.raises(TakenOver):
            late()
    assert [run.state for run in runs.newest()] == [RunState.ASKED, RunState.CUT_OFF]


def test_the_last_twenty_are_kept(runs: AuditRuns) -> None:
    for _ in range(KEPT_RUNS + 3):
        runs.ask(actor=SOMEBODY)
        run = runs.claim()
        assert run is not None
        runs.end(run, FINISHED)
    assert [run.number for run in runs.newest()] == list(range(KEPT_RUNS + 3, 3, -1))


def test_a_database_takes_no_second_run_under_way(runs: AuditRuns) -> None:
    runs.ask(actor=SOMEBODY)
    assert _second(runs.database) is sa.exc.IntegrityError


def _second(database: Database) -> type[BaseException] | None:
    """What becomes of one that is written without the lock."""
    with database.engine.connect() as connection:
        row = {"asked_by": SOMEBODY, "state": "asked", "under_way": 1, "kinds": {}, "findings": [], "left_out": []}
        try:
            connection.execute(sa.insert(run_table), [row | {"problem": "", "asked_at": ManualClock().now()}])
        except sa.exc.IntegrityError as error:
            return type(error)
        finally:
            connection.rollback()
    return None
