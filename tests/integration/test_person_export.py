"""Handing out: all that is kept on one person is in the zip, and nothing of another."""

from __future__ import annotations

import json
import stat
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from services.persons.export import Export
from services.tools import person_tools_of
from shared.errors import Conflict, Unavailable
from shared.storage.file_store import FileStore
from tests.support.persons import ADDRESS, CONTENT, FILE_NAME, NAME, ZEB, ref_of, university
from tests.support.university import ANN, TMA, TUTOR, Town, running_town

LARGE_BYTES = 64 * 1024 * 1024
CHUNK = bytes(1024 * 1024)
MEMORY_BYTES = 8 * 1024 * 1024
MOMENT = "2026-11-28 10:00 UTC"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with running_town(tmp_path, university()) as town:
        yield town


def export(town: Town, person_ref: str, place: Path) -> dict[str, bytes]:
    """The names and the bytes of what is in the zip."""
    person_tools_of(town.system).export.write(person_ref, place, moment=MOMENT)
    with ZipFile(place) as archive:
        assert min(entry.date_time for entry in archive.infolist()) >= (2026, 1, 1, 0, 0, 0)
        return {name: archive.read(name) for name in archive.namelist()}


def rows_in(lines: bytes) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in lines.splitlines():
        row = json.loads(line)
        found.setdefault(row["kind"], []).append(row)
    return found


def test_the_zip_holds_what_was_put_in_and_nothing_of_another(town: Town, tmp_path: Path) -> None:
    accepted = town.hand_in(ZEB, content=CONTENT, name=FILE_NAME).json()
    town.hand_in(ANN, content=b"%PDF-1.4\nby Ann alone\n", name="ann.pdf")
    town.settle()
    town.post(f"/api/v1/scripts/{accepted['work_id']}/collection", "tutor", TUTOR)
    town.settle()
    person_ref, anns = ref_of(town, ZEB), ref_of(town, ANN)
    town.system.identity.person_desk.looked(person_ref, what="export", actor="command-line:ops")

    found = export(town, person_ref, tmp_path / "z.zip")

    assert found[f"files/{TMA}-v1-{FILE_NAME}"] == CONTENT
    assert found[f"receipts/{TMA}-v1.jws"].decode().strip() == accepted["receipt"]
    assert found[f"receipts/{TMA}-v1.pdf"].startswith(b"%PDF")
    rows = {name.removesuffix(".ndjson"): rows_in(lines) for name, lines in found.items() if name.endswith(".ndjson")}
    (person,) = rows["identity"]["person"]
    assert (person["name"], person["email"], person["identifier"]) == (NAME, ADDRESS, ZEB)
    assert [row["what"] for row in rows["identity"]["looks"]] == ["export"]
    assert [row["role"] for row in rows["identity"]["roles"]] == ["student"]
    assert {row["provider_token"] for row in rows["identity"]["sessions"] if "provider_token" in row} == set()
    assert [row["file_name"] for row in rows["submission"]["versions"]] == [FILE_NAME]
    assert [row["state"] for row in rows["marking"]["scripts"]] == ["collected"]
    assert [row["purpose"] for row in rows["notifier"]["told"]] == ["receipt"]
    assert {row["type"].split(".")[2] for row in rows["operations"]["trail"]} >= {
        "PersonRecorded",
        "SubmissionReceived",
        "VersionTaken",
        "ScriptCollected",
    }
    assert all(name in found["README.txt"].decode() for name in (person_ref, MOMENT, *(n for n in found if "nd" in n)))
    of_another = [ANN.encode(), b"ann@example.org", b"ann.pdf", anns.encode(), b"by Ann alone"]
    assert not [(name, text) for name, held in found.items() for text in of_another if text in held]


def test_only_its_owner_can_read_it_and_nothing_is_overwritten(town: Town, tmp_path: Path) -> None:
    place = tmp_path / "z.zip"
    export(town, ref_of(town, ZEB), place)
    before = place.read_bytes()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    with pytest.raises(Conflict, match="--to"):
        export(town, ref_of(town, ZEB), place)
    assert place.read_bytes() == before


def test_a_file_that_is_not_there_is_named(town: Town, tmp_path: Path) -> None:
    town.hand_in(ZEB, content=CONTENT, name=FILE_NAME)
    (entry,) = town.system.platform.objects.walk()
    town.system.platform.objects.delete(entry.key, entry.version)
    found = export(town, ref_of(town, ZEB), tmp_path / "z.zip")
    assert f"Not in the object store any more: files/{TMA}-v1-{FILE_NAME}" in found["README.txt"].decode()


class OneLargeFile:
    """What submission says of a version (`shared.persons.Persons`), and then, when it is asked, that it is away."""

    def __init__(self, row: dict[str, object], *, away: bool = False) -> None:
        self.row = row
        self.away = away

    def rows(self, _person_ref: str) -> Iterator[dict[str, object]]:
        yield self.row
        if self.away:
            raise Unavailable


@pytest.fixture
def large(tmp_path: Path) -> tuple[FileStore, dict[str, object]]:
    store = FileStore(tmp_path / "objects")
    with store.writer("large") as writer:
        for _ in range(LARGE_BYTES // len(CHUNK)):
            writer.write(CHUNK)
        stored = writer.finish()
    told = {"kind": "versions", "assignment_id": "A", "version": 1, "receipt": "r", "receipt_id": "1"}
    return store, {**told, "file_name": "f.pdf", "object_key": stored.key, "object_version": stored.version}


def test_memory_does_not_grow_with_the_files(large: tuple[FileStore, dict[str, object]], tmp_path: Path) -> None:
    store, row = large
    tracemalloc.start()
    Export({"submission": OneLargeFile(row)}, store, lambda _row, _ruling: b"").write(  # type: ignore[dict-item]
        "z", tmp_path / "z.zip", moment=MOMENT
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ZipFile(tmp_path / "z.zip").getinfo("files/A-v1-f.pdf").file_size == LARGE_BYTES
    assert peak < MEMORY_BYTES


def test_half_a_zip_is_none(large: tuple[FileStore, dict[str, object]], tmp_path: Path) -> None:
    store, row = large
    with pytest.raises(Unavailable):
        Export({"submission": OneLargeFile(row, away=True)}, store, lambda _row, _ruling: b"").write(  # type: ignore[dict-item]
            "z", tmp_path / "z.zip", moment=MOMENT
        )
    assert not [path for path in tmp_path.iterdir() if "zip" in path.name]
