"""The command `etma`."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from services.embedded import Embedded, sole_user
from services.identity.grants.domain import GRANTED
from services.intake.catalogue import load_demo
from services.intake.commands import add_imports
from services.notifier.deliveries.commands import add_deliveries
from services.opening import opened, opened_or_new
from services.operations.commands import add_commands
from services.persons.commands import add_persons
from services.replay.commands import add_replay
from services.submission.receipts.commands import add_receipts
from services.submission.scanning.commands import add_scans
from services.system import HISTORIES
from services.tools import delivery_tools, operations_tools, person_tools, receipt_tools, scan_desk
from services.topics import add_topics
from shared.errors import EtmaError
from shared.observability.logs import configure_logs
from shared.settings import Settings, load_settings
from shared.web.server import server_of
from shared.wiring import Platform

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Tutor-marked assignments, from the student's hands to the tutor's.",
)
DEMO_ROLES = {
    "student": "hands in work and holds a receipt",
    "tutor": "is told of it and collects it",
    "operations": "sees where every piece of work is",
    "admin": "gives and withdraws roles",
}


def main() -> None:
    """The entry point; failures of ours are one line, not a traceback."""
    try:
        app()
    except EtmaError as error:
        typer.echo(f"{error.title}: {error.detail}" if error.detail != error.title else error.title, err=True)
        raise SystemExit(2) from error


@app.command()
def serve(
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo university and offer the demo sign-in.")] = False,
) -> None:
    """Serve the whole system from one process until Ctrl-C."""
    settings = load_settings(demo=True) if demo else load_settings()
    configure_logs(settings.log_level)
    with sole_user(settings.data_dir):
        system = Embedded(settings)
        if demo:
            load_demo(system)
        system.start()
        _greet(system, settings)
        for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background has SIGINT ignored
            signal.signal(number, signal.default_int_handler)
        try:
            server_of(
                system.app(), host=settings.host, port=settings.port, trusted_proxies=settings.trusted_proxies
            ).run()
        except KeyboardInterrupt:
            typer.echo("\nStopped. Everything is kept; the next start goes on from here.")
        finally:
            if not system.stop():
                typer.echo("A part did not stop within ten seconds; nothing is lost by that.", err=True)


def _greet(system: Embedded, settings: Settings) -> None:
    typer.echo(f"etma is at {settings.address} (data in {settings.data_dir}/). Ctrl-C stops it.")
    if settings.demo:
        typer.echo(f"Sign in at {settings.address}/sign-in, for example as")
        people = {person.role: person for person in reversed(system.identity.sessions.candidates(""))}
        for role, what in DEMO_ROLES.items():
            if role in people:
                typer.echo(f"  {people[role].name}, {people[role].identifier}, {role}: {what}")


@app.command()
def migrate() -> None:
    """Bring the databases of all services to what this version needs; where each role is a process, none does."""
    settings = load_settings()
    configure_logs(settings.command_log_level)
    platform = Platform(settings)
    for name, history in HISTORIES.items():
        platform.database(name, history)
    platform.close()
    typer.echo("All databases are at the revision that this version needs.")


@app.command()
def token(
    *,
    role: Annotated[str, typer.Option(help=f"one of {', '.join(GRANTED)}")],
    person: Annotated[str, typer.Option(help="a PI or a staff number")],
    hours: Annotated[int, typer.Option(min=1, max=24 * 366, help="how long it is valid")] = 12,
) -> None:
    """Print a token for programs: send it as `Authorization: Bearer …`."""
    with opened() as system:
        typer.echo(system.identity.sessions.sign_in(role=role, identifier=person, hours=hours))


add_imports(app, opened_or_new)
add_commands(app, operations_tools)
add_receipts(app, receipt_tools)
add_scans(app, scan_desk)
add_deliveries(app, delivery_tools)
add_replay(app)
add_topics(app)
add_persons(app, opened, person_tools)
