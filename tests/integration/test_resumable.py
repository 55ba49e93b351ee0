"""Uploads that can be resumed, over real connections, to one web process and to two in turn."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed
from tusclient.uploader import Uploader as TuspyUploader

from tests.support.uploading import (
    BYTES,
    FILM,
    MEBIBYTE,
    OVER,
    PROTOCOL,
    SMALL,
    UMA,
    UPLOADS,
    VIC,
    House,
    Uploader,
    cluster_house,
    embedded_house,
    metadata_of,
    path_of,
    text_of,
)

AT_ONCE = timedelta(hours=-1)
"""What is a minute young counts as well."""

PIECE = 5 * MEBIBYTE
ELF = b"\x7fELF" + bytes(100)
SIZES = (1, 4_900 * 1024, PIECE, PIECE + 1, 33 * MEBIBYTE)


@pytest.fixture(scope="module", params=["embedded", pytest.param("cluster", marks=pytest.mark.cluster)])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A system with one web process, or with two on real servers."""
    make = embedded_house if request.param == "embedded" else cluster_house
    with make(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def uma(house: House) -> Iterator[Uploader]:
    student = house.student(UMA)
    yield student
    student.end_all()


@pytest.fixture
def vic(house: House) -> Iterator[Uploader]:
    student = house.student(VIC)
    yield student
    student.end_all()


def tuspy(house: House, student: Uploader) -> TusClient:
    return TusClient(house.gateway + UPLOADS, headers=student.authorization)


def about(name: str = "film.txt") -> dict[str, str]:
    return {"assignment": FILM, "filename": name, "filetype": "text/plain"}


def is_handed_in_whole(house: House, student: Uploader, path: str, content: bytes) -> None:
    ready = student.wait_for(path, "ready")
    assert (ready["sha256"], ready["length"]) == (hashlib.sha256(content).hexdigest(), len(content))
    accepted = student.confirm(path)
    assert accepted.status_code == 201, accepted.text
    assert house.content_of(accepted.json()["submission_id"]) == content
    house.wait_until_not_staged(path)


@pytest.mark.parametrize("size_bytes", SIZES)
def test_tuspy_uploads_a_file_of_any_size(house: House, uma: Uploader, size_bytes: int) -> None:
    content = text_of(size_bytes)
    uploader = tuspy(house, uma).uploader(file_stream=io.BytesIO(content), metadata=about())
    uploader.upload()
    is_handed_in_whole(house, uma, path_of(uploader.url), content)
    assert house.staged() == []


@pytest.mark.parametrize("size_bytes", [7 * MEBIBYTE + 3, 2 * PIECE])
def test_tuspy_uploads_chunk_by_chunk_with_checksums(house: House, uma: Uploader, size_bytes: int) -> None:
    content = text_of(size_bytes)
    uploader = tuspy(house, uma).uploader(
        file_stream=io.BytesIO(content), chunk_size=MEBIBYTE, metadata=about(), upload_checksum=True
    )
    uploader.upload()
    is_handed_in_whole(house, uma, path_of(uploader.url), content)


def test_tuspy_resumes_what_another_began(house: House, uma: Uploader) -> None:
    content = text_of(12 * MEBIBYTE)
    first = tuspy(house, uma).uploader(file_stream=io.BytesIO(content), chunk_size=4 * MEBIBYTE, metadata=about())
    first.upload(stop_at=8 * MEBIBYTE)
    second = tuspy(house, uma).uploader(file_stream=io.BytesIO(content), url=first.url)
    assert second.offset == 8 * MEBIBYTE
    second.upload()
    is_handed_in_whole(house, uma, path_of(first.url), content)


def test_tuspy_hears_that_a_file_is_empty(house: House, uma: Uploader) -> None:
    before = len(house.rows("submission", "refusals"))
    with pytest.raises(TusCommunicationError) as raised:
        tuspy(house, uma).uploader(file_stream=io.BytesIO(b""), metadata=about()).upload()
    assert raised.value.status_code == 422
    assert b"The file is empty" in raised.value.response_content
    assert len(house.rows("submission", "refusals")) == before + 1


class Garbling(TuspyUploader):
    """Sends other bytes than it has hashed."""

    CHECKSUM_ALGORITHM_PAIR = ("sha256", lambda chunk: hashlib.sha256(chunk + b"!"))


def test_tuspy_hears_of_the_wrong_checksum(house: House, uma: Uploader) -> None:
    uploader = Garbling(
        file_stream=io.BytesIO(text_of(100)), client=tuspy(house, uma), metadata=about(), upload_checksum=True
    )
    with pytest.raises(TusUploadFailed) as raised:
        uploader.upload()
    assert raised.value.status_code == 460
    assert uma.offset(path_of(uploader.url)) == 0


def test_the_receipt_holds_when_it_started_arrived_and_was_confirmed(house: House, uma: Uploader) -> None:
    path = uma.begin(3)
    uma.patch(path, b"abc", 0)
    ready = uma.get(path)
    assert uma.confirm(path).status_code == 201
    claims = claims_of(uma.confirm(path).json()["receipt"])
    moments = [datetime.fromisoformat(claims[name]) for name in ("started_at", "arrived_at", "confirmed_at")]
    assert moments == sorted(set(moments))
    assert moments[:2] == [datetime.fromisoformat(ready[name]) for name in ("started_at", "arrived_at")]
    assert claims["iat"] == int(moments[2].timestamp())


def claims_of(receipt: str) -> dict[str, str]:
    payload = receipt.split(".")[1]
    found: dict[str, str] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def test_confirming_again_gives_the_same_receipt(house: House, uma: Uploader) -> None:
    path = uma.begin(3)
    uma.patch(path, b"abc", 0)
    first, again = uma.confirm(path), uma.confirm(path)
    assert (again.status_code, again.json()) == (201, first.json())
    house.assert_audit_is_clean()


def test_a_version_is_made_by_confirming_and_not_before(house: House, uma: Uploader) -> None:
    before = len(house.rows("submission", "versions"))
    path = uma.begin(3)
    uma.patch(path, b"abc", 0)
    assert uma.get(path)["state"] == "ready"
    assert len(house.rows("submission", "versions")) == before
    assert uma.confirm(path).json()["band"] == "on_time"
    assert len(house.rows("submission", "versions")) == before + 1


def test_the_students_list_says_that_something_waits_to_be_handed_in(vic: Uploader) -> None:
    path = vic.begin(3)
    assert "Uploaded, not handed in" in vic.send("GET", "/work").text
    vic.patch(path, b"abc", 0)
    assert "Uploaded, not handed in" in vic.send("GET", "/work").text
    vic.confirm(path)
    assert "Uploaded, not handed in" not in vic.send("GET", "/work").text


def test_one_key_for_two_uploads_of_one_file_makes_one_version(uma: Uploader) -> None:
    paths = [uma.begin(5, key="one-key-for-both-uploads") for _ in range(2)]
    for path in paths:
        uma.patch(path, b"equal", 0)
    first, second = (uma.confirm(path) for path in paths)
    assert (second.status_code, second.json()["receipt"]) == (201, first.json()["receipt"])


def test_one_key_for_two_files_is_refused(uma: Uploader) -> None:
    for content, expected in ((b"one", 201), (b"two", 422)):
        path = uma.begin(3, key="one-key-for-two-files")
        uma.patch(path, content, 0)
        assert uma.confirm(path).status_code == expected


def test_options_say_what_is_spoken_without_being_asked_in_a_version(house: House) -> None:
    answer = Uploader(house.addresses, "nobody").send("OPTIONS", UPLOADS)
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
    assert answer.headers["tus-extension"] == "creation,creation-with-upload,termination,expiration,checksum"
    assert answer.headers["tus-checksum-algorithm"].split(",")[:2] == ["sha1", "sha256"]
    assert int(answer.headers["tus-max-size"]) == 1024 * MEBIBYTE


def test_head_says_how_far_it_is(uma: Uploader) -> None:
    said = metadata_of(assignment=FILM, filename="film.txt")
    path = uma.begin(10)
    uma.patch(path, b"four", 0)
    answer = uma.head(path)
    assert answer.status_code == 200
    assert (answer.headers["upload-offset"], answer.headers["upload-length"]) == ("4", "10")
    assert (answer.headers["upload-metadata"], answer.headers["cache-control"]) == (said, "no-store")
    assert answer.headers["upload-expires"].endswith(" GMT")


@pytest.mark.parametrize("version", ["0.2.2", "", "1.0"])
def test_another_version_is_not_spoken(uma: Uploader, version: str) -> None:
    path = uma.begin(3)
    for method in ("HEAD", "PATCH", "DELETE"):
        answer = uma.send(method, path, tus_resumable=version, upload_offset="0", **BYTES)
        assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")


def test_every_failure_says_the_version(house: House, uma: Uploader) -> None:
    answers = [
        uma.head(f"{UPLOADS}/00000000-0000-4000-8000-000000000000"),
        Uploader(house.addresses, "nobody").head(uma.begin(3)),
    ]
    assert [(answer.status_code, answer.headers["tus-resumable"]) for answer in answers] == [
        (404, "1.0.0"),
        (401, "1.0.0"),
    ]


def test_bytes_of_another_content_type_are_not_taken(uma: Uploader) -> None:
    path = uma.begin(3)
    answer = uma.patch(path, b"abc", 0, **{"content-type": "application/octet-stream"})
    assert (answer.status_code, uma.offset(path)) == (415, 0)


def test_bytes_at_another_offset_are_not_taken(uma: Uploader) -> None:
    path = uma.begin(10)
    uma.patch(path, b"abcd", 0)
    for offset in (0, 3, 5):
        answer = uma.patch(path, b"abc", offset)
        assert (answer.status_code, answer.json()["offset"], uma.offset(path)) == (409, 4, 4)


def test_more_bytes_than_announced_are_not_taken(uma: Uploader) -> None:
    path = uma.begin(3)
    assert uma.patch(path, b"abcd", 0).status_code == 413
    assert uma.patch(path, iter([b"ab", b"cd"]), 0).status_code == 413
    assert (uma.offset(path), uma.get(path)["state"]) == (0, "receiving")


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512", "md5"])
def test_a_checksum_is_held_against_the_bytes_of_the_request(uma: Uploader, algorithm: str) -> None:
    content = text_of(2 * PIECE + 7)
    path = uma.begin(len(content))
    first, rest = content[: PIECE + 3], content[PIECE + 3 :]
    wrong = uma.patch(path, first, 0, **{"upload-checksum": checksum(algorithm, b"!" + first)})
    assert (wrong.status_code, wrong.json()["code"], uma.offset(path)) == (460, "wrong_checksum", 0)
    assert uma.patch(path, first, 0, **{"upload-checksum": checksum(algorithm, first)}).status_code == 204
    assert uma.patch(path, rest, len(first), **{"upload-checksum": checksum(algorithm, rest)}).status_code == 204
    assert uma.wait_for(path, "ready")["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_wrong_checksum_leaves_nothing_in_staging(house: House, uma: Uploader) -> None:
    before = house.staged()
    content = text_of(2 * PIECE + 7)
    path = uma.begin(3 * PIECE)
    assert uma.patch(path, content, 0, **{"upload-checksum": checksum("sha1", b"")}).status_code == 460
    assert house.staged() == before


@pytest.mark.parametrize("header", ["crc32 AAAA", "sha1", "sha1 !!!", "sha1 AAAA", "", "SHA1 AAAA"])
def test_a_checksum_that_cannot_be_is_said_so(uma: Uploader, header: str) -> None:
    answer = uma.patch(uma.begin(3), b"abc", 0, **{"upload-checksum": header})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_header")


def checksum(algorithm: str, content: bytes) -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def test_a_file_may_come_with_its_creation(house: House, uma: Uploader) -> None:
    content = text_of(PIECE)
    answer = uma.create(len(content), content=content)
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, str(len(content)))
    assert uma.get(answer.headers["location"])["state"] == "ready"
    is_handed_in_whole(house, uma, answer.headers["location"], content)


def test_a_part_of_a_file_may_come_with_its_creation(house: House, uma: Uploader) -> None:
    content = text_of(100)
    answer = uma.create(len(content), content=content[:40])
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "40")
    assert uma.patch(answer.headers["location"], content[40:], 40).headers["upload-offset"] == "100"
    is_handed_in_whole(house, uma, answer.headers["location"], content)


