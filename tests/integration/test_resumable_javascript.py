"""Uploads by tus-js-client, as a browser's page would: the other implementation that everybody uses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import javascript_client
from tests.support.javascript_client import FILE_NAME, path_in
from tests.support.uploading import MEBIBYTE, House, cluster_house, embedded_house, text_of

PIECE = 5 * MEBIBYTE


@pytest.fixture(scope="module", params=["embedded", pytest.param("cluster", marks=pytest.mark.cluster)])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A system with one web process, or with two on real servers."""
    if not javascript_client.is_installed():
        pytest.fail("tus-js-client is not here: run `make clients`")
    make = embedded_house if request.param == "embedded" else cluster_house
    with make(tmp_path_factory.mktemp("house")) as house:
        yield house


def upload(house: House, folder: Path, content: bytes, **more: object) -> dict[str, Any]:
    """What the client says at its end."""
    file = folder / "film.txt"
    file.write_bytes(content)
    return javascript_client.upload(house.gateway, house.student().token, file, **more)


def is_handed_in_whole(house: House, said: dict[str, Any], content: bytes) -> None:
    student, path = house.student(), path_in(said)
    ready = student.wait_for(path, "ready")
    assert (ready["sha256"], ready["file_name"]) == (hashlib.sha256(content).hexdigest(), FILE_NAME)
    accepted = student.confirm(path)
    assert accepted.status_code == 201
    assert house.content_of(accepted.json()["submission_id"]) == content


@pytest.mark.parametrize("size_bytes", [1, 4_900 * 1024, PIECE, PIECE + 1, 33 * MEBIBYTE])
def test_it_uploads_a_file_of_any_size(house: House, tmp_path: Path, size_bytes: int) -> None:
    content = text_of(size_bytes)
    is_handed_in_whole(house, upload(house, tmp_path, content), content)


def test_it_uploads_chunk_by_chunk(house: House, tmp_path: Path) -> None:
    content = text_of(6 * MEBIBYTE + 1)
    said = upload(house, tmp_path, content, chunkSize=MEBIBYTE)
    is_handed_in_whole(house, said, content)
    assert said["requests"] == 1 + 7


@pytest.mark.parametrize(("size_bytes", "requests"), [(1000, 1), (3 * MEBIBYTE, 3)])
def test_it_uploads_with_the_creation(house: House, tmp_path: Path, size_bytes: int, requests: int) -> None:
    content = text_of(size_bytes)
    said = upload(house, tmp_path, content, chunkSize=MEBIBYTE, withCreation=True)
    is_handed_in_whole(house, said, content)
    assert said["requests"] == requests


def test_it_stops_and_goes_on(house: House, tmp_path: Path) -> None:
    content = text_of(12 * MEBIBYTE)
    said = upload(house, tmp_path, content, chunkSize=4 * MEBIBYTE, stopAt=8 * MEBIBYTE)
    is_handed_in_whole(house, said, content)


def test_it_hears_that_a_file_is_empty(house: House, tmp_path: Path) -> None:
    said = upload(house, tmp_path, b"")
    assert said["status"] == 422
    assert "The file is empty" in said["body"]
