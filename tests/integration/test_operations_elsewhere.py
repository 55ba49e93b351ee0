"""Operations and the command line ask services that are processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import httpx2 as httpx
import pytest
import sqlalchemy as sa

from services.operations.audits.store import runs as run_table
from shared.messaging.tables import dead_letter
from tests.support.oulad import environment_of
from tests.support.processes import Role, roles
from tests.support.university import ANN, OPERATOR, PDF, Town, running_town

SERVICES = ("identity", "submission", "marking", "notifier", "operations")
SECONDS = 30


@dataclass(frozen=True)
class Elsewhere:
    """The web processes of all services, on what a town left behind, and a folder that holds none of it.

    `timers` is the role of operations that does audits.
    """

    apis: dict[str, Role]
    timers: Role
    database: str
    operator: dict[str, str]
    settings: dict[str, str]

    def pipeline(self) -> dict[str, str | None]:
        """What the pipeline says to be the matter with each service."""
        url = f"{self.apis['operations'].url}/api/v1/operations/pipeline"
        answer = httpx.get(url, headers=self.operator, trust_env=False, timeout=SECONDS)
        return {each["service"]: each["problem"] for each in answer.json()["services"]}

    def audit_page(self, *, press: bool = False) -> str:
        """What the page of audits says, after its button was pressed or as it stands."""
        url = f"{self.apis['operations'].url}/operations/audit"
        ask = httpx.post if press else httpx.get
        answer = ask(url, headers=self.operator, trust_env=False, timeout=SECONDS, follow_redirects=True)
        assert answer.status_code == 200
        return " ".join(answer.text.split())

    def wait_for_audit(self, words: str) -> str:
        """Until the page of audits says this; what it says."""
        deadline = time.monotonic() + SECONDS
        while words not in (page := self.audit_page()):
            assert time.monotonic() < deadline, page
            time.sleep(0.1)
        return page

    def etma(self, *words: str) -> tuple[int, str]:
        """The exit code and the output of a command that reaches nothing but the services, the objects and the mail."""
        places = {f"ETMA_{name.upper()}_URL": role.url for name, role in self.apis.items()}
        command = [sys.executable, "-m", "services", *words]
        done = subprocess.run(
            command, env=self.settings | places, capture_output=True, text=True, check=False, timeout=SECONDS
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    tmp_path = tmp_path_factory.mktemp("town")
    with running_town(tmp_path) as town:
        town.hand_in()
        town.settle()
        bury_one(town)
        operator = town.token("operations", OPERATOR)
        databases = {
            f"ETMA_{name.upper()}_DATABASE_URL": town.system.platform.settings.database_of(name) for name in SERVICES
        }
    environment = environment_of(tmp_path / "var", {"ETMA_LOG_LEVEL": "WARNING", **databases})
    with roles(environment, *(f"{name}.api" for name in SERVICES), "operations.timers") as running:
        for role in running.values():
            role.wait_until_ready()
        folder = environment_of(
            tmp_path / "nothing",
            {
                "ETMA_OBJECTS_URL": f"file://{tmp_path}/var/objects",
                "ETMA_MAIL_URL": f"file://{tmp_path}/var/mail",
                "ETMA_KEYS_DIR": f"{tmp_path}/var/keys",
            },
        )
        apis = {name: running[f"{name}.api"] for name in SERVICES}
        database = databases["ETMA_OPERATIONS_DATABASE_URL"]
        yield Elsewhere(apis, running["operations.timers"], database, operator, folder)


def bury_one(town: Town) -> None:
    """A message of no type that marking knows, so that a replay passes it over."""
    (row,) = town.rows("submission", "outbox")[-1:]
    letter = {
        "consumer": "marking",
        "state": "buried",
        "topic": row["topic"],
        "partition": 0,
        "offset": -1,
        "key": row["key"],
        "headers": {"ce_id": "nobody's", "ce_type": "etma.nobody.Nothing.v1"},
        "value": b"\xff",
        "reason": "KeyError",
        "attempts": 3,
        "buried_at": town.system.platform.clock.now(),
    }
    (marking,) = [service for service in town.system.services if service.name == "marking"]
    with marking.database.transaction() as tx:
        tx.connection.execute(sa.insert(dead_letter), letter)


def test_a_service_that_is_away_is_said_to_be_and_hides_no_other(elsewhere: Elsewhere) -> None:
    assert elsewhere.pipeline() == dict.fromkeys(SERVICES)
    marking = elsewhere.apis["marking"]
    marking.kill()
    away = {"marking": "marking cannot be asked: ConnectError"}
    assert elsewhere.pipeline() == dict.fromkeys(SERVICES) | away
    code, said = elsewhere.etma("audit", "--settled")
    assert (code, said) == (2, "marking cannot be asked: ConnectError\n")
    marking.start()
    marking.wait_until_ready()
    assert elsewhere.pipeline() == dict.fromkeys(SERVICES)


def test_pages_show_and_try_what_runs_elsewhere(elsewhere: Elsewhere) -> None:
    with httpx.Client(
        base_url=elsewhere.apis["operations"].url, headers=elsewhere.operator, trust_env=False, timeout=SECONDS
    ) as client:
        assert "The service failed at it: KeyError" in client.get("/operations/dead-letters").text
        assert ">ff</pre>" in client.get("/operations/dead-letters/marking/1").text
        assert "It would fail as it did" in client.post("/operations/dead-letters/marking/1/rehearsal").text
        assert "SubmissionReceived" in client.get(f"/operations/trail?q={ANN}").text


def test_an_audit_asks_what_runs_elsewhere_and_says_what_it_could_not_have(elsewhere: Elsewhere) -> None:
    elsewhere.audit_page(press=True)
    page = elsewhere.wait_for_audit("<code>dead_letter</code>")
    for words in ("There is 1 finding", "<li>The files in the object store", "<li>The signatures of receipts"):
        assert words in page


def test_an_audit_of_a_service_that_is_away_fails_with_words(elsewhere: Elsewhere) -> None:
    notifier = elsewhere.apis["notifier"]
    notifier.kill()
    elsewhere.audit_page(press=True)
    page = elsewhere.wait_for_audit("so nothing can be said")
    assert "notifier cannot be asked: ConnectError" in page
    notifier.start()
    notifier.wait_until_ready()


def test_an_audit_whose_process_is_killed_is_cut_off_and_asked_for_anew(elsewhere: Elsewhere) -> None:
    elsewhere.timers.kill()
    assert "was asked for by you" in elsewhere.audit_page(press=True)
    elsewhere.timers.die_at("audit.taken")
    assert "no second was begun" in elsewhere.audit_page(press=True)
    assert "An audit is running" in elsewhere.audit_page()
    lease_is_over(elsewhere)
    assert "It was cut off before its end" in elsewhere.audit_page()
    elsewhere.timers.kill()
    elsewhere.timers.start()
    assert "was asked for by you" in elsewhere.audit_page(press=True)
    page = elsewhere.wait_for_audit("There is 1 finding")
    assert "Cut off" in page


def lease_is_over(elsewhere: Elsewhere) -> None:
    """As two minutes after the kill."""
    engine = sa.create_engine(elsewhere.database)
    with engine.begin() as connection:
        past = datetime(2020, 1, 1, tzinfo=UTC)
        assert connection.execute(sa.update(run_table).values(lease_until=past).where(run_table.c.holder > "")).rowcount
    engine.dispose()


def test_the_command_line_asks_and_mends_what_runs_elsewhere(elsewhere: Elsewhere) -> None:
    code, said = elsewhere.etma("audit", "--settled", "--json")
    report = json.loads(said)
    assert (code, [each["code"] for each in report["violations"]]) == (1, ["dead_letter"])
    assert report["counts"]["versions"] == 1
    listed = json.loads(elsewhere.etma("dead-letters", "list", "--json")[1])
    assert [(each["service"], each["id"]) for each in listed] == [("marking", 1)]
    assert elsewhere.etma("dead-letters", "discard", "1", "--service", "marking", "--reason", "a test")[0] == 0
    assert (
        "discarded by operations:command-line: a test"
        in elsewhere.etma("dead-letters", "show", "1", "--service", "marking")[1]
    )
    code, said = elsewhere.etma("audit", "--settled")
    assert (code, "All is well." in said) == (0, True)


def test_a_person_is_handed_out_by_services_elsewhere(elsewhere: Elsewhere, tmp_path: Path) -> None:
    code, said = elsewhere.etma("person", "export", ANN, "--to", str(tmp_path / "ann.zip"))
    assert (code, "1 file with receipts" in said) == (0, True), said
    with ZipFile(tmp_path / "ann.zip") as archive:
        assert archive.read("files/K827-26J-TMA01-v1-answer.pdf") == PDF
        looks = [json.loads(line) for line in archive.read("identity.ndjson").splitlines()]
    assert [row["what"] for row in looks if row["kind"] == "looks"] == ["export"]
    code, said = elsewhere.etma("person", "export", "nobody", "--to", str(tmp_path / "nobody.zip"))
    assert (code, "There is no such person" in said, (tmp_path / "nobody.zip").exists()) == (2, True, False)


def test_who_is_held_elsewhere_is_not_erased(elsewhere: Elsewhere) -> None:
    code, said = elsewhere.etma("person", "erase", ANN, "--reason", "asked for it", "--yes")
    assert (code, "Nothing was changed: there is work in K827-26J, which is held until" in said) == (2, True), said
    code, said = elsewhere.etma("person", "erase", OPERATOR, "--reason", "it was Olga", "--yes")
    assert (code, "must not say the person's name" in said) == (2, True), said


def test_an_erasure_elsewhere_says_how_far_it_is(elsewhere: Elsewhere) -> None:
    """No relay and no worker runs: identity has done it, and the others have not heard of it."""
    words = ("person", "erase", OPERATOR, "--reason", "has left", "--yes", "--wait", "0", "--json")
    code, said = elsewhere.etma(*words)
    told = json.loads(said)["services"]
    assert (code, told["identity"].startswith("nothing is left since")) == (1, True), said
    assert {told[name] for name in SERVICES if name != "identity"} == {"has not heard of it yet"}
