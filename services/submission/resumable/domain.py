"""The rules of uploads that can be resumed (tus 1.0.0): what a request may say, and what may become of an upload."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.submission.submissions.domain import Attempt, Refused
from shared.contracts import Channel, RefusalReason
from shared.errors import Conflict, Rejected

PIECE_BYTES = 5 * 1024 * 1024
"""What is made durable at once, and the most that is in memory; a file of this size or less is one piece."""

CHECKED_AT_ONCE_BYTES = 16 * 1024 * 1024
"""A file of this size or less is checked before the answer to its last bytes."""

LEASE = timedelta(seconds=15)
"""How long one who receives, or checks, may be silent before another may."""

RENEWAL_SECONDS = 5.0
STALL_SECONDS = 10.0
"""A connection without a byte for so long is given up: less than a lease, so that what came is kept."""

KEPT_UNFINISHED = timedelta(days=7)
"""How long an upload waits for its next byte."""

TO_CONFIRM = timedelta(hours=24)
KEPT_ENDED = timedelta(days=30)
"""How long it is known what became of an upload."""

MOST_METADATA_CHARACTERS = 4096
ALGORITHMS = ("sha1", "sha256", "sha512", "md5")

_NUMBER = re.compile(r"[0-9]{1,15}")
_METADATA_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")
_PLAIN = re.compile(r"[\x21-\x7e]{8,200}")


class State(StrEnum):
    """Where an upload is."""

    RECEIVING = "receiving"
    CHECKING = "checking"
    """All bytes are here; type and hash are being found out."""
    READY = "ready"
    """Its student has to confirm it."""
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    LAPSED = "lapsed"
    EXPIRED = "expired"
    """Its last byte never came."""
    TERMINATED = "terminated"


OPEN = (State.RECEIVING, State.CHECKING, State.READY)
NEXT: Mapping[State, Collection[State]] = {
    State.RECEIVING: {State.CHECKING, State.READY, State.REFUSED, State.EXPIRED, State.TERMINATED},
    State.CHECKING: {State.READY, State.REFUSED},
    State.READY: {State.CONFIRMED, State.REFUSED, State.LAPSED, State.TERMINATED},
}
"""What may become of an upload; of one in any other state nothing more. A small file is checked as it is received."""


def checked_next(now: State, then: State) -> State:
    """The state that follows; raises `ValueError` for what cannot become of an upload."""
    if then not in NEXT.get(now, ()):
        message = f"an upload that is {now} cannot become {then}"
        raise ValueError(message)
    return then


class BadHeader(Rejected):
    """A header of the request is missing, or says what it cannot say."""

    code = "bad_header"
    status = 400
    title = "A header of the upload is not right"


class WrongProtocol(Rejected):
    """The request speaks no version of tus that is spoken here."""

    code = "wrong_protocol"
    status = 412
    title = "This version of the upload protocol is not known"


class WrongContentType(Rejected):
    """The bytes of an upload come as `application/offset+octet-stream`."""

    code = "wrong_content_type"
    status = 415
    title = "The bytes of an upload have another content type"


class WrongOffset(Conflict):
    """The upload is not where the request believes it to be."""

    code = "wrong_offset"
    title = "The upload goes on at another place"


class TooManyBytes(Rejected):
    """More bytes than the upload was announced with, or than any file may have."""

    code = "too_many_bytes"
    status = 413
    title = "There are more bytes than were announced"


class WrongChecksum(Rejected):
    """The bytes of the request are not those that were sent."""

    code = "wrong_checksum"
    status = 460
    title = "The bytes changed on their way"


class Locked(Rejected):
    """Somebody else is at this upload; soon that will be over."""

    code = "upload_locked"
    status = 423
    title = "This upload is being written"


class Gone(Rejected):
    """The upload came to its end, and its bytes are not here."""

    code = "upload_gone"
    status = 410
    title = "This upload is over"


class TooManyUploads(Rejected):
    """The person has so many uploads for this assignment that are not at their end."""

    code = "too_many_uploads"
    status = 429
    title = "There are too many uploads for this assignment"


class NotWhole(Conflict):
    """What is not whole, or not yet checked, cannot be handed in."""

    code = "upload_not_whole"
    title = "This upload cannot be handed in yet"


class HandedIn(Conflict):
    """What was handed in stays."""

    code = "upload_handed_in"
    title = "This upload was handed in"


class CutOffConnection(Rejected):
    """The connection broke before the end of the request; what came is kept."""

    code = "connection_cut_off"
    status = 408
    title = "The connection was lost"


@dataclass(frozen=True, kw_only=True)
class Checksum:
    """What the bytes of one request must hash to."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One file on its way in; `holder` is who writes it, until `lease_until` at the latest."""

    upload_id: str
    work_id: str
    assignment_id: str
    presentation_id: str
    person_ref: str
    submitted_by: str
    channel: Channel
    idempotency_key: str
    correlation_id: str
    metadata: str
    file_name: str
    length: int
    offset: int
    state: State
    started_at: datetime
    expires_at: datetime
    holder: str | None = None
    lease_until: datetime | None = None
    arrived_at: datetime | None = None
    confirm_by: datetime | None = None
    ended_at: datetime | None = None
    sha256: str | None = None
    media_type: str | None = None
    object_key: str | None = None
    object_version: str | None = None
    submission_id: str | None = None
    refusal_reason: str | None = None
    refusal_detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some bytes of an upload, durable in staging."""

    upload_id: str
    offset: int
    size_bytes: int
    object_key: str
    object_version: str


def attempt_of(upload: Upload) -> Attempt:
    """The attempt to hand in that an upload is."""
    return Attempt(
        assignment_id=upload.assignment_id,
        person_ref=upload.person_ref,
        submitted_by=upload.submitted_by,
        channel=upload.channel,
        idempotency_key=upload.idempotency_key,
        started_at=upload.started_at,
        announced_bytes=upload.length,
        correlation_id=upload.correlation_id,
    )


_OVER = {
    State.EXPIRED: "Its last bytes did not come in time, and it was deleted. Please upload the file again.",
    State.TERMINATED: "It was deleted at your request.",
    State.LAPSED: "Nobody handed it in while there was time, and it was deleted. Please upload the file again.",
}


def check_receiving(upload: Upload, *, offset: int, now: datetime) -> None:
    """Whether bytes may be written at this offset; raises `Gone`, `Locked`, `WrongOffset`."""
    check_not_over(upload, now=now)
    if upload.state is State.RECEIVING:
        check_free(upload, now=now)
    if upload.offset != offset:
        raise WrongOffset(f"The upload goes on at {upload.offset}.", offset=upload.offset)


def check_free(upload: Upload, *, now: datetime) -> None:
    """Raises `Locked` while somebody else is at it."""
    if upload.holder is not None and upload.lease_until is not None and upload.lease_until > now:
        raise Locked(
            "Another request is writing this upload. Ask for its offset in some seconds, and go on from there."
        )


def check_not_over(upload: Upload, *, now: datetime) -> None:
    """Raises `Gone` for what has expired, lapsed or was terminated."""
    if upload.state in _OVER:
        raise Gone(_OVER[upload.state])
    if upload.state is State.RECEIVING and upload.expires_at <= now:
        raise Gone(_OVER[State.EXPIRED])


def check_ready(upload: Upload, *, now: datetime) -> None:
    """Whether it may be handed in now; raises `Gone`, `NotWhole`, `Refused`."""
    check_not_over(upload, now=now)
    if upload.state is State.RECEIVING:
        raise NotWhole(f"{upload.offset} of {upload.length} bytes are here. Please upload the rest first.")
    if upload.state is State.CHECKING:
        raise NotWhole("The file is here and is being checked. Please try again in some seconds.")
    if upload.state is State.REFUSED:
        raise Refused(RefusalReason(upload.refusal_reason or "unknown"), upload.refusal_detail or "")
    if upload.state is State.READY and upload.confirm_by is not None and upload.confirm_by < now:
        raise Gone(_OVER[State.LAPSED])


def check_may_end(upload: Upload, *, now: datetime) -> None:
    """Whether it may be terminated; raises `Gone`, `Locked`, `HandedIn`."""
    check_not_over(upload, now=now)
    if upload.state is State.REFUSED:
        raise Gone("It was refused, and nothing of it was kept.")
    if upload.state is State.CONFIRMED:
        raise HandedIn("It was handed in, and what was handed in stays.")
    if upload.state is State.CHECKING:
        raise Locked("The file is being checked. Please try again in some seconds.")
    check_free(upload, now=now)


def number_in(headers: Mapping[str, str], name: str) -> int:
    """The number in a header that must be there; raises `BadHeader`."""
    text = headers.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise BadHeader(f"{name} must be there and be a number of bytes in digits, with 15 digits at the most.")
    return int(text)


def metadata_in(header: str) -> Mapping[str, str]:
    """The pairs of an Upload-Metadata header; raises `BadHeader`."""
    if len(header) > MOST_METADATA_CHARACTERS:
        raise BadHeader(f"Upload-Metadata has more than {MOST_METADATA_CHARACTERS} characters.")
    pairs = [_pair(part.strip(" ")) for part in header.split(",")] if header.strip(" ") else []
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadHeader("Upload-Metadata has a key twice.")
    return found


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition(" ")
    if not _METADATA_KEY.fullmatch(key):
        raise BadHeader("Upload-Metadata has a key that is empty, or is not of ASCII characters without spaces.")
    try:
        return key, base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise BadHeader(f"Upload-Metadata: the value of {key} is not UTF-8 in Base64.") from error


def key_in(metadata: Mapping[str, str]) -> str | None:
    """The Idempotency-Key that the upload is to be handed in under, if it brings one; raises `BadHeader`."""
    key = metadata.get("key")
    if key is not None and not _PLAIN.fullmatch(key):
        raise BadHeader("Upload-Metadata: key must have 8 to 200 visible ASCII characters.")
    return key


def checksum_in(header: str | None) -> Checksum | None:
    """What an Upload-Checksum header demands; raises `BadHeader`."""
    if header is None:
        return None
    algorithm, _, text = header.partition(" ")
    if algorithm not in ALGORITHMS:
        raise BadHeader(f"Upload-Checksum: known are {', '.join(ALGORITHMS)}.")
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise BadHeader(f"Upload-Checksum: this is not a {algorithm} in Base64.")
    return Checksum(algorithm=algorithm, digest=digest)
