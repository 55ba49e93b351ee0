"""The own inbox, for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from services.notifier.obligations.views import InboxView
from shared.web.sessions import SignedIn

Place = Annotated[
    str, Query(max_length=200, pattern=r"^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z_.+$")
]
"""A place in the list, as `next_before` names it: a moment that every database can hold, and an item."""


class ItemOut(BaseModel):
    """Something that the person was told; `path` is the page to go to."""

    model_config = ConfigDict(from_attributes=True)

    item_id: str
    told_at: datetime
    purpose: str
    subject: str
    sentence: str
    path: str


class InboxOut(BaseModel):
    """A page, newest first; `next_before` asks for the next one and is null at the end."""

    items: list[ItemOut]
    next_before: str | None


def routes(inbox: InboxView) -> APIRouter:
    """`GET /api/v1/inbox`."""
    router = APIRouter(tags=["notifier"])

    @router.get("/api/v1/inbox")
    def items(person: SignedIn, before: Place | None = None) -> InboxOut:
        """What the signed-in person was told."""
        page = inbox.page(person.person_ref, before=before)
        return InboxOut(items=[ItemOut.model_validate(item) for item in page.items], next_before=page.next_before)

    return router
