"""Signed statements: that work arrived, and what is ruled anew about it; and how far the keys vouch for them.

A statement is a JWS in compact form (RFC 7515) signed with Ed25519 (RFC 8037; algorithm name of RFC 9864; the older
name EdDSA is accepted when verifying). A receipt proves arrival, not that the work will be marked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from joserfc import jws
from joserfc.jwk import KeySet, OKPKey

from shared.errors import Conflict, NotFound, Rejected
from shared.signatures import NotSigned, key_id_of, read_signed

SIGNING = "Ed25519"
ACCEPTED = ["Ed25519", "EdDSA"]

STATE = "etma_state"
REVOKED_SINCE = "etma_revoked_since"
"""Private members of a published key (RFC 7517 §4): others ignore them."""


NOT_SIGNED = "The signature does not fit: the text was changed, cut off, or never signed by this university."
OTHER = "This was signed by the university, but it is not a receipt."


class BadReceipt(Rejected):
    """The text is no receipt that this university signed."""

    code = "bad_receipt"
    title = "This receipt is not genuine"


class UnknownKey(NotFound):
    """No receipt was ever signed with a key of this id."""

    code = "unknown_key"
    title = "There is no such key"


class KeyInUse(Conflict):
    """The key signs receipts at the moment, and nothing could be handed in without it."""

    code = "key_in_use"
    title = "This key signs receipts at the moment"


class StatementType(StrEnum):
    """The header `typ`."""

    RECEIPT = "etma-receipt+jws"
    RULING = "etma-ruling+jws"
    """That the lateness of what a receipt speaks of was corrected; it names the receipt."""


_CLAIMED = {StatementType.RECEIPT: "arrived_at", StatementType.RULING: "corrected_at"}
"""The claim that says when a statement was made."""


class KeyState(StrEnum):
    """`active` may sign; `retired` vouches for all that it signed; `revoked` for what it signed before a moment."""

    ACTIVE = "active"
    RETIRED = "retired"
    REVOKED = "revoked"


class Trust(StrEnum):
    """What makes a statement believable."""

    SIGNATURE = "signature"
    RECORD = "record"
    """Its key was revoked since a moment before it; the university's own record has the same bytes."""
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class ReceiptKey:
    """A public key with its life. `revoked_since` is the moment from which on its signature alone proves nothing."""

    key_id: str
    public_jwk: Mapping[str, Any]
    first_used_at: datetime
    retired_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_since: datetime | None = None
    revocation_reason: str | None = None

    @property
    def state(self) -> KeyState:
        if self.revoked_at is not None:
            return KeyState.REVOKED
        return KeyState.ACTIVE if self.retired_at is None else KeyState.RETIRED

    def published(self) -> dict[str, Any]:
        """The key as everybody may have it, with its state."""
        since = {REVOKED_SINCE: self.revoked_since.isoformat()} if self.revoked_since else {}
        return {**self.public_jwk, STATE: str(self.state), **since}


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A text with a good signature. `doubted_since` is set when its key was revoked and it may be of a thief."""

    type: StatementType
    key_id: str
    claims: Mapping[str, Any]
    text: str = field(repr=False)
    doubted_since: datetime | None = None


def sign_statement(claims: Mapping[str, object], key: OKPKey, kind: StatementType = StatementType.RECEIPT) -> str:
    """The statement as one line of ASCII."""
    header = {"alg": SIGNING, "kid": key_id_of(key), "typ": str(kind)}
    payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False)
    return jws.serialize_compact(header, payload, key, algorithms=[SIGNING])


def public_jwk_of(key: OKPKey) -> dict[str, Any]:
    """The public half, for the key set."""
    return {**key.as_dict(private=False), "kid": key_id_of(key), "alg": SIGNING, "use": "sig"}


def signing_key(keys: Sequence[ReceiptKey], held: Mapping[str, OKPKey]) -> OKPKey | None:
    """The newest active key of which the private half is held; None when there is none."""
    active = [key for key in keys if key.state is KeyState.ACTIVE and key.key_id in held]
    newest = max(active, key=lambda key: (key.first_used_at, key.key_id), default=None)
    return held[newest.key_id] if newest else None


def read_statement(text: str, published: Sequence[Mapping[str, Any]]) -> Statement:
    """A genuine statement, by the university's published keys; raises `BadReceipt` that says what is wrong."""
    if not published:
        raise BadReceipt("There is no public key to check it with.")
    keys = KeySet.import_key_set({"keys": [_plain(jwk) for jwk in published]})
    text = text.strip()
    try:
        found = read_signed(text, keys, algorithms=ACCEPTED)
    except NotSigned as error:
        raise BadReceipt(NOT_SIGNED) from error
    signer = next((jwk for jwk in published if jwk.get("kid") == found.key_id), None)
    if signer is None:
        raise BadReceipt(NOT_SIGNED)
    if not isinstance(found.payload, dict) or found.typ not in set(StatementType):
        raise BadReceipt(OTHER)
    kind = StatementType(str(found.typ))
    return Statement(
        type=kind,
        key_id=str(found.key_id),
        claims=found.payload,
        text=text,
        doubted_since=_doubted_since(signer, str(found.payload[_CLAIMED[kind]])),
    )


def verify(receipt: str, published: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The claims of a genuine receipt, whatever became of its key; raises `BadReceipt`."""
    statement = read_statement(receipt, published)
    if statement.type is not StatementType.RECEIPT:
        raise BadReceipt(OTHER)
    return dict(statement.claims)


def _plain(jwk: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name not in {"alg", STATE, REVOKED_SINCE}}


def _doubted_since(signer: Mapping[str, Any], claimed: str) -> datetime | None:
    if REVOKED_SINCE not in signer:
        return None
    since = datetime.fromisoformat(signer[REVOKED_SINCE])
    return since if datetime.fromisoformat(claimed) >= since else None
