"""A student who uploads by tus, request by request, and a house with web processes that the requests reach in turn."""

from __future__ import annotations

import base64
import hashlib
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx2 as httpx
import sqlalchemy as sa

from services.cluster import ClusterSystem
from services.embedded import Embedded
from services.intake.catalogue import take_in
from services.submission.catalogue.university import (
    AssignmentEntry,
    ModuleEntry,
    PresentationEntry,
    StudentEntry,
    University,
)
from services.submission.resumable.store import UploadStore
from shared.contracts import AssignmentKind, LatePolicy
from shared.messaging.tables import timer
from shared.web.server import HttpThread
from tests.support.cluster import LINE, new_cluster
from tests.support.databases import settings_in
from tests.support.gateway import served_gateway
from tests.support.processes import Role, roles
from tests.support.university import settle, settled_audit, time_today

UMA, VIC = "P4000001", "P4000002"
FILM, SMALL, OVER = "K900-26J-TMA01", "K900-26J-TMA02", "K900-26J-TMA03"
PROTOCOL = {"tus-resumable": "1.0.0"}
BYTES = {"content-type": "application/offset+octet-stream"}
UPLOADS = "/api/v1/uploads"
SECONDS = 60
TLS = ssl.create_default_context()
"""Of nothing here; a client that has to make its own takes longer for that than for a request."""

UPLOAD_POINTS = (
    "upload.piece_durable",
    "upload.piece_noted",
    "upload.checking",
    "upload.copied",
    "upload.ready",
    "upload.confirmed",
)
"""Every named moment of an upload at which a process may die: `shared/killpoints.py`."""

MEBIBYTE = 1024 * 1024


def film_school() -> University:
    """Two students; an assignment for large files, one for small ones, and one whose time is over."""
    day = time_today() + timedelta(days=20)
    films = AssignmentEntry(
        number="TMA01",
        title="A film",
        kind=AssignmentKind.TMA,
        cut_off=day,
        max_megabytes=1024,
        allowed_types=("pdf", "txt"),
    )
    small = AssignmentEntry(number="TMA02", title="A page", kind=AssignmentKind.TMA, cut_off=day)
    over = AssignmentEntry(
        number="TMA03",
        title="Over",
        kind=AssignmentKind.TMA,
        cut_off=time_today() - timedelta(days=20),
        late_policy=LatePolicy.REFUSE,
    )
    presentation = PresentationEntry(code="26J", assignments=(films, small, over), enrolled=(UMA, VIC))
    return University(
        students=tuple(
            StudentEntry(personal_id=number, name=name, email=f"{name.lower()}@example.org")
            for number, name in ((UMA, "Uma"), (VIC, "Vic"))
        ),
        modules=(ModuleEntry(code="K900", title="Films", presentations=(presentation,)),),
    )


