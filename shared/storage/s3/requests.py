"""The requests by which bytes get into a bucket, signed here (AWS Signature Version 4) and checked by their answers.

The SDK offers no single parts to its callers, and hashes once more what the writer has hashed already: a third of the
time that an upload of 100 KB costs this process. The bytes of a whole object are vouched for by their SHA-256, those of
a part by a CRC-32; the server refuses what does not have it, and says in its answer what it has checked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

from minio.error import S3Error
from urllib3 import BaseHTTPResponse, PoolManager

from shared.errors import Unavailable
from shared.storage.s3.address import S3Address
from shared.storage.s3.failures import s3_errors

Body = bytes | bytearray
NOTHING_SHA256 = hashlib.sha256(b"").hexdigest()
_DONE = frozenset({200, 204})
_DONE_OR_GONE = _DONE | {404}


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part that the server has; `crc32` as it goes over the line, in base64."""

    etag: str
    crc32: str


@dataclass(frozen=True, kw_only=True)
class Begun:
    """An upload in parts that is not complete."""

    name: str
    upload_id: str
    begun_at: datetime


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A version of an object, as listed; `modified_at` in whole seconds, as all other answers have it."""

    name: str
    version: str
    size_bytes: int
    modified_at: datetime


class SignedRequests:
    """Raises `Unavailable` and `StorageFull`; names are those of objects in the bucket, not keys."""

    def __init__(self, address: S3Address, pool: PoolManager) -> None:
        self.address = address
        self._http = pool.connection_from_url(f"{'https' if address.tls else 'http'}://{address.host}")

    def put(self, name: str, body: Body, sha256: bytes, headers: Mapping[str, str] | None = None) -> str:
        """Store a whole object; its version."""
        checksum = base64.b64encode(sha256).decode()
        checked = {"x-amz-checksum-sha256": checksum, **(headers or {})}
        answer = self._send("PUT", name, body=body, sha256=sha256.hex(), headers=checked)
        _compare(checksum, answer.headers.get("x-amz-checksum-sha256"))
        return _version(answer)

    def begin(self, name: str) -> str:
        """Begin an upload in parts; its id. Nothing of it can be seen before `complete`."""
        headers = {"x-amz-checksum-algorithm": "CRC32"}
        return _text(_xml(self._send("POST", name, query={"uploads": ""}, headers=headers)), "UploadId")

    def put_part(self, name: str, upload_id: str, number: int, body: Body) -> Part:
        """Store a part; the first has the number 1."""
        crc32 = _crc32(body)
        answer = self._send(
            "PUT",
            name,
            query={"partNumber": str(number), "uploadId": upload_id},
            body=body,
            sha256="UNSIGNED-PAYLOAD",
            headers={"x-amz-checksum-crc32": crc32},
        )
        _compare(crc32, answer.headers.get("x-amz-checksum-crc32"))
        return Part(etag=answer.headers.get("etag", ""), crc32=crc32)

    def complete(self, name: str, upload_id: str, parts: Sequence[Part]) -> str:
        """Make the parts an object; its version."""
        body = _listing(parts)
        answer = self._send(
            "POST", name, query={"uploadId": upload_id}, body=body, sha256=hashlib.sha256(body).hexdigest()
        )
        _compare(_crc32_of(parts), _text(_xml(answer), "ChecksumCRC32"))
        return _version(answer)

    def abort(self, name: str, upload_id: str) -> None:
        """Throw away an upload in parts; fine if it is not there any more."""
        self._send("DELETE", name, query={"uploadId": upload_id}, accepted=_DONE_OR_GONE)

    def begun(self) -> Iterator[Begun]:
        """All uploads in parts that are not complete."""
        for page in self._pages({"uploads": "", "prefix": "", "max-uploads": "1000"}):
            yield from map(_begun, page.iterfind("{*}Upload"))

    def moved_at(self, upload: Begun) -> datetime:
        """When its latest part came; for more than a thousand parts, the latest of the first thousand."""
        page = _xml(self._send("GET", upload.name, query={"uploadId": upload.upload_id, "max-parts": "1000"}))
        parts = [_moment(_text(part, "LastModified")) for part in page.iterfind("{*}Part")]
        return max(parts, default=upload.begun_at)

    def versions(self, prefix: str) -> Iterator[Stored]:
        """All versions of the objects whose name begins with `prefix`."""
        for page in self._pages({"versions": "", "prefix": prefix, "max-keys": "1000"}):
            yield from map(_stored, page.iterfind("{*}Version"))

    def _pages(self, query: Mapping[str, str]) -> Iterator[ET.Element]:
        while True:
            page = _xml(self._send("GET", "", query=query))
            yield page
            if page.findtext("{*}IsTruncated") != "true":
                return
            query = {**query, "key-marker": _text(page, "NextKeyMarker"), **_second_marker(page)}

    def _send(
        self,
        method: str,
        name: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body = b"",
        sha256: str = NOTHING_SHA256,
        headers: Mapping[str, str] | None = None,
        accepted: frozenset[int] = _DONE,
    ) -> BaseHTTPResponse:
        path = quote(f"/{self.address.bucket}/{name}")
        asked = urlencode(sorted((query or {}).items()), quote_via=quote)
        signed = self._signed(method, path, asked, {"x-amz-content-sha256": sha256, **(headers or {})})
        with s3_errors():
            where = f"{path}?{asked}" if asked else path
            answer = self._http.urlopen(method, where, body=body, headers=signed)  # type: ignore[arg-type]  # any buffer
            if answer.status not in accepted:
                raise S3Error.fromxml(answer)
        return answer

    def _signed(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers with those that prove who asks; they hold for a quarter of an hour, also for repetitions."""
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        all_headers = {**headers, "host": self.address.host, "x-amz-date": moment}
        names = sorted(all_headers)
        lines = [f"{name}:{all_headers[name]}" for name in names]
        canonical = [method, path, query, *lines, "", ";".join(names), headers["x-amz-content-sha256"]]
        digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        steps = (moment[:8], self.address.region, "s3", "aws4_request")
        key = f"AWS4{self.address.secret_key}".encode()
        for step in steps:
            key = hmac.digest(key, step.encode(), "sha256")
        scope = "/".join(steps)
        signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}".encode(), "sha256").hex()
        who = f"Credential={self.address.access_key}/{scope}"
        return {
            **all_headers,
            "authorization": f"AWS4-HMAC-SHA256 {who}, SignedHeaders={';'.join(names)}, Signature={signature}",
        }


