"""What identity answers to the other services about sessions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from services.identity.sessions.handlers import Sessions
from shared.web.remote_sessions import SessionState
from shared.web.sessions import require
from shared.web.tokens import SERVICE_ROLE, Principal

Service = Annotated[Principal, Depends(require(SERVICE_ROLE))]


def routes(sessions: Sessions) -> APIRouter:
    """`GET /internal/v1/sessions/{session_id}`, for services only."""
    router = APIRouter(include_in_schema=False)

    @router.get("/internal/v1/sessions/{session_id}")
    def session(session_id: str, _service: Service) -> SessionState:
        return SessionState(open=sessions.is_open(session_id))

    return router
