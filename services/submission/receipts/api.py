"""The public keys, for everybody who checks a receipt with a program of their own."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from services.submission.receipts.handlers import Verification


def routes(verification: Verification) -> APIRouter:
    """The key set."""
    router = APIRouter(tags=["receipts"])

    @router.get("/.well-known/jwks.json")
    def jwks() -> dict[str, Any]:
        """The public keys of all receipts ever signed; `etma_state` says what became of each."""
        return {"keys": verification.published()}

    return router
