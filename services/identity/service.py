"""Puts the identity service together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter

from services.identity.erasure import api as erasure_api
from services.identity.erasure.handlers import PersonDesk
from services.identity.grants import pages as role_pages
from services.identity.grants.handlers import ImportedRoles, RoleDesk
from services.identity.grants.store import GrantStore
from services.identity.grants.views import GrantViews
from services.identity.inspection import IdentityInspection
from services.identity.people import api as people_api
from services.identity.people.handlers import Finding, People
from services.identity.people.store import PeopleStore
from services.identity.personal import IdentityKeeps
from services.identity.provider import pages as provider_pages
from services.identity.provider.domain import Agreement
from services.identity.provider.handlers import ProviderSignIn
from services.identity.provider.journey import Seal
from services.identity.provider.oidc import Client, Provider
from services.identity.sessions import api, pages
from services.identity.sessions.handlers import SessionPruning, Sessions
from services.identity.sessions.store import SessionStore
from shared.clock import SystemClock
from shared.housekeeping import Chore
from shared.migrations.history import History
from shared.persons import PersonKeeper
from shared.rates import Rates
from shared.service import Service
from shared.settings import Settings
from shared.web.callers import Callers
from shared.web.known_sessions import HERE, KnownSessions
from shared.web.tokens import SessionTokens
from shared.wiring import Platform

NAME = "identity"
PRUNE_SECONDS = 3600.0
HISTORY = History(Path(__file__).parent / "migrations" / "versions")
TEMPLATES = (
    Path(__file__).parent / "sessions" / "templates",
    Path(__file__).parent / "grants" / "templates",
    Path(__file__).parent / "provider" / "templates",
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
        provider = _provider(platform)
        keeper = PersonKeeper(self.database, IdentityKeeps())
        self.person_desk = PersonDesk(self.database, self.people.store, keeper)
        pruning = SessionPruning(self.database, session_store)
        self.service = Service(
            name=NAME,
            database=self.database,
            routers=[
                api.routes(self.sessions),
                people_api.routes(Finding(self.database, self.people.store)),
                erasure_api.routes(self.person_desk),
                pages.routes(
                    self.sessions,
                    platform.pages,
                    demo=platform.settings.demo,
                    end_elsewhere=self._end_elsewhere(provider, platform.settings),
                ),
                *self._provider_routes(provider, grants, platform),
                role_pages.routes(role_pages.RolePages(self.roles, self.role_views, platform.pages)),
            ],
            inspection=IdentityInspection(self.database, platform.log_ends(self.database)),
            persons=keeper,
            callers=self.callers,
            chores=[
                Chore(name="identity.sessions", every_seconds=PRUNE_SECONDS, run=pruning.prune),
                Rates(self.database, SystemClock()).pruning(),
            ],
        )

    def _end_elsewhere(self, provider: Provider | None, settings: Settings) -> Callable[[str], str | None] | None:
        if provider is None:
            return None
        return lambda token: provider.end_address(token, f"{settings.address}/sign-in")

    def _provider_routes(self, provider: Provider | None, grants: GrantStore, platform: Platform) -> list[APIRouter]:
        if provider is None:
            return []
        settings = platform.settings
        agreement = Agreement(
            number_claim=settings.oidc_number_claim, roles_claim=settings.oidc_roles_claim, roles=settings.oidc_meanings
        )
        sign_in = ProviderSignIn(
            database=self.database,
            people=self.people.store,
            grants=grants,
            sessions=self.sessions,
            agreement=agreement,
        )
        seal = Seal(platform.form_secret, platform.clock)
        parts = provider_pages.ProviderPages(provider=provider, sign_in=sign_in, seal=seal, pages=platform.pages)
        return [provider_pages.routes(parts)]


def _provider(platform: Platform) -> Provider | None:
    """The university's provider, where one is set."""
    settings = platform.settings
    if not settings.oidc_issuer:
        return None
    client = Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        secret=settings.oidc_client_secret,
        redirect_uri=f"{settings.address}/sign-in/return",
    )
    return Provider(client, platform.clock)