def _listing(parts: Sequence[Part]) -> bytes:
    root = ET.Element("CompleteMultipartUpload", xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
    for number, part in enumerate(parts, start=1):
        of_part = ET.SubElement(root, "Part")
        for tag, text in (("ChecksumCRC32", part.crc32), ("ETag", part.etag), ("PartNumber", str(number))):
            ET.SubElement(of_part, tag).text = text
    return ET.tostring(root)


def _crc32(body: Body) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def _crc32_of(parts: Sequence[Part]) -> str:
    """The checksum of an object made of parts: that of their checksums, and how many there are."""
    return f"{_crc32(b''.join(base64.b64decode(part.crc32) for part in parts))}-{len(parts)}"


def _compare(ours: str, theirs: str | None) -> None:
    if ours != theirs:
        detail = "The object store did not confirm the checksum of what it was sent."
        raise Unavailable(detail)


def _version(answer: BaseHTTPResponse) -> str:
    version = answer.headers.get("x-amz-version-id", "null")
    if version == "null":
        detail = "The bucket keeps no versions any more."
        raise Unavailable(detail)
    return version


def _xml(answer: BaseHTTPResponse) -> ET.Element:
    """Raises also when the server noticed a failure after it had begun to answer with 200."""
    with s3_errors():
        root = ET.fromstring(answer.data)  # noqa: S314 - our own object store; expat expands no entity of a file
        if root.tag == "Error":
            raise S3Error.fromxml(answer)
    return root


def _begun(upload: ET.Element) -> Begun:
    return Begun(
        name=_text(upload, "Key"), upload_id=_text(upload, "UploadId"), begun_at=_moment(_text(upload, "Initiated"))
    )


def _stored(version: ET.Element) -> Stored:
    return Stored(
        name=_text(version, "Key"),
        version=_text(version, "VersionId"),
        size_bytes=int(_text(version, "Size")),
        modified_at=_moment(_text(version, "LastModified")).replace(microsecond=0),
    )


def _second_marker(page: ET.Element) -> dict[str, str]:
    """Where in the versions or in the uploads of one name the next page begins."""
    tags = {"version-id-marker": "NextVersionIdMarker", "upload-id-marker": "NextUploadIdMarker"}
    return {marker: text for marker, tag in tags.items() if (text := page.findtext(f"{{*}}{tag}"))}


def _moment(text: str) -> datetime:
    with s3_errors():
        return datetime.fromisoformat(text)


def _text(element: ET.Element, tag: str) -> str:
    text = element.findtext(f"{{*}}{tag}")
    if not text:
        raise Unavailable(f"The object store gave an answer without {tag}.")
    return text
