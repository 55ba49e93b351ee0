"""Browsers of people who are signed in, as a server sees them: a cookie, and forms with the token of their page."""

from __future__ import annotations

import re

import httpx2 as httpx

from shared.web.sessions import COOKIE
from tests.support.university import Town


class Browser:
    """Somebody's browser, signed in."""

    def __init__(self, town: Town, role: str, person: str) -> None:
        self.town = town
        answer = town.client.post("/sign-in", data={"identifier": person, "role": role})
        self.cookie = answer.cookies[COOKIE]
        town.client.cookies.clear()

    def get(self, path: str) -> httpx.Response:
        return self._kept(self.town.client.get(path, headers=self._headers()))

    def send(self, path: str, page: str, **fields: str) -> httpx.Response:
        """Send a form of a page."""
        found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', self.get(page).text)
        assert found
        fields["csrf_token"] = found[1]
        return self._kept(self.town.client.post(path, data=fields, headers=self._headers()))

    def send_as_is(self, path: str, **fields: str) -> httpx.Response:
        """Send a form with these fields and no others, from a page of ours as the browser says."""
        headers = self._headers() | {"sec-fetch-site": "same-origin"}
        return self._kept(self.town.client.post(path, data=fields, headers=headers))

    def sign_out(self) -> None:
        """Forget the session, as after its end."""
        self.cookie = ""

    def _headers(self) -> dict[str, str]:
        return {"cookie": f"{COOKIE}={self.cookie}", "accept": "text/html"}

    def _kept(self, answer: httpx.Response) -> httpx.Response:
        self.town.client.cookies.clear()
        return answer
