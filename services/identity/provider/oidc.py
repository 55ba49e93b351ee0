"""The university's provider, by OpenID Connect: discovery, the code flow with PKCE, state and nonce, and its keys.

What it is asked goes over its own connections with bounded times; what befalls them is `Unavailable`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx2 as httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ValidationError

from services.identity.provider.domain import SignInFailed
from services.identity.provider.journey import Journey
from shared.clock import Clock
from shared.errors import Unavailable

ANSWER_SECONDS = 5.0
KNOWN_SECONDS = 600.0
"""How long what the provider says of itself is taken for true."""

LOOK_AGAIN_SECONDS = 10.0
"""How often at most its keys are fetched anew for a signature that none of them fits."""

SKEW_SECONDS = 60
"""How far its clock and ours may be apart."""

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_MALFORMED = (JoseError, ValueError, TypeError, KeyError, AttributeError)


class Metadata(BaseModel):
    """What is read of the provider's description of itself (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None


@dataclass(frozen=True, kw_only=True)
class Client:
    """As what the provider knows this system; `secret` is empty for a public client."""

    issuer: str
    client_id: str
    secret: str
    redirect_uri: str


@dataclass(frozen=True, kw_only=True)
class Vouched:
    """Whom the provider vouches for: its claims, and the token that ends the sign-in there."""

    claims: Mapping[str, Any]
    token: str


class Provider:
    """For many threads."""

    def __init__(self, client: Client, clock: Clock, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.client = client
        self.clock = clock
        self.monotonic = monotonic
        self._lock = threading.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def address_for(self, journey: Journey) -> str:
        """Where the browser has to go; raises `Unavailable`."""
        endpoint = self._described().authorization_endpoint
        with closing(self._session()) as session:
            address, _ = session.create_authorization_url(
                endpoint, state=journey.state, nonce=journey.nonce, code_verifier=journey.verifier
            )
        return str(address)

    def vouched(self, code: str, journey: Journey) -> Vouched:
        """Whom the provider vouches for by this code; raises `SignInFailed` and `Unavailable`."""
        token = self._exchanged(code, journey)
        id_token = token.get("id_token")
        if not isinstance(id_token, str):
            raise SignInFailed("The university's sign-in sent nothing that says who you are. Please begin again.")
        read = self._read(id_token)
        options = {"iss": {"values": [self._described().issuer]}, "aud": {"values": [self.client.client_id]}}
        params = {
            "nonce": journey.nonce,
            "client_id": self.client.client_id,
            "access_token": token.get("access_token"),
        }
        claims = CodeIDToken(read.claims, read.header, options, params)
        try:
            claims.validate(now=int(self.clock.now().timestamp()), leeway=SKEW_SECONDS)
        except _MALFORMED as error:
            detail = (
                "What the university's sign-in sent does not hold now: the clocks may differ, or the answer was meant "
                "for somebody else. Please begin again; if that does not help, tell the help desk."
            )
            raise SignInFailed(detail) from error
        return Vouched(claims=read.claims, token=id_token)

    def end_address(self, token: str, back: str) -> str | None:
        """Where the sign-in at the provider ends; None where it cannot be ended. Raises `Unavailable`."""
        endpoint = self._described().end_session_endpoint
        if endpoint is None:
            return None
        query = {"id_token_hint": token, "client_id": self.client.client_id, "post_logout_redirect_uri": back}
        return f"{endpoint}?{urlencode(query)}"

    def _exchanged(self, code: str, journey: Journey) -> Mapping[str, Any]:
        with closing(self._session()) as session:
            try:
                found: Mapping[str, Any] = session.fetch_token(
                    self._described().token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=journey.verifier,
                )
            except OAuthError as error:
                raise SignInFailed(
                    "The university's sign-in does not know this answer any more. Please begin again."
                ) from error
            except (httpx.HTTPError, ValueError) as error:
                raise _away(error) from error
        return found

    def _read(self, id_token: str) -> jwt.Token:
        """Look for other keys when none of those known fits: the provider changes them at times."""
        try:
            return jwt.decode(id_token, self._known_keys(), algorithms=list(ALGORITHMS))
        except _MALFORMED as error:
            if not self._forget_keys():
                raise _not_signed() from error
        try:
            return jwt.decode(id_token, self._known_keys(), algorithms=list(ALGORITHMS))
        except _MALFORMED as error:
            raise _not_signed() from error

    def _described(self) -> Metadata:
        with self._lock:
            if self._metadata is None or self.monotonic() - self._metadata[0] > KNOWN_SECONDS:
                address = f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration"
                try:
                    self._metadata = (self.monotonic(), Metadata.model_validate(_get(address)))
                except ValidationError as error:
                    raise _away(error) from error
            return self._metadata[1]

    def _known_keys(self) -> KeySet:
        address = self._described().jwks_uri
        with self._lock:
            if self._keys is None:
                try:
                    self._keys = (self.monotonic(), KeySet.import_key_set(_get(address)))
                except _MALFORMED as error:
                    raise _away(error) from error
            return self._keys[1]

    def _forget_keys(self) -> bool:
        """Whether the keys may be fetched anew."""
        with self._lock:
            if self._keys is not None and self.monotonic() - self._keys[0] < LOOK_AGAIN_SECONDS:
                return False
            self._keys = None
            return True

    def _session(self) -> OAuth2Client:
        method = "client_secret_basic" if self.client.secret else "none"
        return OAuth2Client(
            client_id=self.client.client_id,
            client_secret=self.client.secret or None,
            token_endpoint_auth_method=method,
            scope="openid profile",
            redirect_uri=self.client.redirect_uri,
            code_challenge_method="S256",
            timeout=ANSWER_SECONDS,
            trust_env=False,
        )


def _get(address: str) -> Any:  # noqa: ANN401 - JSON
    try:
        answer = httpx.get(address, timeout=ANSWER_SECONDS, trust_env=False, follow_redirects=False)
        answer.raise_for_status()
        return answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise _away(error) from error


def _away(error: Exception) -> Unavailable:
    return Unavailable(f"The university's sign-in cannot be reached ({type(error).__name__}).")


def _not_signed() -> SignInFailed:
    return SignInFailed("What came back was not signed by the university's sign-in. Please begin again.")
