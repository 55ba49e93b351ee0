"""One role of one service as a process: `python -m services.submission api|relay|worker|timers|sender|scanner|migrate`.

Every role listens: the api for everybody, the others for `/healthz` and `/readyz` alone. A process that cannot begin
yet (its database is away, or not migrated) waits, and says in `/readyz` for what; an api asks everybody else to come
again. One whose work ends by a fault ends as a whole, so that its supervisor starts it anew: all that it has to know is
in the database.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from starlette.types import ASGIApp

from shared.errors import EtmaError, Unavailable
from shared.housekeeping import Chore, Housekeeping
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.relay import Relay
from shared.migrations.history import History
from shared.observability.logs import configure_logs
from shared.pace import Pace
from shared.service import Loop, LoopThread, Part, Service, problems_of
from shared.settings import BadSettings, Settings, load_settings
from shared.timers import TimersLoop
from shared.watch import Watch, watch_of_database
from shared.web import inspection_api, persons_api
from shared.web.app import create_app, health_app, waiting_app
from shared.web.brand import brand_of
from shared.web.pages import Pages
from shared.web.server import Doorway, HttpThread
from shared.wiring import Platform

ROLES = {
    "api": "answers people and programs",
    "relay": "publishes what the service has said",
    "worker": "applies what the other services have said",
    "timers": "does what time brings, and clears away what is old",
    "sender": "sends what the service has to send",
    "scanner": "looks for malware in what came in",
    "migrate": "brings the database to what this code needs, and ends",
}
STOP_SECONDS = 9.0
"""The most that leaving takes: a supervisor that waits for ten seconds, as most do, need not kill."""
LOOK_SECONDS = 0.2
RETRY_SECONDS = 1.0
FAILED, KILLED = 70, 75
"""Exit codes: the work ended by a fault; it did not end in time when asked to."""

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """What a service's `__main__` gives: its name, tables and pages, and how it is put together."""

    name: str
    history: History
    templates: Sequence[Path]
    compose: Callable[[Platform], Service]


def main(blueprint: Blueprint) -> None:
    """Run the role that the command line names; ends the process."""
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{blueprint.name}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {role:8} {what}" for role, what in ROLES.items()),
    )
    parser.add_argument("role", choices=ROLES)
    role = parser.parse_args().role
    try:
        settings = load_settings()
        configure_logs(settings.log_level)
        code = _migrate(blueprint, settings) if role == "migrate" else _Process(blueprint, role, settings).run()
    except EtmaError as error:
        sys.stderr.write(f"{error.title}: {error.detail}\n")
        code = 2
    if code == KILLED:
        os._exit(code)  # what did not end would keep the process
    sys.exit(code)


def _migrate(blueprint: Blueprint, settings: Settings) -> int:
    platform = Platform(settings, blueprint.templates, migrates=True)
    platform.database(blueprint.name, blueprint.history)
    platform.close()
    return 0


