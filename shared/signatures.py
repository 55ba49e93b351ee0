"""Reading what was signed: a text from outside that may be anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey, OKPKey

NOT_JWS = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What the library raises for headers of the wrong shape, besides its own errors."""


class NotSigned(ValueError):
    """The text is no JWS that one of the keys signed."""


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What the signature holds for: the values of the headers `typ` and `kid`, and the payload as JSON."""

    typ: object
    key_id: object
    payload: Any


def key_id_of(key: OKPKey) -> str:
    """The name of a key in what it signs: its `kid`, else its thumbprint."""
    return key.kid or key.thumbprint()


def read_signed(text: str, key: OKPKey | OctKey | KeySet, *, algorithms: Sequence[str]) -> Signed:
    """Check a JWS in compact form; raises `NotSigned`, and nothing else, for whatever is none."""
    try:
        found = jws.deserialize_compact(text, key, algorithms=list(algorithms))
        headers = found.headers()
        return Signed(typ=headers.get("typ"), key_id=headers.get("kid"), payload=json.loads(found.payload))
    except NOT_JWS as error:
        raise NotSigned from error


def type_of(text: str) -> object:
    """The value of the header `typ` of what may be a JWS, before anybody has checked it; None when there is none."""
    try:
        return jws.extract_compact(text.encode()).headers().get("typ")
    except NOT_JWS:
        return None