def test_who_cannot_send_patch_may_say_so_in_a_header(uma: Uploader) -> None:
    path = uma.begin(6)
    answer = uma.send(
        "POST", path, content=b"abc", x_http_method_override="PATCH", upload_offset="0", **PROTOCOL, **BYTES
    )
    assert (answer.status_code, uma.offset(path)) == (204, 3)
    assert uma.send("POST", path, x_http_method_override="DELETE", **PROTOCOL).status_code == 204
    assert uma.send("POST", path, **PROTOCOL).status_code == 405


@pytest.mark.parametrize("header", ["upload-defer-length", "upload-concat"])
def test_what_is_not_offered_is_said_so(uma: Uploader, header: str) -> None:
    assert uma.create(3, headers={header: "1"}).status_code == 400


@pytest.mark.parametrize(
    ("length", "assignment", "name", "status", "code"),
    [
        (11 * MEBIBYTE, SMALL, "a.pdf", 413, "refused_too_large"),
        (3, SMALL, "n" * 60 + ".pdf", 422, "refused_name_too_long"),
        (3, OVER, "a.pdf", 409, "refused_too_late"),
        (0, SMALL, "a.pdf", 422, "refused_empty"),
    ],
)
def test_what_its_announcement_shows_is_refused_recorded_and_told(
    house: House, vic: Uploader, length: int, assignment: str, name: str, status: int, code: str
) -> None:
    before = len(house.rows("submission", "refusals"))
    answer = vic.create(length, assignment=assignment, filename=name)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(house.rows("submission", "refusals")) == before + 1
    house.assert_audit_is_clean()


