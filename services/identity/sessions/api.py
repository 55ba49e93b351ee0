"""What identity answers to the other services about sessions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from services.identity.sessions.handlers import OpenSessions
from shared.web.sessions import require
from shared.web.tokens import SERVICE_ROLE, Principal

Service = Annotated[Principal, Depends(require(SERVICE_ROLE))]


class SessionOut(BaseModel):
    """Whether the session is open: not signed out, its role not withdrawn."""

    open: bool


def routes(sessions: OpenSessions) -> APIRouter:
    """`GET /internal/v1/sessions/{session_id}`, for services only."""
    router = APIRouter(include_in_schema=False)

    @router.get("/internal/v1/sessions/{session_id}")
    def session(session_id: str, _service: Service) -> SessionOut:
        return SessionOut(open=not sessions.is_revoked(session_id))

    return router
