"""The command `etma`."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from services.embedded import Embedded, sole_user
from services.identity.grants.domain import GRANTED
from services.intake.catalogue import load_demo
from services.intake.commands import add_imports
from services.opening import opened, opened_or_new
from services.operations.commands import add_commands
from services.persons.commands import add_persons
from services.replay.commands import add_replay
from services.submission.submissions.receipts import BadReceipt, verify
from services.system import HISTORIES
from services.tools import operations_tools
from services.topics import add_topics
from shared.errors import EtmaError, Rejected
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
receipts = typer.Typer(no_args_is_help=True, help="Look at receipts.")
app.add_typer(receipts, name="receipt")


class BadKeys(Rejected):
    """The file with public keys cannot be read, so that nothing can be said about the receipt."""

    code = "bad_keys"
    title = "The public keys cannot be read"


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
            server_of(system.app(), host=settings.host, port=settings.port).run()
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


@receipts.command(name="verify")
def verify_receipt(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A saved receipt.")],
    *,
    content: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="The file handed in.")] = None,
    jwks: Annotated[Path | None, typer.Option(exists=True, help="Public keys; default: those of this system.")] = None,
) -> None:
    """Check a receipt's signature, and with --content that it speaks of this very file. Exit 1 when not."""
    try:
        claims = verify(file.read_text(encoding="utf-8", errors="replace"), _public_keys(jwks))
    except BadReceipt as error:
        _fail(f"Not genuine: {error.detail}")
    for name, value in claims.items():
        typer.echo(f"{name}: {value}")
    if content is not None and hashlib.sha256(content.read_bytes()).hexdigest() != claims["sha256"]:
        _fail(f"The receipt is genuine, but {content} is not the file that it speaks of.")
    typer.echo("Genuine." if content is None else "Genuine, and the file is the one that was handed in.")


def _public_keys(jwks: Path | None) -> list[dict[str, Any]]:
    if jwks is not None:
        return _keys_in(jwks)
    with opened() as system, system.submission.database.reading() as connection:
        return system.submission.views.public_keys(connection)


def _keys_in(jwks: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads(jwks.read_bytes())["keys"])
    except (ValueError, KeyError, TypeError) as error:
        detail = f"{jwks} is no JSON Web Key Set. The university publishes it at /.well-known/jwks.json."
        raise BadKeys(detail) from error


def _fail(words: str) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(1)


add_imports(app, opened_or_new)
add_commands(app, operations_tools)
add_replay(app)
add_topics(app)
add_persons(app, opened)