@pytest.mark.parametrize("size_bytes", [104, 6 * MEBIBYTE, 17 * MEBIBYTE])
def test_a_file_of_a_type_that_is_not_taken_is_refused_recorded_and_told(
    house: House, vic: Uploader, size_bytes: int
) -> None:
    content = (ELF + bytes(size_bytes))[:size_bytes]
    before = len(house.rows("submission", "refusals"))
    path = vic.begin(size_bytes)
    assert vic.patch(path, content, 0).status_code == 204
    refusal = vic.wait_for(path, "refused")["refusal"]
    assert refusal["reason"] == "wrong_type"
    assert "of a type that this assignment does not take" in refusal["detail"]
    answer = vic.confirm(path)
    assert (answer.status_code, answer.json()["code"]) == (415, "refused_wrong_type")
    assert len(house.rows("submission", "refusals")) == before + 1
    house.assert_audit_is_clean()


def test_what_arrived_in_time_is_in_time_whenever_it_is_confirmed(house: House, uma: Uploader) -> None:
    path = uma.begin(3)
    uma.patch(path, b"abc", 0)
    arrived = uma.get(path)["arrived_at"]
    time.sleep(0.05)
    claims = claims_of(uma.confirm(path).json()["receipt"])
    assert (datetime.fromisoformat(claims["arrived_at"]), claims["ruling"]) == (
        datetime.fromisoformat(arrived),
        "on_time",
    )


