"""Puts the identity service together."""

from __future__ import annotations

from pathlib import Path

from services.identity.inspection import IdentityInspection
from services.identity.people.handlers import People
from services.identity.people.store import PeopleStore
from services.identity.sessions import api, pages
from services.identity.sessions.handlers import Sessions
from services.identity.sessions.store import SessionStore
from shared.migrations.history import History
from shared.service import Service
from shared.web.known_sessions import KnownSessions
from shared.wiring import Platform

NAME = "identity"
HISTORY = History(Path(__file__).parent / "migrations" / "versions")
TEMPLATES = (Path(__file__).parent / "sessions" / "templates",)


class Identity:
    """The service, with its use cases for the command line."""

    def __init__(self, platform: Platform) -> None:
        self.database = platform.database(NAME, HISTORY)
        sessions = SessionStore()
        self.people = People(PeopleStore(), sessions.end_of_roles)
        self.sessions = Sessions(database=self.database, store=sessions, tokens=platform.tokens)
        self.known_sessions = KnownSessions(self.sessions.is_open)
        self.database.on_commit(self.known_sessions.forget_open)
        self.service = Service(
            name=NAME,
            database=self.database,
            routers=[
                api.routes(self.sessions),
                pages.routes(self.sessions, platform.pages, demo=platform.settings.demo),
            ],
            inspection=IdentityInspection(self.database, platform.log_ends(self.database)),
            revocations=self.known_sessions,
        )
