"""Uploads over real connections: many at once, broken off, and larger than the memory they may take."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.support.cluster import new_cluster
from tests.support.cluster_town import Gateway
from tests.support.oulad import etma
from tests.support.processes import roles
from tests.support.serving import Served, peak_bytes, served
from tests.support.uploading import BYTES, PROTOCOL, UPLOADS, metadata_of

STUDENT = "P4000001"
PDF = b"%PDF-1.4\nmine\n"
AT_ONCE = 8
MEGABYTE = 1024 * 1024
LARGE_BYTES = 160 * MEGABYTE
GROWTH_BYTES = 32 * MEGABYTE
CATALOGUE = """
students:
  - {personal_id: P4000001, name: Uma}
modules:
  - code: K900
    title: Large files
    presentations:
      - code: 26J
        assignments:
          - {number: TMA01, title: A film, kind: tma, cut_off: 2099-12-01, max_megabytes: 512, allowed_types: [pdf]}
        enrolled: [P4000001]
"""


@dataclass(frozen=True)
class House:
    """A system with one assignment for large files; `client` is its student's, `processes` take the work in."""

    client: httpx.Client
    processes: Sequence[int]

    def peak_bytes(self) -> int:
        return sum(map(peak_bytes, self.processes))


@pytest.fixture(scope="module", params=["embedded", pytest.param("cluster", marks=pytest.mark.cluster)])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One process with everything, or two that take work in, on real servers."""
    if request.param == "embedded":
        found: Served = request.getfixturevalue("one_process")
        yield House(found.client, [found.process.pid])
        return
    names = ("identity.api", "submission.api", "submission.api.2", "submission.timers")
    folder = tmp_path_factory.mktemp("cluster")
    with new_cluster(folder) as cluster, roles(cluster.environment, *names) as running:
        take_in_catalogue(folder / "var", cluster.environment)
        token = cluster.system.identity.sessions.sign_in(role="student", identifier=STUDENT)
        for role in running.values():
            role.wait_until_ready()
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url="http://etma", headers=headers, transport=Gateway(running), timeout=60) as client:
            yield House(client, [running[name].pid for name in names[1:3]])


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data_dir = tmp_path_factory.mktemp("served") / "var"
    with served(data_dir):
        pass
    take_in_catalogue(data_dir, {})
    token = etma("token", "--role", "student", "--person", STUDENT, data_dir=data_dir, environment={})
    with served(data_dir) as found:
        found.client.headers["authorization"] = f"Bearer {token.stdout.strip()}"
        yield found


def take_in_catalogue(data_dir: Path, environment: Mapping[str, str]) -> None:
    catalogue = data_dir.with_name("catalogue.yaml")
    catalogue.write_text(CATALOGUE, encoding="utf-8")
    imported = etma("import", "catalogue", str(catalogue), data_dir=data_dir, environment=environment)
    assert imported.returncode == 0, imported.stderr


def hand_in(house: House, *, key: str, content: bytes = PDF) -> httpx.Response:
    return house.client.post(
        "/api/v1/assignments/K900-26J-TMA01/submissions",
        files={"file": ("film.pdf", content)},
        headers={"idempotency-key": key},
    )


def versions_before(house: House) -> int:
    """The number of the latest version so far."""
    return int(hand_in(house, key=str(uuid.uuid4())).json()["version"])


def test_one_key_sent_many_times_at_once_makes_one_version(house: House) -> None:
    before, key = versions_before(house), str(uuid.uuid4())
    with ThreadPoolExecutor(AT_ONCE) as clients:
        answers = list(clients.map(lambda _: hand_in(house, key=key), range(AT_ONCE)))
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["receipt"] for answer in answers} == {answers[0].json()["receipt"]}
    assert answers[0].json()["version"] == before + 1


def test_many_versions_at_once_are_numbered_without_a_gap(house: House) -> None:
    before = versions_before(house)
    with ThreadPoolExecutor(AT_ONCE) as clients:
        answers = list(clients.map(lambda n: hand_in(house, key=f"{before}-of-{n}"), range(AT_ONCE)))
    assert sorted(answer.json()["version"] for answer in answers) == list(range(before + 1, before + 1 + AT_ONCE))


def test_a_connection_that_breaks_leaves_nothing_behind(one_process: Served) -> None:
    house = House(one_process.client, [])
    before = versions_before(house)
    head = (
        "POST /api/v1/assignments/K900-26J-TMA01/submissions HTTP/1.1\r\nHost: etma\r\n"
        f"Authorization: {house.client.headers['authorization']}\r\nIdempotency-Key: broken-off-key\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {MEGABYTE}\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="film.pdf"\r\n\r\n'
    )
    with socket.create_connection(("127.0.0.1", one_process.port)) as connection:
        connection.sendall(head.encode() + b"%PDF-1.4\n" + bytes(MEGABYTE // 2))
        partial = one_process.data_dir / "objects" / "partial"
        wait_until(lambda: any(partial.iterdir()))
    wait_until(lambda: not any(partial.iterdir()))
    assert versions_before(house) == before + 1


def test_memory_does_not_grow_with_the_size_of_an_upload(house: House) -> None:
    for _ in house.processes:
        hand_in(house, key=str(uuid.uuid4()), content=PDF + bytes(MEGABYTE))
    before = house.peak_bytes()
    boundary = "b0undary"
    opening = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="film.pdf"\r\n\r\n'.encode()
    answer = house.client.post(
        "/api/v1/assignments/K900-26J-TMA01/submissions",
        content=body(opening, f"\r\n--{boundary}--\r\n".encode()),
        headers={"idempotency-key": str(uuid.uuid4()), "content-type": f"multipart/form-data; boundary={boundary}"},
    )
    assert (answer.status_code, answer.json()["size_bytes"]) == (201, LARGE_BYTES + len(PDF))
    assert house.peak_bytes() - before < GROWTH_BYTES


def test_memory_does_not_grow_with_the_size_of_an_upload_that_can_be_resumed(house: House) -> None:
    uploader = Resumed(house.client)
    for _ in house.processes:
        uploader.upload(b"%PDF-1.4\n", MEGABYTE)
    before = house.peak_bytes()
    assert uploader.upload(b"%PDF-1.4\n", LARGE_BYTES)["length"] == LARGE_BYTES
    assert house.peak_bytes() - before < GROWTH_BYTES


class Resumed:
    """Uploads by tus, in one request, and waits until the file is checked."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def upload(self, head: bytes, size_bytes: int) -> dict[str, Any]:
        said = metadata_of(assignment="K900-26J-TMA01", filename="film.pdf")
        announced = {"upload-length": str(size_bytes), "upload-metadata": said}
        path = self.client.post(UPLOADS, headers={**PROTOCOL, **announced}).headers["location"]
        content = (
            head + bytes(MEGABYTE - len(head)) if n == 0 else bytes(MEGABYTE) for n in range(size_bytes // MEGABYTE)
        )
        headers = {**PROTOCOL, **BYTES, "upload-offset": "0"}
        assert self.client.patch(path, content=content, headers=headers).status_code == 204
        wait_until(lambda: self.client.get(path).json()["state"] == "ready")
        found: dict[str, Any] = self.client.get(path).json()
        return found


def body(opening: bytes, closing: bytes) -> Iterator[bytes]:
    yield opening + PDF
    piece = bytes(MEGABYTE)
    for _ in range(LARGE_BYTES // MEGABYTE):
        yield piece
    yield closing


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
