"""Who is signed in, asked of identity over HTTP: as quickly over as it is there, and not for ever open without it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from deploy.servers.ports import free_port
from services.intake.catalogue import take_in
from services.submission.catalogue.university import StaffEntry, University
from services.system import System
from shared.clock import SystemClock
from shared.errors import Unauthenticated, Unavailable
from shared.web.app import create_app
from shared.web.known_sessions import BELIEVED_SECONDS, HERE, REMEMBERED, KnownSessions, elsewhere
from shared.web.remote_service import RemoteService
from shared.web.remote_sessions import LOOK_AGAIN_SECONDS, PAUSE_SECONDS, RemoteKeys, RemoteSessions
from shared.web.server import HttpThread
from shared.web.tokens import Presented, Principal, SessionSigner, SessionTokens
from tests.support.databases import ManualClock, settings_in
from tests.support.university import ANN, OPERATOR, small_university

NOT_LONG, AT_ONCE = 5.0, 0.5
FRESH_SECONDS = 60


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
        self.clock = ManualClock(SystemClock().now() + timedelta(seconds=5))
        self.remote = RemoteService("identity", self.url, system.platform.service_tokens, asked_by="marking")
        self.sessions = RemoteSessions(self.remote, monotonic=self.ticks)
        self.tokens = SessionTokens(RemoteKeys(self.sessions), self.clock)
        self.known = KnownSessions(self.sessions.renew, self.clock, elsewhere(FRESH_SECONDS), monotonic=self.ticks)

    def start(self) -> None:
        app = create_app(
            routers=self.system.identity.service.routers,
            pages=self.system.platform.pages,
            callers=self.system.identity.callers,
            form_secret=self.system.platform.form_secret,
            ready=dict,
        )
        self.http = HttpThread(app, host="127.0.0.1", port=self.port)
        self.http.start()

    def stop(self) -> None:
        self.http.stop()

    def sign_in(self, role: str = "student", person: str = ANN) -> Presented:
        """A new session, as its token says it."""
        token = self.system.identity.sessions.sign_in(role=role, identifier=person)
        return self.tokens.read(token, bearer=True)

    def sign_out(self, session: Presented) -> None:
        self.system.identity.sessions.sign_out(session.principal.session_id)

    def later(self, seconds: float) -> None:
        self.ticks.now += seconds
        self.clock.advance(timedelta(seconds=seconds))

    def is_open(self, session: Presented) -> bool:
        """As the other service sees it; raises `Unavailable`."""
        try:
            self.known.check(session)
        except Unauthenticated:
            return False
        return True


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


def test_a_new_session_is_known_by_its_token_alone(identity: Identity) -> None:
    session = identity.sign_in()
    identity.stop()
    assert identity.is_open(session)
    identity.start()


def test_one_that_never_was_is_over_as_soon_as_identity_is_asked(identity: Identity) -> None:
    session = identity.sign_in()
    never = replace(session, principal=replace(session.principal, session_id="never-was"))
    identity.later(FRESH_SECONDS)
    assert not identity.is_open(never)


def test_a_sign_out_is_noticed_in_time(identity: Identity) -> None:
    session = identity.sign_in()
    identity.sign_out(session)
    identity.later(FRESH_SECONDS)
    assert not identity.is_open(session)


def test_signing_out_everywhere_ends_every_session_of_the_person(identity: Identity) -> None:
    sessions = [identity.sign_in("operations", OPERATOR), identity.sign_in("operations", OPERATOR)]
    of_another = identity.sign_in()
    identity.system.identity.sessions.sign_out_everywhere(sessions[0].principal.person_ref)
    identity.later(FRESH_SECONDS)
    assert [identity.is_open(each) for each in (*sessions, of_another)] == [False, False, True]


def test_a_role_that_is_withdrawn_ends_its_sessions_everywhere(identity: Identity) -> None:
    session = identity.sign_in("operations", OPERATOR)
    member = StaffEntry.model_validate({"staff_number": OPERATOR, "name": "Olga", "roles": ("tutor",)})
    take_in(identity.system, University(staff=(member,)))
    identity.later(FRESH_SECONDS)
    assert not identity.is_open(session)


def test_while_identity_is_away_what_was_open_stays_so_for_five_minutes_and_no_longer(identity: Identity) -> None:
    session, over = identity.sign_in(), identity.sign_in()
    identity.sign_out(over)
    identity.later(FRESH_SECONDS)
    assert identity.is_open(session)
    assert not identity.is_open(over)
    identity.stop()
    identity.later(FRESH_SECONDS)
    assert identity.is_open(session)
    assert not identity.is_open(over)
    identity.later(BELIEVED_SECONDS - FRESH_SECONDS - 1)
    assert identity.is_open(session)
    identity.later(1)
    with pytest.raises(Unavailable, match="Who is signed in cannot be found out"):
        identity.is_open(session)
    identity.start()
    identity.later(PAUSE_SECONDS)
    assert identity.is_open(session)


def test_what_ended_while_identity_was_away_is_over_when_it_is_back(identity: Identity) -> None:
    session = identity.sign_in()
    identity.stop()
    identity.sign_out(session)
    identity.later(FRESH_SECONDS)
    assert identity.is_open(session)
    identity.start()
    identity.later(PAUSE_SECONDS)
    assert not identity.is_open(session)


def test_a_cookie_gets_a_new_token_that_other_processes_take_without_asking(identity: Identity) -> None:
    session = identity.sign_in()
    assert identity.known.check(session) is None
    identity.later(FRESH_SECONDS)
    renewed = identity.known.check(session)
    assert renewed is not None
    read = identity.tokens.read(renewed, bearer=True)
    assert read.principal == session.principal
    assert read.ends_at == session.ends_at
    assert read.confirmed_at > session.confirmed_at


def test_the_keys_are_fetched_once_and_kept_while_identity_is_away(identity: Identity) -> None:
    token = identity.system.identity.sessions.sign_in(role="student", identifier=ANN)
    identity.stop()
    with pytest.raises(Unavailable, match="Who is signed in"):
        identity.tokens.read(token, bearer=True)
    identity.start()
    identity.later(PAUSE_SECONDS)
    identity.tokens.read(token, bearer=True)
    identity.stop()
    assert identity.tokens.read(token, bearer=True).principal.role == "student"
    identity.start()


def test_a_key_that_identity_has_changed_is_looked_for_but_not_for_every_token(identity: Identity) -> None:
    identity.sign_in()
    signer = identity.system.identity.sessions.signer
    other = SessionSigner(OKPKey.generate_key("Ed25519", auto_kid=True), identity.clock)
    identity.system.identity.sessions.signer = other
    token = identity.system.identity.sessions.sign_in(role="student", identifier=ANN)
    assert identity.tokens.read(token, bearer=True).principal.role == "student"
    identity.system.identity.sessions.signer = signer
    before = identity.system.identity.sessions.sign_in(role="student", identifier=ANN)
    with pytest.raises(Unauthenticated, match="not valid"):
        identity.tokens.read(before, bearer=True)
    identity.later(LOOK_AGAIN_SECONDS)
    assert identity.tokens.read(before, bearer=True).principal.role == "student"


def test_what_answers_in_the_place_of_identity_is_not_believed(identity: Identity) -> None:
    tokens = identity.system.platform.service_tokens
    elsewhere = RemoteService("identity", f"{identity.url}/work", tokens, asked_by="marking")
    session = identity.sign_in().principal.session_id
    with pytest.raises(Unavailable, match="Who is signed in"):
        RemoteSessions(elsewhere).renew(session)
    elsewhere.close()


def test_an_identity_that_hangs_holds_one_request_up_and_not_all(identity: Identity) -> None:
    ticks = Ticks()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hanging = RemoteService("identity", url, identity.system.platform.service_tokens, asked_by="marking")
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
        sessions.renew("any")
    return time.monotonic() - began


def test_only_so_many_sessions_are_remembered() -> None:
    asked: list[str] = []

    def renew(session_id: str) -> str:
        asked.append(session_id)
        return "a token"

    known = KnownSessions(renew, ManualClock(), HERE, monotonic=Ticks())
    for number in range(REMEMBERED + 1):
        known.check(presented(str(number)))
    asked.clear()
    for session_id in (str(REMEMBERED), "1", "0"):
        known.check(presented(session_id))
    assert asked == ["0"]


def presented(session_id: str) -> Presented:
    principal = Principal(person_ref="p", role="student", session_id=session_id)
    return Presented(principal=principal, confirmed_at=ManualClock().now(), ends_at=ManualClock().now())
