"""What somebody typed while their session ended: shown to them again, to be sent once they are signed in.

Only of a form that the browser says is ours: else another site could have its words sent by who is signed in here. A
file cannot be shown again; it is chosen again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from fastapi import Request
from starlette.exceptions import HTTPException

from shared.web.sessions import SAFE_METHODS

TOKEN: Final = "csrf_token"  # noqa: S105 - the name of a field
_TYPED: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class KeptForm:
    """Where it was to be sent, without the token of the session that ended, and its fields in their order.

    Of one with a file there are none, and `action` is the page on which it is chosen.
    """

    action: str
    fields: Sequence[tuple[str, str]]
    has_file: bool


def is_our_form(request: Request) -> bool:
    """Whether a form was sent, and from a page of ours, by what the browser itself says."""
    return request.method not in SAFE_METHODS and request.headers.get("sec-fetch-site") == "same-origin"


async def kept_form(request: Request) -> KeptForm | None:
    """The form that was sent; None when it is not ours, or larger than a form."""
    if not is_our_form(request):
        return None
    typed = request.headers.get("content-type", "").startswith(_TYPED)
    try:
        sent = (await request.form()).multi_items() if typed else []
    except HTTPException:
        return None
    fields = [(name, value) for name, value in sent if name != TOKEN and isinstance(value, str)]
    return KeptForm(action=_action(request) if typed else request.url.path, fields=fields, has_file=not typed)


def _action(request: Request) -> str:
    query = [(name, value) for name, value in parse_qsl(request.url.query) if name != TOKEN]
    return request.url.path + (f"?{urlencode(query)}" if query else "")
