"""Who is signed in, asked of identity over HTTP: as quickly over as it is there, and not for ever open without it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.servers.ports import free_port
from services.intake.catalogue import take_in
from services.submission.catalogue.university import StaffEntry, University
from services.system import System
from shared.errors import Unavailable
from shared.web.app import create_app
from shared.web.known_sessions import FRESH_SECONDS, REMEMBERED, KnownSessions
from shared.web.remote_service import RemoteService
from shared.web.remote_sessions import BELIEVED_SECONDS, PAUSE_SECONDS, RemoteSessions
from shared.web.server import HttpThread
from tests.support.databases import settings_in
from tests.support.university import ANN, OPERATOR, small_university

NOT_LONG, AT_ONCE = 5.0, 0.5


@dataclass
class Ticks:
    """The seconds that a test lets pass."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Identity:
    """Identity's own web process, as far as others see it, and what another service knows through it."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ticks = Ticks()
        self.remote = RemoteService("identity", self.url, system.platform.tokens, asked_by="marking")
        self.known = KnownSessions(
            RemoteSessions(self.remote, monotonic=self.ticks).is_open,
            believed_seconds=BELIEVED_SECONDS,
            monotonic=self.ticks,
        )

    def start(self) -> None:
        app = create_app(
            routers=self.system.identity.service.routers,
            pages=self.system.platform.pages,
            tokens=self.system.platform.tokens,
            revocations=self.system.identity.known_sessions,
            form_secret=self.system.platform.form_secret,
            ready=dict,
        )
        self.http = HttpThread(app, host="127.0.0.1", port=self.port)
        self.http.start()

    def stop(self) -> None:
        self.http.stop()

    def sign_in(self, role: str = "student", person: str = ANN) -> str:
        """The id of a new session."""
        token = self.system.identity.sessions.sign_in(role=role, identifier=person)
        return self.system.platform.tokens.verify(token, bearer=True).session_id

    def sign_out(self, session_id: str) -> None:
        self.system.identity.sessions.sign_out(session_id)

    def later(self, seconds: float) -> None:
        self.ticks.now += seconds


@pytest.fixture
def identity(tmp_path: Path) -> Iterator[Identity]:
    system = System(settings_in(tmp_path / "var"))
    take_in(system, small_university())
    identity = Identity(system)
    identity.start()
    yield identity
    identity.stop()
    identity.remote.close()
    system.platform.close()


def test_a_new_session_is_known_at_once_and_one_that_never_was_is_over(identity: Identity) -> None:
    assert not identity.known.is_revoked(identity.sign_in())
    assert identity.known.is_revoked("never-was")


def test_a_sign_out_is_noticed_in_time(identity: Identity) -> None:
    session = identity.sign_in()
    assert not identity.known.is_revoked(session)
    identity.sign_out(session)
    identity.later(FRESH_SECONDS)
    assert identity.known.is_revoked(session)


def test_a_role_that_is_withdrawn_ends_its_sessions_everywhere(identity: Identity) -> None:
    session = identity.sign_in("operations", OPERATOR)
    assert not identity.known.is_revoked(session)
    member = StaffEntry.model_validate({"staff_number": OPERATOR, "name": "Olga", "roles": ("tutor",)})
    take_in(identity.system, University(staff=(member,)))
    identity.later(FRESH_SECONDS)
    assert identity.known.is_revoked(session)


def test_while_identity_is_away_what_was_open_stays_so_for_five_minutes(identity: Identity) -> None:
    session, over, unknown = identity.sign_in(), identity.sign_in(), identity.sign_in()
    identity.sign_out(over)
    assert not identity.known.is_revoked(session)
    assert identity.known.is_revoked(over)
    identity.stop()
    identity.later(FRESH_SECONDS)
    assert not identity.known.is_revoked(session)
    assert identity.known.is_revoked(over)
    with pytest.raises(Unavailable, match="Who is signed in cannot be found out"):
        identity.known.is_revoked(unknown)
    identity.later(BELIEVED_SECONDS - FRESH_SECONDS - 1)
    assert not identity.known.is_revoked(session)
    identity.later(1)
    with pytest.raises(Unavailable):
        identity.known.is_revoked(session)
    identity.start()
    identity.later(PAUSE_SECONDS)
    assert not identity.known.is_revoked(session)
    assert not identity.known.is_revoked(unknown)


def test_what_ended_while_identity_was_away_is_over_when_it_is_back(identity: Identity) -> None:
    session = identity.sign_in()
    assert not identity.known.is_revoked(session)
    identity.stop()
    identity.sign_out(session)
    identity.later(FRESH_SECONDS)
    assert not identity.known.is_revoked(session)
    identity.start()
    identity.later(PAUSE_SECONDS)
    assert identity.known.is_revoked(session)


def test_what_answers_in_the_place_of_identity_is_not_believed(identity: Identity) -> None:
    elsewhere = RemoteService("identity", f"{identity.url}/work", identity.system.platform.tokens, asked_by="marking")
    with pytest.raises(Unavailable, match="Who is signed in"):
        RemoteSessions(elsewhere).is_open(identity.sign_in())
    elsewhere.close()


def test_an_identity_that_hangs_holds_one_request_up_and_not_all(identity: Identity) -> None:
    ticks = Ticks()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hanging = RemoteService("identity", url, identity.system.platform.tokens, asked_by="marking")
        sessions = RemoteSessions(hanging, monotonic=ticks)
        assert seconds_until_refused(sessions) < NOT_LONG
        assert seconds_until_refused(sessions) < AT_ONCE
        silent.accept()[0].close()
        ticks.now += PAUSE_SECONDS
        who_asks = threading.Thread(target=seconds_until_refused, args=(sessions,))
        who_asks.start()
        connection, _ = silent.accept()
        assert seconds_until_refused(sessions) < AT_ONCE
        who_asks.join()
        connection.close()
        hanging.close()


def seconds_until_refused(sessions: RemoteSessions) -> float:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        sessions.is_open("any")
    return time.monotonic() - began


def test_only_so_many_sessions_are_remembered() -> None:
    asked: list[str] = []

    def is_open(session_id: str) -> bool:
        asked.append(session_id)
        return True

    known = KnownSessions(is_open, monotonic=Ticks())
    for number in range(REMEMBERED + 1):
        known.is_revoked(str(number))
    asked.clear()
    for session_id in (str(REMEMBERED), "1", "0"):
        known.is_revoked(session_id)
    assert asked == ["0"]