def test_another_students_upload_is_not_there(uma: Uploader, vic: Uploader) -> None:
    path = uma.begin(3)
    answers = [vic.head(path), vic.patch(path, b"abc", 0), vic.send("DELETE", path, **PROTOCOL), vic.confirm(path)]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert vic.send("GET", path).status_code == 404
    assert uma.offset(path) == 0


def test_who_may_not_is_told_so_before_a_byte_is_sent(uma: Uploader, vic: Uploader) -> None:
    path = uma.begin(1000)
    assert answer_to_a_head(vic, path, length=1000) == b"404"
    assert answer_to_a_head(Uploader(uma.addresses, "nobody"), path, length=1000) == b"401"
    assert answer_to_a_head(uma, path, length=10, offset=7) == b"409"
    assert answer_to_a_head(uma, path, length=1001) == b"413"


def answer_to_a_head(student: Uploader, path: str, *, length: int, offset: int = 0) -> bytes:
    """The status that is answered to a request of which nothing is sent but its head."""
    with open_patch(student, path, length=length, offset=offset) as connection:
        return connection.recv(100).split()[1]


def open_patch(student: Uploader, path: str, *, length: int, offset: int = 0) -> socket.socket:
    """A connection on which only the head of a PATCH has been sent."""
    host, port = student.addresses[0].removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: etma\r\nAuthorization: {student.authorization['authorization']}\r\n"
        f"Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    connection.sendall(head.encode())
    return connection


def test_a_second_request_is_locked_out_at_once_while_the_first_writes(house: House, uma: Uploader) -> None:
    path = uma.begin(1000)
    with open_patch(uma, path, length=1000) as first:
        first.sendall(b"a" * 10)
        wait_until_locked(house, path)
        began = time.monotonic()
        second = uma.patch(path, b"b" * 1000, 0)
        assert (second.status_code, second.headers["retry-after"]) == (423, "5")
        assert uma.send("DELETE", path, **PROTOCOL).status_code == 423
        assert time.monotonic() - began < 5
        first.sendall(b"a" * 990)
        assert first.recv(100).split()[1] == b"204"
    assert uma.get(path)["sha256"] == hashlib.sha256(b"a" * 1000).hexdigest()


