"""Uploads by chance: whatever is asked in whatever order, the bytes are those of a model, and nothing fails here."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.support.uploading import PROTOCOL, VIC, House, Uploader, embedded_house, text_of

LONGEST = 3000
OVER = {404, 410}
"""What is answered about an upload that has ended."""


@dataclass
class Model:
    """An upload as it must be: how many bytes of its content are there, and whether it goes on."""

    path: str
    content: bytes
    offset: int = 0
    is_over: bool = False
    receipt: str = ""

    @property
    def is_whole(self) -> bool:
        return self.offset == len(self.content)


class Uploading(RuleBasedStateMachine):
    """One student, who is not always sensible."""

    uploads: Bundle[Model] = Bundle("uploads")

    def __init__(self, house: House, uma: Uploader, vic: Uploader) -> None:
        super().__init__()
        self.house, self.uma, self.vic = house, uma, vic

    @rule(target=uploads, length=st.integers(1, LONGEST), first=st.integers(0, LONGEST))
    def begin(self, length: int, first: int) -> Model:
        content = text_of(length)
        created = self.uma.create(length, content=content[:first])
        assert created.status_code == 201, created.text
        return Model(created.headers["location"], content, min(first, length))

    @rule(
        upload=uploads,
        shift=st.sampled_from([0, 0, 0, 0, -1, 1, 5000]),
        size=st.integers(0, LONGEST),
        more=st.sampled_from([0, 0, 0, 1]),
        checksum=st.sampled_from(["none", "right", "wrong"]),
    )
    def send(self, upload: Model, shift: int, size: int, more: int, checksum: str) -> None:
        at = max(0, upload.offset + shift)
        piece = upload.content[upload.offset : upload.offset + size] + b"x" * more
        answer = self.uma.patch(upload.path, piece, at, **checksum_of(piece, checksum))
        if upload.is_over:
            assert answer.status_code in {413, *OVER}, answer.text
        elif upload.is_whole:
            assert answer.status_code < 500, answer.text
        elif at + len(piece) > len(upload.content):
            assert answer.status_code == 413, answer.text
        elif at != upload.offset:
            assert answer.status_code == 409, answer.text
        elif checksum == "wrong":
            assert answer.status_code == 460, answer.text
        else:
            assert answer.status_code == 204, answer.text
            upload.offset += len(piece)
            assert answer.headers["upload-offset"] == str(upload.offset)
        self.ask(upload)

    @rule(upload=uploads)
    def ask(self, upload: Model) -> None:
        answer = self.uma.head(upload.path)
        if upload.is_over:
            assert answer.status_code in OVER
        else:
            assert (answer.status_code, answer.headers["upload-offset"]) == (200, str(upload.offset))

    @rule(upload=uploads)
    def somebody_else_asks(self, upload: Model) -> None:
        assert self.vic.head(upload.path).status_code == 404
        assert self.vic.patch(upload.path, b"x", upload.offset).status_code == 404

    @rule(upload=uploads)
    def delete(self, upload: Model) -> None:
        answer = self.uma.send("DELETE", upload.path, **PROTOCOL)
        if upload.receipt:
            assert answer.status_code == 409, answer.text
        elif upload.is_over:
            assert answer.status_code in OVER, answer.text
        else:
            assert answer.status_code == 204, answer.text
            upload.is_over = True

    @rule(upload=uploads)
    def expire(self, upload: Model) -> None:
        if not upload.is_over and not upload.is_whole:
            self.house.age(upload.path, "expires_at")
            upload.is_over = True

    @rule(upload=uploads)
    def hand_in(self, upload: Model) -> None:
        if upload.is_whole and not upload.is_over and not upload.receipt:
            self.uma.wait_for(upload.path, "ready")
        answer = self.uma.confirm(upload.path)
        if upload.is_over:
            assert answer.status_code in {409, *OVER}, answer.text
        elif not upload.is_whole:
            assert answer.status_code == 409, answer.text
        else:
            assert answer.status_code == 201, answer.text
            receipt = answer.json()["receipt"]
            assert receipt == (upload.receipt or receipt)
            upload.receipt = receipt
            assert self.house.content_of(answer.json()["submission_id"]) == upload.content

    def teardown(self) -> None:
        self.uma.end_all()
        self.uma.begun.clear()


def checksum_of(piece: bytes, which: str) -> dict[str, str]:
    if which == "none":
        return {}
    digest = hashlib.sha256(piece if which == "right" else piece + b"another").digest()
    return {"upload-checksum": f"sha256 {base64.b64encode(digest).decode()}"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with embedded_house(tmp_path_factory.mktemp("house"), quota_versions=100_000, quota_uploads=1000) as house:
        yield house


def test_whatever_is_asked_in_whatever_order_the_bytes_are_right(house: House) -> None:
    uma, vic = house.student(), house.student(VIC)
    run_state_machine_as_test(  # type: ignore[no-untyped-call] # hypothesis has no types here
        lambda: Uploading(house, uma, vic),
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    house.assert_audit_is_clean()
