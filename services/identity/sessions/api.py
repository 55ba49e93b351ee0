"""What identity answers to the other services about sessions."""

from __future__ import annotations

from fastapi import APIRouter

from services.identity.sessions.handlers import Sessions
from shared.web.remote_sessions import KEYS_ADDRESS, RENEWAL_ADDRESS, PublicKeys, Renewed


def routes(sessions: Sessions) -> APIRouter:
    """The renewal, for services only, and the keys that tokens are checked with, for everybody."""
    router = APIRouter(include_in_schema=False)

    @router.post(RENEWAL_ADDRESS)
    def renew(session_id: str) -> Renewed:
        return Renewed(token=sessions.renew(session_id))

    @router.get(KEYS_ADDRESS)
    def keys() -> PublicKeys:
        return PublicKeys(keys=sessions.signer.public_jwks())

    return router
