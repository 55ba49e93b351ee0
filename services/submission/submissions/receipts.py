"""Receipts: signed statements that work arrived, which anybody can check with the public keys.

A receipt is a JWS in compact form (RFC 7515) signed with Ed25519 (RFC 8037; algorithm name of RFC 9864; the older name
EdDSA is accepted when verifying). It proves arrival, not that the work will be marked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from joserfc import jws
from joserfc.jwk import KeySet, OKPKey

from shared.errors import Rejected
from shared.signatures import NotSigned, read_signed

SIGNING = "Ed25519"
ACCEPTED = ["Ed25519", "EdDSA"]
TYPE = "etma-receipt+jws"


class BadReceipt(Rejected):
    """The text is no receipt that this university signed."""

    code = "bad_receipt"
    title = "This receipt is not genuine"


class ReceiptSigner:
    """Signs with one private key."""

    def __init__(self, key: OKPKey) -> None:
        self._key = key
        self.key_id = key.kid or key.thumbprint()

    def sign(self, claims: Mapping[str, object]) -> str:
        """The receipt as one line of ASCII."""
        header = {"alg": SIGNING, "kid": self.key_id, "typ": TYPE}
        payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False)
        return jws.serialize_compact(header, payload, self._key, algorithms=[SIGNING])

    def public_jwk(self) -> dict[str, Any]:
        """The public half, for the key set."""
        return {**self._key.as_dict(private=False), "kid": self.key_id, "alg": SIGNING, "use": "sig"}


def verify(receipt: str, public_jwks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The claims of a genuine receipt; raises `BadReceipt` with words that say what is wrong."""
    if not public_jwks:
        raise BadReceipt("There is no public key to check it with.")
    keys = KeySet.import_key_set({"keys": [{k: v for k, v in jwk.items() if k != "alg"} for jwk in public_jwks]})
    try:
        found = read_signed(receipt.strip(), keys, algorithms=ACCEPTED)
    except NotSigned as error:
        detail = "The signature does not fit: the text was changed, cut off, or never signed by this university."
        raise BadReceipt(detail) from error
    if not isinstance(found.payload, dict) or found.typ != TYPE:
        raise BadReceipt("This was signed by the university, but it is not a receipt.")
    return found.payload
