"""Uploads over real connections: many at once, broken off, and larger than the memory they may take."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import pytest

from tests.support.oulad import etma
from tests.support.serving import Served, served

STUDENT = "P4000001"
PDF = b"%PDF-1.4\nmine\n"
AT_ONCE = 8
MEGABYTE = 1024 * 1024
LARGE_BYTES = 160 * MEGABYTE
GROWTH_BYTES = 32 * MEGABYTE
CATALOGUE = """
modules:
  - code: K900
    title: Large files
    presentations:
      - code: 26J
        assignments:
          - {number: TMA01, title: A film, kind: tma, cut_off: 2099-12-01, max_megabytes: 512, allowed_types: [pdf]}
        enrolled: [P4000001]
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A served system with one assignment for large files."""
    data_dir = tmp_path_factory.mktemp("served") / "var"
    with served(data_dir):
        pass
    catalogue = data_dir.with_name("catalogue.yaml")
    catalogue.write_text(CATALOGUE, encoding="utf-8")
    imported = etma("import", "catalogue", str(catalogue), data_dir=data_dir, environment={})
    assert imported.returncode == 0, imported.stderr
    token = etma("token", "--role", "student", "--person", STUDENT, data_dir=data_dir, environment={})
    with served(data_dir) as house:
        house.client.headers["authorization"] = f"Bearer {token.stdout.strip()}"
        yield house


def hand_in(house: Served, *, key: str, content: bytes = PDF) -> httpx.Response:
    return house.client.post(
        "/api/v1/assignments/K900-26J-TMA01/submissions",
        files={"file": ("film.pdf", content)},
        headers={"idempotency-key": key},
    )


def versions_before(house: Served) -> int:
    """The number of the latest version so far."""
    return int(hand_in(house, key=str(uuid.uuid4())).json()["version"])


def test_one_key_sent_many_times_at_once_makes_one_version(house: Served) -> None:
    before, key = versions_before(house), str(uuid.uuid4())
    with ThreadPoolExecutor(AT_ONCE) as clients:
        answers = list(clients.map(lambda _: hand_in(house, key=key), range(AT_ONCE)))
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["receipt"] for answer in answers} == {answers[0].json()["receipt"]}
    assert answers[0].json()["version"] == before + 1


def test_many_versions_at_once_are_numbered_without_a_gap(house: Served) -> None:
    before = versions_before(house)
    with ThreadPoolExecutor(AT_ONCE) as clients:
        answers = list(clients.map(lambda n: hand_in(house, key=f"{before}-of-{n}"), range(AT_ONCE)))
    assert sorted(answer.json()["version"] for answer in answers) == list(range(before + 1, before + 1 + AT_ONCE))


def test_a_connection_that_breaks_leaves_nothing_behind(house: Served) -> None:
    before = versions_before(house)
    head = (
        "POST /api/v1/assignments/K900-26J-TMA01/submissions HTTP/1.1\r\nHost: etma\r\n"
        f"Authorization: {house.client.headers['authorization']}\r\nIdempotency-Key: broken-off-key\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {MEGABYTE}\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="film.pdf"\r\n\r\n'
    )
    with socket.create_connection(("127.0.0.1", house.port)) as connection:
        connection.sendall(head.encode() + b"%PDF-1.4\n" + bytes(MEGABYTE // 2))
        partial = house.data_dir / "objects" / "partial"
        wait_until(lambda: any(partial.iterdir()))
    wait_until(lambda: not any(partial.iterdir()))
    assert versions_before(house) == before + 1


def test_memory_does_not_grow_with_the_size_of_an_upload(house: Served) -> None:
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