class _Process:
    """From the first breath to the last of one role."""

    def __init__(self, blueprint: Blueprint, role: str, settings: Settings) -> None:
        self.blueprint = blueprint
        self.role = role
        self.settings = settings
        self.stop = threading.Event()
        self.waits: Mapping[str, str] = {blueprint.name: "starts"}

    def run(self) -> int:
        """Work until a signal comes or the work fails; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        doorway = Doorway(self._app_of_the_start())
        http = HttpThread(
            doorway, host=self.settings.host, port=self.settings.port, trusted_proxies=self.settings.trusted_proxies
        )
        http.start()
        log.info("role.started", service=self.blueprint.name, role=self.role, address=http.address)
        composed = self._compose()
        code = self._work(*composed, doorway) if composed else 0
        http.stop()
        if composed:
            platform, _ = composed
            platform.close()  # not before: what is under way stands on it
        log.info("role.ended", service=self.blueprint.name, role=self.role, code=code)
        return code

    def _app_of_the_start(self) -> ASGIApp:
        if self.role != "api":
            return health_app(lambda: self.waits)
        pages = Pages(self.blueprint.templates, demo=self.settings.demo, brand=brand_of(self.settings))
        return waiting_app(lambda: self.waits, pages)

    def _asked_to_stop(self, _number: int, _frame: object) -> None:
        """End soon, and in time whatever happens: the database knows where everything was."""
        watchdog = threading.Timer(STOP_SECONDS, os._exit, (KILLED,))
        watchdog.daemon = True
        watchdog.start()
        self.stop.set()

    def _compose(self) -> tuple[Platform, Service] | None:
        """The service, as soon as what it stands on is there; None when the process is to stop before."""
        while not self.stop.is_set():
            platform = Platform(self.settings, self.blueprint.templates, migrates=False)
            try:
                service = self.blueprint.compose(platform)
                platform.claim_time()
            except Unavailable as error:
                platform.close()
                self.waits = {self.blueprint.name: f"waits: {error.code}"}
                log.warning("role.waiting", service=self.blueprint.name, role=self.role, code=error.code)
                self.stop.wait(RETRY_SECONDS)
            else:
                return platform, service
        return None

    def _work(self, platform: Platform, service: Service, doorway: Doorway) -> int:
        parts = [LoopThread("watch", [watch_of_database(service.database)]), *_parts(self.role, platform, service)]

        def problems() -> Mapping[str, str]:
            of_parts = {name: words for part in parts for name, words in part.problems().items()}
            asked = problems_of(service.name, service.problems) if self.role in {"api", "timers"} else {}
            leaving = {service.name: "stops"} if self.stop.is_set() else {}
            return {**of_parts, **asked, **platform.problems(), **leaving}

        doorway.app = _app(self.role, platform, service, problems)
        for part in parts:
            part.start()
        while not self.stop.wait(LOOK_SECONDS) and not any(part.failed for part in parts):
            pass
        failed = {name: words for part in parts for name, words in part.failed.items()}
        for part in parts:
            part.stop()
        ended = [part.join(STOP_SECONDS) for part in parts]
        if failed:
            log.critical("role.failed", service=service.name, role=self.role, parts=failed)
        return KILLED if not all(ended) else FAILED if failed else 0


def _app(role: str, platform: Platform, service: Service, problems: Callable[[], Mapping[str, str]]) -> ASGIApp:
    if role != "api":
        return health_app(problems)
    return create_app(
        routers=[
            *service.routers,
            inspection_api.routes(service.inspection, _dead_letters(service)),
            persons_api.routes(service.persons),
        ],
        pages=platform.pages,
        callers=platform.callers(service),
        form_secret=platform.form_secret,
        ready=problems,
        limits=platform.limits(service.database),
        secure=platform.settings.is_secure,
        maintenance=platform.settings.maintenance,
    )


def _dead_letters(service: Service) -> DeadLetters:
    return DeadLetters(service.database, Consumer(database=service.database, handlers=service.handlers))


def _parts(role: str, platform: Platform, service: Service) -> Sequence[Part]:
    match role:
        case "relay":
            relay = Relay(service.database, platform.bus, Pace())
            thread = LoopThread("relay", [relay])
            service.database.on_commit(thread.wake)
            bus = LoopThread("bus", [Watch(f"{service.name}.bus", platform.bus.end_offsets)])
            return [thread, bus, _housekeeping(relay.pruning())]
        case "worker":
            consumer = Consumer(database=service.database, handlers=service.handlers)
            return [
                platform.worker(consumer, service.topics),
                _housekeeping(consumer.pruning(), service.persons.chore()),
            ]
        case "timers":
            return [
                LoopThread("timers", [TimersLoop(service.database, service.timer_handlers)]),
                *_following(service),
                _housekeeping(*service.chores),
            ]
        case "scanner":
            return [_scanner(service)]
        case "sender":
            return [_woken("sender", service.loops, service)]
    return []


def _scanner(service: Service) -> Part:
    if not service.scanning:
        raise BadSettings("ETMA_SCANNER_URL: say where the scanner is; without one there is nothing to do.")
    return _woken("scanner", service.scanning, service)


def _following(service: Service) -> list[Part]:
    return [_woken("follow_up", service.follow_up, service)] if service.follow_up else []


def _woken(name: str, loops: Sequence[Loop], service: Service) -> Part:
    """A thread that looks for work after each commit."""
    thread = LoopThread(name, loops)
    service.database.on_commit(thread.wake)
    return thread


def _housekeeping(*chores: Chore) -> Part:
    return LoopThread("housekeeping", [Housekeeping(chores)])
