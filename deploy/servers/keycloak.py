"""Keycloak, an OpenID Connect provider, as a Java process with its database in memory: for tests of signing in."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from deploy.servers.names import BUILT
from deploy.servers.ports import HOST, free_port
from deploy.servers.process import HttpServer

ADMIN, PASSWORD = "admin", "admin"
HOME = BUILT / "keycloak"


class KeycloakProcess(HttpServer):
    """Has no realm but its own until one is made."""

    name: ClassVar[str] = "keycloak"
    health: ClassVar[str] = "/realms/master/.well-known/openid-configuration"
    start_seconds: ClassVar[float] = 300.0
    """It makes itself ready at its first start, beside whatever else the machine does."""
    environment: ClassVar[Mapping[str, str]] = {
        "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN,
        "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD,
        "JAVA_OPTS_KC_HEAP": "-Xms96m -Xmx512m",
    }

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder, port)
        self._management_port = free_port()

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def command(self) -> Sequence[str]:
        listen = ["--http-host", HOST, "--http-port", str(self.port), "--http-management-port"]
        own = f"-Detma.folder={self.folder}"
        return [str(HOME / "bin" / "kc.sh"), own, "start-dev", "--db", "dev-mem", *listen, str(self._management_port)]

    def make_realm(self, realm: Mapping[str, Any]) -> str:
        """Make a realm as its JSON describes it (the admin API's RealmRepresentation); the realm's issuer."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": PASSWORD}
        token = self._post("/realms/master/protocol/openid-connect/token", urlencode(form).encode(), {})
        headers = {"authorization": f"Bearer {json.loads(token)['access_token']}", "content-type": "application/json"}
        self._post("/admin/realms", json.dumps(realm).encode(), headers)
        return f"{self.address}/realms/{realm['realm']}"

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        request = urllib.request.Request(self.address + path, data=body, headers=dict(headers))  # noqa: S310 - http://
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            content: bytes = answer.read()
        return content