def wait_until_locked(house: House, path: str) -> None:
    """Looks, and does not ask: who asks holds the upload for a moment, and may be in the other one's way."""
    deadline = time.monotonic() + 10
    while not house.is_held(path):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_server_answers_others_while_a_second_request_is_locked_out(house: House, uma: Uploader) -> None:
    """Nothing but the upload itself is locked."""
    path, other = uma.begin(1000), uma.begin(3)
    with open_patch(uma, path, length=1000) as first:
        first.sendall(b"a")
        wait_until_locked(house, path)
        locked = threading.Thread(target=uma.patch, args=(path, b"b" * 1000, 0))
        locked.start()
        began = time.monotonic()
        assert uma.patch(other, b"abc", 0).status_code == 204
        assert time.monotonic() - began < 5
        locked.join()


def test_what_came_before_the_connection_broke_is_kept_and_the_next_request_is_let_in(
    house: House, uma: Uploader
) -> None:
    content = text_of(7 * MEBIBYTE)
    path = uma.begin(len(content))
    with open_patch(uma, path, length=len(content)) as connection:
        connection.sendall(content[: 6 * MEBIBYTE])
    deadline = time.monotonic() + 10
    while (offset := uma.offset(path)) < 6 * MEBIBYTE:
        assert time.monotonic() < deadline, offset
        time.sleep(0.02)
    assert uma.patch(path, content[offset:], offset).status_code == 204
    is_handed_in_whole(house, uma, path, content)


def test_a_connection_that_broke_under_a_checksum_counts_for_nothing(house: House, uma: Uploader) -> None:
    path = uma.begin(1000)
    host, port = uma.addresses[0].removeprefix("http://").split(":")
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: etma\r\nAuthorization: {uma.authorization['authorization']}\r\n"
        f"Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\n"
        f"Upload-Checksum: {checksum('sha1', b'a' * 1000)}\r\nContent-Length: 1000\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + b"a" * 500)
        wait_until_locked(house, path)
    deadline = time.monotonic() + 10
    while uma.patch(path, b"", 0).status_code == 423:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert uma.offset(path) == 0


def test_a_silent_connection_is_given_up_and_what_came_is_kept(uma: Uploader) -> None:
    path = uma.begin(1000)
    with open_patch(uma, path, length=1000) as connection:
        connection.sendall(b"a" * 10)
        assert connection.recv(100).split()[1] == b"408"
    assert uma.offset(path) == 10
    assert uma.patch(path, b"a" * 990, 10).status_code == 204


def test_pieces_of_any_size_make_the_file(house: House, uma: Uploader) -> None:
    content = text_of(18 * MEBIBYTE)
    path, offset = uma.begin(len(content)), 0
    for size_bytes in (1, MEBIBYTE, 7 * MEBIBYTE + 1, 3, 2 * PIECE):
        part = content[offset : offset + size_bytes]
        answer = uma.patch(path, part, offset)
        offset += len(part)
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(offset))
    assert offset == len(content)
    is_handed_in_whole(house, uma, path, content)
    assert house.staged() == []


def test_nothing_more_may_be_written_to_what_is_whole(uma: Uploader) -> None:
    path = uma.begin(3)
    uma.patch(path, b"abc", 0)
    assert uma.patch(path, b"", 3).status_code == 204
    assert uma.patch(path, b"d", 3).status_code == 413
    assert uma.patch(path, b"abc", 0).status_code == 409
    assert uma.get(path)["sha256"] == hashlib.sha256(b"abc").hexdigest()


