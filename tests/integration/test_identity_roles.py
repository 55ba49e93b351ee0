"""Roles that are given by people, and sessions that are renewed, found and ended: on the embedded system."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.identity.grants.domain import Grant
from services.identity.service import HISTORY
from services.identity.sessions.handlers import SessionPruning
from services.identity.sessions.store import session_table
from services.intake.catalogue import take_in
from services.submission.catalogue.university import StaffEntry, University
from shared.clock import SystemClock
from shared.database import Database
from shared.errors import NotFound
from shared.messaging.tables import HISTORY as MESSAGING
from shared.migrations.alembic_steps import upgrade
from shared.migrations.migrate import migrate
from shared.web.sessions import COOKIE
from tests.support.browsers import Browser
from tests.support.university import ANN, OPERATOR, TUTOR, Town, running_town

ADMIN = "00000055"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_town(tmp_path_factory.mktemp("town")) as town:
        staff = StaffEntry(staff_number=ADMIN, name="Ada", roles=("admin",))
        take_in(town.system, University(staff=(staff,)))
        yield town


def ref_of(town: Town, identifier: str) -> str:
    with town.system.identity.database.reading() as connection:
        return town.system.identity.role_views.person(connection, identifier).person_ref


def test_an_administrator_gives_a_role_and_withdraws_it_with_its_sessions(town: Town) -> None:
    browser = Browser(town, "admin", ADMIN)
    page = f"/roles/{ref_of(town, OPERATOR)}"
    assert "Olga" in browser.get("/roles?q=olg").text
    answer = browser.send(f"{page}/give", page, role="support", scope="presentation:K827-26J", until="2999-12-31")
    assert answer.headers["location"] == page
    shown = browser.get(page).text
    assert "presentation:K827-26J" in shown
    assert f"admin:{ref_of(town, ADMIN)}" in shown
    who = town.token("support", OPERATOR)
    assert town.client.get(f"/api/v1/people?number={ANN}", headers=who).status_code == 200
    (grant_id,) = set(re.findall(r'name="grant_id" value="([^"]+)"', shown))
    assert browser.send(f"{page}/withdraw", page, grant_id=grant_id).status_code == 303
    assert town.client.get(f"/api/v1/people?number={ANN}", headers=who).status_code == 401
    with pytest.raises(NotFound, match="nobody with the number"):
        town.token("support", OPERATOR)
    assert "withdrawn" in browser.get(page).text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"role": "emperor"}, "There is no role emperor"),
        ({"role": "support", "scope": "everything"}, "is no scope"),
        ({"role": "support", "until": "soon"}, "is no day"),
    ],
)
def test_a_role_that_cannot_be_given_is_refused_on_the_page(town: Town, fields: dict[str, str], words: str) -> None:
    browser = Browser(town, "admin", ADMIN)
    page = f"/roles/{ref_of(town, TUTOR)}"
    answer = browser.send(f"{page}/give", page, **fields)
    assert (answer.status_code, words in answer.text) == (422, True)


def test_a_role_of_the_universitys_data_is_not_withdrawn_by_hand(town: Town) -> None:
    browser = Browser(town, "admin", ADMIN)
    page = f"/roles/{ref_of(town, TUTOR)}"
    with town.system.identity.database.reading() as connection:
        (tutor,) = town.system.identity.role_views.grants(
            connection, ref_of(town, TUTOR), now=town.system.platform.clock.now()
        )
    answer = browser.send(f"{page}/withdraw", page, grant_id=tutor.grant_id)
    assert (answer.status_code, "Change it there and import it again" in answer.text) == (409, True)


def test_an_import_leaves_alone_what_an_administrator_gave(town: Town) -> None:
    desk = town.system.identity.roles
    desk.give(Grant(person_ref=ref_of(town, TUTOR), role="monitor"), actor="admin:test")
    before = town.token("monitor", TUTOR)
    member = StaffEntry.model_validate({"staff_number": TUTOR, "name": "Tess", "roles": ["tutor"]})
    take_in(town.system, University(staff=(member,)))
    assert town.client.get("/api/v1/inbox", headers=before).status_code == 200
    assert town.token("monitor", TUTOR)


def test_a_role_that_is_given_again_takes_the_place_of_what_it_was(town: Town) -> None:
    desk, ref = town.system.identity.roles, ref_of(town, OPERATOR)
    in_a_year = town.system.platform.clock.now() + timedelta(days=365)
    desk.give(Grant(person_ref=ref, role="proxy"), actor="admin:test")
    desk.give(Grant(person_ref=ref, role="proxy", valid_until=in_a_year), actor="admin:test")
    with town.system.identity.database.reading() as connection:
        grants = town.system.identity.role_views.grants(connection, ref, now=town.system.platform.clock.now())
    assert [(each.state, each.valid_until) for each in grants if each.role == "proxy"] == [
        ("held", in_a_year),
        ("withdrawn", None),
    ]


def test_a_session_does_not_outlast_the_role(town: Town) -> None:
    in_an_hour = town.system.platform.clock.now() + timedelta(hours=1)
    grant = Grant(person_ref=ref_of(town, OPERATOR), role="post_room", valid_until=in_an_hour)
    town.system.identity.roles.give(grant, actor="admin:test")
    town.token("post_room", OPERATOR)
    ends = [each.expires_at for each in town.system.identity.sessions.open_of(ref_of(town, OPERATOR))]
    assert in_an_hour in ends


def test_signing_in_again_ends_what_the_browser_had_before(town: Town) -> None:
    browser = Browser(town, "student", ANN)
    headers = {"cookie": f"{COOKIE}={browser.cookie}"}
    town.client.post("/sign-in", data={"identifier": TUTOR, "role": "tutor"}, headers=headers)
    town.client.cookies.clear()
    assert browser.get("/work").headers["location"] == "/sign-in?next=%2Fwork"


def test_a_person_sees_where_they_are_signed_in_and_ends_all_of_it(town: Town) -> None:
    here, there = Browser(town, "operations", OPERATOR), Browser(town, "operations", OPERATOR)
    page = here.get("/sessions").text
    assert page.count("Operations") >= len([here, there])
    assert page.count("(this one)") == 1
    assert here.send("/sessions/end", "/sessions").status_code == 303
    for browser in (here, there):
        assert browser.get("/operations").status_code == 303


def test_a_cookie_that_is_a_minute_old_is_renewed_and_the_use_is_noted(town: Town) -> None:
    identity = town.system.identity
    browser = Browser(town, "student", ANN)
    principal = identity.callers.by_cookie(browser.cookie).principal
    then = town.system.platform.clock.now() - timedelta(minutes=2)
    rewind(identity.database, principal.session_id, then)
    old = identity.sessions.signer.issue(principal, confirmed_at=then, ends_at=then + timedelta(hours=12))
    answer = town.client.get("/work", headers={"cookie": f"{COOKIE}={old}"})
    renewed = answer.cookies[COOKIE]
    town.client.cookies.clear()
    assert renewed != old
    assert identity.callers.by_cookie(renewed).principal == principal
    (seen,) = [each.seen_at for each in identity.sessions.open_of(principal.person_ref) if each.created_at == then]
    assert seen > then


def test_a_session_that_nobody_used_for_an_hour_is_over(town: Town) -> None:
    identity = town.system.identity
    browser = Browser(town, "student", ANN)
    session_id = identity.callers.by_cookie(browser.cookie).principal.session_id
    rewind(identity.database, session_id, town.system.platform.clock.now() - timedelta(hours=1))
    assert browser.get("/work").status_code == 303


def test_sessions_that_were_over_long_ago_are_forgotten_and_what_came_with_them_at_once(town: Town) -> None:
    identity, now = town.system.identity, town.system.platform.clock.now()
    pruning = SessionPruning(identity.database, identity.sessions.store)
    ids = []
    for over in (timedelta(minutes=-1), timedelta(minutes=1), timedelta(days=31)):
        token = identity.sessions.sign_in_here(role="student", identifier=ANN, replaces=None, provider_token="a token")
        ids.append(identity.callers.by_cookie(token).principal.session_id)
        with identity.database.transaction() as tx:
            one = sa.update(session_table).where(session_table.c.session_id == ids[-1])
            tx.connection.execute(one.values(expires_at=now - over))
    pruning.prune()
    with identity.database.reading() as connection:
        kept = [identity.sessions.store.find(connection, each) for each in ids]
    assert [each and each.provider_token for each in kept] == ["a token", None, None]
    assert [each is None for each in kept] == [False, False, True]


def rewind(database: Database, session_id: str, moment: object) -> None:
    """As if the session had begun then and not been used since."""
    session = sa.table("session", sa.column("session_id"), sa.column("created_at"), sa.column("seen_at"))
    with database.transaction() as tx:
        before = sa.update(session).where(session.c.session_id == session_id)
        text = moment.isoformat(timespec="microseconds")  # type: ignore[attr-defined]
        tx.connection.execute(before.values(created_at=text, seen_at=text))


def test_roles_and_sessions_from_before_are_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "identity.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection, MESSAGING)
        upgrade(connection, HISTORY, "0001")
        connection.exec_driver_sql("INSERT INTO person VALUES ('p', '00000001', 1, 'Tess', NULL, NULL, '00000001')")
        connection.exec_driver_sql("INSERT INTO role_grant VALUES ('p', 'tutor', '*')")
        moment = "2026-11-28T10:00:00.000000+00:00"
        session = "INSERT INTO session VALUES ('s', 'p', 'tutor', ?, ?, NULL)"
        connection.exec_driver_sql(session, (moment, moment))
    engine.dispose()
    database = Database(f"sqlite:///{path}", source="identity", clock=SystemClock())
    migrate(database, [MESSAGING, HISTORY])
    database.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT role, scope, source, withdrawn_at FROM granted_role").fetchall() == [
            ("tutor", "*", "import", None)
        ]
        assert connection.execute("SELECT seen_at, idle_seconds FROM session").fetchall() == [(moment, 43200)]