def metadata_of(**pairs: str) -> str:
    """An Upload-Metadata header."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def path_of(address: str | None) -> str:
    """The path of the upload that a client names by its address."""
    return UPLOADS + str(address).rpartition(UPLOADS)[-1]


def form_of(name: str, content: bytes) -> tuple[bytes, dict[str, str]]:
    """A form with a file, and its header, as browsers write it: only what would end the name is escaped."""
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{escaped}"\r\n\r\n'
    return head.encode() + content + b"\r\n--b--\r\n", {"content-type": "multipart/form-data; boundary=b"}


def text_of(size_bytes: int) -> bytes:
    """So many bytes that are a text, and no two pieces of which are alike."""
    line = b"".join(b"%08d\n" % number for number in range(1 + min(size_bytes, MEBIBYTE) // 9))
    return (line * (1 + size_bytes // len(line)))[:size_bytes]


@dataclass
class Uploader:
    """One student's requests, to each address in turn."""

    addresses: Sequence[str]
    token: str
    begun: list[str] = field(default_factory=list)
    _turns: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._turns = cycle(self.addresses)

    @property
    def authorization(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def send(self, method: str, path: str, *, content: Any = b"", **headers: str) -> httpx.Response:
        """Header names with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with httpx.Client(base_url=next(self._turns), trust_env=False, verify=TLS, timeout=SECONDS) as client:
            return client.request(method, path, content=content, headers={**self.authorization, **named})

    def create(
        self, length: int, *, assignment: str = FILM, content: bytes = b"", headers: Mapping[str, str] = {}, **more: str
    ) -> httpx.Response:
        said = metadata_of(**{"assignment": assignment, "filename": "film.txt", **more})
        body = BYTES if content else {}
        answer = self.send(
            "POST",
            UPLOADS,
            content=content,
            **{**PROTOCOL, **body, "upload-length": str(length), "upload-metadata": said, **headers},
        )
        self.begun += [answer.headers["location"]] if "location" in answer.headers else []
        return answer

    def begin(self, length: int, **given: str) -> str:
        """The path of a new upload."""
        answer = self.create(length, **given)
        assert answer.status_code == 201, answer.text
        path: str = answer.headers["location"]
        return path

    def end_all(self) -> None:
        """Terminate what was begun, so that there may be more; a request that broke off may still be at it."""
        deadline = time.monotonic() + SECONDS
        for path in self.begun:
            while self.send("DELETE", path, **PROTOCOL).status_code == 423:
                assert time.monotonic() < deadline, path
                time.sleep(0.02)

    def patch(self, path: str, content: Any, offset: int, **headers: str) -> httpx.Response:
        return self.send(
            "PATCH", path, content=content, **{**PROTOCOL, **BYTES, "upload-offset": str(offset), **headers}
        )

    def head(self, path: str) -> httpx.Response:
        return self.send("HEAD", path, **PROTOCOL)

    def offset(self, path: str) -> int:
        return int(self.head(path).headers["upload-offset"])

    def get(self, path: str) -> dict[str, Any]:
        answer = self.send("GET", path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def confirm(self, path: str) -> httpx.Response:
        return self.send("POST", f"{path}/confirm")

    def wait_for(self, path: str, state: str, *, seconds: float = SECONDS) -> dict[str, Any]:
        """Until the upload is in this state."""
        deadline = time.monotonic() + seconds
        while (found := self.get(path))["state"] != state:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def resume(self, path: str, content: bytes) -> None:
        """Go on where the upload is until it is whole, as a client does: whoever is locked out comes again."""
        deadline = time.monotonic() + SECONDS
        while (offset := self.offset(path)) < len(content):
            answer = self.patch(path, content[offset:], offset)
            assert answer.status_code in {204, 423}, answer.text
            assert time.monotonic() < deadline
            time.sleep(0 if answer.status_code == 204 else 0.2)


@dataclass(frozen=True)
class House:
    """A system whose web processes take work in; `gateway` is one address for all of them."""

    system: Embedded | ClusterSystem
    addresses: Sequence[str]
    gateway: str

    def student(self, person: str = UMA) -> Uploader:
        return Uploader(self.addresses, self.system.identity.sessions.sign_in(role="student", identifier=person))

    def make_timers_due(self) -> None:
        """Let all that is set for later happen now."""
        past = sa.update(timer).values(due_at=self.system.platform.clock.now())
        with self.system.submission.database.transaction() as tx:
            tx.connection.execute(past)

    def age(self, path: str, column: str) -> None:
        """Let this moment of an upload be past."""
        moment = self.system.platform.clock.now() - timedelta(seconds=1)
        with self.system.submission.database.transaction() as tx:
            UploadStore().change(path.rpartition("/")[-1], tx, **{column: moment})

    def is_held(self, path: str) -> bool:
        """Whether a request writes it at this moment."""
        with self.system.submission.database.reading() as connection:
            upload = UploadStore().find(path.rpartition("/")[-1], connection)
        return upload is not None and upload.holder is not None

    def staged(self) -> list[str]:
        return sorted(entry.key for entry in self.system.platform.staging.walk())

    def wait_until_not_staged(self, path: str) -> None:
        """Until nothing of an upload is in staging: its pieces go after it is ready."""
        deadline = time.monotonic() + SECONDS
        while any(key.startswith(path.rpartition("/")[-1]) for key in self.staged()):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def content_of(self, submission_id: str) -> bytes:
        return b"".join(self._kept(submission_id))

    def sha256_of(self, submission_id: str) -> str:
        """Of what is kept, read piece by piece."""
        digest = hashlib.sha256()
        for piece in self._kept(submission_id):
            digest.update(piece)
        return digest.hexdigest()

    def _kept(self, submission_id: str) -> Iterator[bytes]:
        (row,) = (row for row in self.rows("submission", "versions") if row["submission_id"] == submission_id)
        return self.system.platform.objects.read(str(row["object_key"]), str(row["object_version"]))

    def rows(self, service: str, kind: str) -> list[dict[str, object]]:
        return self.system.inspections()[service].facts(kind)

    def settle(self) -> None:
        settle(self.system, every_seconds=0.05)

    def assert_audit_is_clean(self) -> None:
        self.settle()
        assert settled_audit(self.system).violations == []


@contextmanager
def embedded_house(folder: Path, **given: object) -> Iterator[House]:
    """One process, this one, behind a real web server."""
    system = Embedded(settings_in(folder / "var", digest_window_seconds=0, demo=True, **given))
    take_in(system, film_school())
    system.start()
    http = HttpThread(system.app(), host="127.0.0.1", port=0)
    http.start()
    yield House(system, [http.address], http.address)
    http.stop()
    assert system.stop()


@contextmanager
def cluster_house(folder: Path) -> Iterator[House]:
    """Two web processes of submission on real servers, and all that tells people."""
    with (
        new_cluster(folder) as cluster,
        roles(cluster.environment, *LINE, "submission.api.2", "submission.timers") as up,
    ):
        take_in(cluster.system, film_school())
        for role in up.values():
            role.wait_until_ready()
        with served_gateway(up) as gateway:
            yield House(cluster.system, _urls_of(up), gateway)


def _urls_of(running: Mapping[str, Role]) -> list[str]:
    return [running[name].url for name in ("submission.api", "submission.api.2")]