def test_what_is_not_whole_cannot_be_handed_in(uma: Uploader) -> None:
    path = uma.begin(3)
    uma.patch(path, b"a", 0)
    answer = uma.confirm(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_not_whole")
    assert "1 of 3 bytes" in answer.json()["detail"]


def test_a_terminated_upload_is_gone_with_its_bytes(house: House, uma: Uploader) -> None:
    before = house.staged()
    path = uma.begin(2 * PIECE)
    uma.patch(path, text_of(PIECE), 0)
    assert len(house.staged()) == len(before) + 1
    assert uma.send("DELETE", path, **PROTOCOL).status_code == 204
    assert house.staged() == before
    answers = [uma.head(path), uma.patch(path, b"a", PIECE), uma.send("DELETE", path, **PROTOCOL), uma.confirm(path)]
    assert [answer.status_code for answer in answers] == [410] * 4
    assert "upload-offset" not in answers[0].headers


def test_what_was_handed_in_cannot_be_terminated(uma: Uploader) -> None:
    path = uma.begin(3)
    uma.patch(path, b"abc", 0)
    uma.confirm(path)
    assert uma.send("DELETE", path, **PROTOCOL).status_code == 409
    assert uma.confirm(path).status_code == 201


def test_an_upload_that_nobody_goes_on_with_expires(house: House, uma: Uploader) -> None:
    path = uma.begin(2 * PIECE)
    uma.patch(path, text_of(PIECE), 0)
    house.age(path, "expires_at")
    assert uma.patch(path, b"a", PIECE).status_code == 410
    assert house.system.submission.clearing.expire() == 1
    assert uma.get(path)["state"] == "expired"
    assert [key for key in house.staged() if key.startswith(path.rpartition("/")[-1])] == []
    assert uma.patch(path, b"a", PIECE).status_code == 410


def test_what_nobody_confirms_lapses_and_its_student_is_told_once(house: House, vic: Uploader) -> None:
    path = vic.begin(3)
    vic.patch(path, b"abc", 0)
    place = house.system.submission.uploads.own(path.rpartition("/")[-1], person_of(house, path))
    assert house.system.platform.objects.stat(place.object_key or "", place.object_version or "")
    house.age(path, "confirm_by")
    answer = vic.confirm(path)
    assert (answer.status_code, "Nobody handed it in" in answer.json()["detail"]) == (410, True)
    house.make_timers_due()
    vic.wait_for(path, "lapsed")
    assert vic.confirm(path).status_code == 410
    house.system.submission.clearing.discard()
    assert house.system.platform.objects.stat(place.object_key or "", place.object_version or "") is None
    house.assert_audit_is_clean()
    told = [row for row in house.rows("notifier", "obligations") if row["purpose"] == "upload_lapsed"]
    assert [(row["person_ref"], row["state"]) for row in told if row["work_id"] == place.work_id] == [
        (place.person_ref, "assigned")
    ]


def person_of(house: House, path: str) -> str:
    with house.system.submission.database.reading() as connection:
        upload = house.system.submission.upload_store.find(path.rpartition("/")[-1], connection)
    assert upload
    return upload.submitted_by


def test_what_is_confirmed_does_not_lapse(house: House, vic: Uploader) -> None:
    path = vic.begin(3)
    vic.patch(path, b"abc", 0)
    vic.confirm(path)
    house.make_timers_due()
    house.assert_audit_is_clean()
    assert vic.get(path)["state"] == "confirmed"


def test_the_sweeps_take_nothing_of_an_open_upload(house: House, vic: Uploader) -> None:
    content = text_of(PIECE + 2)
    unfinished, ready = vic.begin(len(content)), vic.begin(3)
    vic.patch(unfinished, content[:-1], 0)
    vic.patch(ready, b"abc", 0)
    house.system.submission.clearing.sweep(settled=AT_ONCE)
    known = house.system.submission.orphans.known
    upload = house.system.submission.uploads.own(ready.rpartition("/")[-1], person_of(house, ready))
    assert known([upload.object_key or ""]) == {(upload.object_key, upload.object_version)}
    assert vic.patch(unfinished, content[-1:], len(content) - 1).status_code == 204
    is_handed_in_whole(house, vic, unfinished, content)
    is_handed_in_whole(house, vic, ready, b"abc")


def test_a_piece_that_no_upload_has_is_swept(house: House) -> None:
    with house.system.platform.staging.writer("left-by-a-crash/000000000000000") as writer:
        writer.write(b"abc")
        writer.finish()
    house.system.submission.clearing.sweep()
    assert "left-by-a-crash/000000000000000" in house.staged()
    house.system.submission.clearing.sweep(settled=AT_ONCE)
    assert "left-by-a-crash/000000000000000" not in house.staged()


def test_one_student_has_only_so_many_open_uploads_for_an_assignment(vic: Uploader) -> None:
    paths = []
    while (answer := vic.create(3, assignment=SMALL)).status_code == 201:
        paths.append(answer.headers["location"])
    assert (answer.status_code, answer.json()["code"], len(paths)) == (429, "too_many_uploads", 20)
    for path in paths:
        assert vic.send("DELETE", path, **PROTOCOL).status_code == 204
    assert vic.create(3, assignment=SMALL).status_code == 201


def test_an_assignment_of_another_module_is_not_there(uma: Uploader) -> None:
    assert uma.create(3, assignment="K901-26J-TMA01").status_code == 404
    assert uma.create(3, assignment="").status_code == 400
