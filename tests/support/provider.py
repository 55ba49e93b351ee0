"""A small OpenID Connect provider that lets in whom the test names, and misbehaves as the test says."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey

from shared.web.server import HttpThread

CLIENT, SECRET = "etma", "the secret of the client"


@dataclass
class TestProvider:
    """What it is set to answer, and what it was asked. `claims` are of whom it lets in next."""

    __test__ = False

    claims: dict[str, Any] = field(default_factory=dict)
    skew: timedelta = timedelta()
    """How far its clock is ahead."""
    wrong: dict[str, Any] = field(default_factory=dict)
    """Claims that replace the right ones."""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    url: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    broken: bool = False

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        def describe() -> Response:
            if self.broken:
                return Response("no JSON", status_code=500)
            ends = {name: f"{self.url}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
            return JSONResponse({"issuer": self.url, "end_session_endpoint": f"{self.url}/end", **ends})

        @app.get("/authorization_endpoint")
        def authorize(request: Request) -> Response:
            asked = dict(request.query_params)
            assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
            code = secrets.token_urlsafe(16)
            self.codes[code] = asked
            return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}", status_code=302)

        @app.post("/token_endpoint")
        async def exchange(request: Request) -> Response:
            form = dict(await request.form())
            return self._exchange(str(form.get("code")), str(form.get("code_verifier")), request)

        @app.get("/jwks_uri")
        def keys() -> JSONResponse:
            return JSONResponse({"keys": [{**self.key.as_dict(private=False), "use": "sig"}]})

        return app

    def _exchange(self, code: str, verifier: str, request: Request) -> Response:
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.codes.pop(code, None)
        if request.headers.get("authorization") != f"Basic {basic}" or asked is None:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if challenge != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        now = datetime.now(UTC) + self.skew
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "a-subject",
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=5)).timestamp()),
            "nonce": asked["nonce"],
            **self.claims,
            **self.wrong,
        }
        id_token = jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "expires_in": 300, "id_token": id_token})


@contextmanager
def running_provider() -> Iterator[TestProvider]:
    provider = TestProvider()
    http = HttpThread(provider.app(), host="127.0.0.1", port=0)
    http.start()
    provider.url = http.address
    try:
        yield provider
    finally:
        http.stop()
