"""Puts the identity service together."""

from __future__ import annotations

from pathlib import Path

from services.identity.grants import pages as role_pages
from services.identity.grants.handlers import ImportedRoles, RoleDesk
from services.identity.grants.store import GrantStore
from services.identity.grants.views import GrantViews
from services.identity.inspection import IdentityInspection
from services.identity.people import api as people_api
from services.identity.people.handlers import Finding, People
from services.identity.people.store import PeopleStore
from services.identity.sessions import api, pages
from services.identity.sessions.handlers import Sessions
from services.identity.sessions.store import SessionStore
from shared.migrations.history import History
from shared.service import Service
from shared.web.callers import Callers
from shared.web.known_sessions import HERE, KnownSessions
from shared.web.tokens import SessionTokens
from shared.wiring import Platform

NAME = "identity"
HISTORY = History(Path(__file__).parent / "migrations" / "versions")
TEMPLATES = (
    Path(__file__).parent / "sessions" / "templates",
    Path(__file__).parent / "grants" / "templates",
)


class Identity:
    """The service, with its use cases for the command line."""

    def __init__(self, platform: Platform) -> None:
        self.database = platform.database(NAME, HISTORY)
        signer, grants, session_store = platform.session_signer(), GrantStore(), SessionStore()
        self.people = People(PeopleStore(), ImportedRoles(grants, session_store))
        self.roles = RoleDesk(database=self.database, store=grants, sessions=session_store)
        self.role_views = GrantViews()
        self.sessions = Sessions(database=self.database, store=session_store, grants=grants, signer=signer)
        known = KnownSessions(self.sessions.renew, platform.clock, HERE)
        self.database.on_commit(known.forget_open)
        self.callers = Callers(
            sessions=SessionTokens(signer, platform.clock), services=platform.service_tokens, known=known
        )
        self.service = Service(
            name=NAME,
            database=self.database,
            routers=[
                api.routes(self.sessions),
                people_api.routes(Finding(self.database, self.people.store)),
                pages.routes(self.sessions, platform.pages, demo=platform.settings.demo),
                role_pages.routes(role_pages.RolePages(self.roles, self.role_views, platform.pages)),
            ],
            inspection=IdentityInspection(self.database, platform.log_ends(self.database)),
            callers=self.callers,
        )
