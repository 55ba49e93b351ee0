"""The compose file and its gateway know the services as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from fastapi.routing import APIRoute

from services.system import System
from shared.roles import ROLES
from tests.support.databases import SERVICES, settings_in

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
RULE = re.compile(r"location (~ )?(\S+) \{ (?:proxy_pass http://127\.0\.0\.1:(\d+)|return (\d+));")
RULES = RULE.findall((DEPLOY / "images" / "gateway" / "nginx.conf").read_text(encoding="utf-8"))


def port_of(service: str) -> str:
    return str(COMPOSE["services"][f"{service}-api"]["environment"]["ETMA_PORT"])


def leads_to(path: str) -> str:
    """The port, or the answer's status: expressions in their order, before the prefix."""
    matching = [port or status for regex, place, port, status in RULES if regex and re.search(place, path)]
    (prefix,) = [port for regex, _, port, _ in RULES if not regex]
    return matching[0] if matching else prefix


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    system = System(settings_in(tmp_path))
    yield system
    system.platform.close()


def test_each_address_leads_to_the_service_that_answers_there(system: System) -> None:
    routes = [
        (service.name, re.sub(r"\{\w+\}", "some-id", route.path))
        for service in system.services
        for router in service.routers
        for route in router.routes
        if isinstance(route, APIRoute) and not route.path.startswith("/internal")
    ]
    assert {name for name, _ in routes} == set(SERVICES)
    assert [(name, path) for name, path in routes if leads_to(path) != port_of(name)] == []


@pytest.mark.parametrize("path", ["/internal/v1/status", "/internal/v1/sessions/some-id", "/internal"])
def test_what_services_ask_of_one_another_is_not_for_the_world(path: str) -> None:
    assert leads_to(path) == "404"


def test_every_role_of_the_compose_file_is_one() -> None:
    """All but the one that ends, and the one for a malware scanner, which the demo has not."""
    commands = [
        (name, service["command"])
        for name, service in COMPOSE["services"].items()
        if name.partition("-")[0] in SERVICES
    ]
    assert [name for name, (module, role) in commands if name != f"{module.removeprefix('services.')}-{role}"] == []
    assert {role for _, (_, role) in commands} == ROLES.keys() - {"migrate", "scanner"}


def test_only_the_own_machine_reaches_the_demo() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
