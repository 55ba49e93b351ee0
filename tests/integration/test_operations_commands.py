"""The command line says by its exit code and its output what the audit and the dead letters are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from services.operations.commands import Tools, add_commands
from services.operations.dead_letters.handlers import DeadLetterDesk
from services.operations.reconciliation.handlers import DIGEST_WINDOW_SECONDS, Audit
from shared.errors import NotFound
from shared.settings import Settings
from tests.integration.operations_world import NOON, World, finished_world, verify
from tests.support.objects import FilledStore


@dataclass(frozen=True)
class Letter:
    id: int
    reason: str
    value: bytes
    buried_at: datetime
    state: str = "buried"


class LetterList:
    """The dead letters of a service in a list."""

    def __init__(self, *letters: Letter) -> None:
        self.letters = {str(letter.id): letter for letter in letters}

    def list(self, state: str = "buried", *, after: int = 0, limit: int = 100) -> Sequence[Letter]:
        return [letter for letter in self.letters.values() if letter.state == state and letter.id > after][:limit]

    def show(self, letter_id: str) -> Letter:
        if letter_id not in self.letters:
            message = "there is no such dead letter"
            raise NotFound(message)
        return self.letters[letter_id]

    def replay(self, letter_id: str, *, actor: str = "system") -> str:
        self.letters[letter_id] = replace(self.show(letter_id), state="replayed", reason=actor)
        return "replayed"

    def discard(self, letter_id: str, reason: str, *, actor: str = "system") -> None:
        self.letters[letter_id] = replace(self.show(letter_id), state="discarded", reason=f"{actor}: {reason}")


@dataclass
class Terminal:
    world: World
    root: Path
    letters: LetterList

    def run(self, *words: str) -> Result:
        app = typer.Typer()
        add_commands(app, self.tools)
        return CliRunner().invoke(app, words)

    @contextmanager
    def tools(self) -> Iterator[Tools]:
        yield Tools(
            audit=Audit(self.world.inspections(), FilledStore(self.root), verify),
            desk=DeadLetterDesk({"marking": self.letters, "notifier": LetterList()}),
            now=lambda: NOON + timedelta(hours=1),
            machine_now=lambda: datetime.now(UTC),
            settle_seconds=60,
            digest_window_seconds=Settings().digest_window_seconds,
        )


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    world = finished_world()
    for submission_id, content in world.contents.items():
        FilledStore(tmp_path).put(f"work/{submission_id}", content)
    letters = LetterList(Letter(id=7, reason="KeyError", value=b'{"a": 1}', buried_at=NOON))
    return Terminal(world=world, root=tmp_path, letters=letters)


def test_a_clean_audit_ends_well_with_counts(terminal: Terminal) -> None:
    result = terminal.run("audit", "--settled")
    assert result.exit_code == 0
    assert "All is well." in result.output


def test_a_clean_audit_for_machines(terminal: Terminal) -> None:
    said = json.loads(terminal.run("audit", "--settled", "--json").output)
    assert (said["clean"], said["violations"], said["counts"]["versions"]) == (True, [], 5)


def test_an_audit_with_violations_names_each(terminal: Terminal) -> None:
    del terminal.world.rulings[0]
    result = terminal.run("audit")
    assert result.exit_code == 1
    assert "ruling_missing: submission_id=s-ann-1" in result.output


def test_what_is_younger_than_the_settling_time_is_in_flight(terminal: Terminal) -> None:
    del terminal.world.rulings[0]
    assert terminal.run("audit", "--settle-seconds", "7200").exit_code == 0
    assert terminal.run("audit", "--settle-seconds", "60").exit_code == 1


def test_violations_for_machines_have_code_and_ids(terminal: Terminal) -> None:
    del terminal.world.rulings[0]
    result = terminal.run("audit", "--json")
    (violation,) = json.loads(result.output)["violations"]
    assert (result.exit_code, violation["code"], violation["ids"]["submission_id"]) == (1, "ruling_missing", "s-ann-1")


def test_an_audit_that_cannot_read_does_not_say_that_all_is_well(terminal: Terminal) -> None:
    result = terminal.run("audit", "--receipts", str(terminal.root / "nowhere"))
    assert result.exit_code == 2


def test_a_folder_without_a_receipt_does_not_say_that_all_is_well(terminal: Terminal) -> None:
    result = terminal.run("audit", "--receipts", str(terminal.root))
    assert result.exit_code == 2
    assert "no receipt" in result.output


def test_a_receipt_as_our_page_saves_it_is_read(terminal: Terminal) -> None:
    folder = terminal.root / "kept"
    folder.mkdir()
    (folder / "receipt-K827-26J-TMA01-v1.jws").write_text(terminal.world.versions[0]["receipt"])
    said = json.loads(terminal.run("audit", "--settled", "--receipts", str(folder), "--json").output)
    assert (said["clean"], said["counts"]["receipts"]) == (True, 1)


def test_the_digest_window_is_the_one_that_is_set(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.world.put_off(terminal.world.obligations[1], state="pending")
    assert terminal.run("audit").exit_code == 1
    monkeypatch.setenv("ETMA_DIGEST_WINDOW_SECONDS", "7200")
    assert terminal.run("audit").exit_code == 0


def test_the_digest_window_of_an_audit_is_that_of_the_services_when_nothing_is_set() -> None:
    assert Settings.model_fields["digest_window_seconds"].default == DIGEST_WINDOW_SECONDS


def test_dead_letters_are_listed_with_their_service(terminal: Terminal) -> None:
    (letter,) = json.loads(terminal.run("dead-letters", "list", "--json").output)
    assert (letter["service"], letter["id"], letter["value"]) == ("marking", 7, '{"a": 1}')


def test_dead_letters_are_listed_for_people(terminal: Terminal) -> None:
    assert "KeyError" in terminal.run("dead-letters", "list").output
    assert "There are none." in terminal.run("dead-letters", "list", "--service", "notifier").output


def test_more_dead_letters_than_a_page_are_all_listed(terminal: Terminal) -> None:
    many = (Letter(id=number, reason="KeyError", value=b"", buried_at=NOON) for number in range(1, 251))
    terminal.letters = LetterList(*many)
    assert len(json.loads(terminal.run("dead-letters", "list", "--json").output)) == 250


def test_a_dead_letter_is_shown(terminal: Terminal) -> None:
    assert "reason: KeyError" in terminal.run("dead-letters", "show", "7", "--service", "marking").output


def test_a_dead_letter_is_replayed(terminal: Terminal) -> None:
    result = terminal.run("dead-letters", "replay", "7", "--service", "marking", "--json")
    assert json.loads(result.output) == {"outcome": "replayed"}
    assert terminal.letters.letters["7"].state == "replayed"


def test_a_dead_letter_is_discarded_with_its_reason(terminal: Terminal) -> None:
    words = ("dead-letters", "discard", "7", "--service", "marking", "--reason", "a test message")
    assert terminal.run(*words).exit_code == 0
    assert terminal.letters.letters["7"].reason == "operations:command-line: a test message"


def test_nothing_is_discarded_without_a_reason(terminal: Terminal) -> None:
    assert terminal.run("dead-letters", "discard", "7", "--service", "marking").exit_code == 2
    assert terminal.letters.letters["7"].state == "buried"


@pytest.mark.parametrize("words", [("8", "--service", "marking"), ("7", "--service", "nobody")])
def test_an_unknown_letter_or_service_is_said(terminal: Terminal, words: tuple[str, ...]) -> None:
    assert terminal.run("dead-letters", "show", *words).exit_code == 2
