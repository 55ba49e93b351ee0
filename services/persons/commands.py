"""The command line of persons: `etma person …`."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from services.identity.grants.domain import GRANTED, Grant, end_of
from services.persons.erasing import REMAINS, Erasing
from services.persons.export import Export
from services.system import System
from shared.listing import print_rows
from shared.looks import looks_at
from shared.web.scopes import EVERYTHING

NOT_YET = 1


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What handing out and erasing work with, wherever the services run."""

    erasing: Erasing
    export: Export
    now: Callable[[], datetime]


OpenSystem = Callable[[], AbstractContextManager[System]]
OpenTools = Callable[[], AbstractContextManager[Tools]]
Person = Annotated[str, typer.Argument(help="A person's reference, PI or staff number.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def add_persons(app: typer.Typer, open_system: OpenSystem, open_tools: OpenTools) -> None:
    """Put `person …` on the command line; what is needed is opened once a command."""
    persons = typer.Typer(no_args_is_help=True, help="Give roles, see who looked at what, hand out and erase.")
    app.add_typer(persons, name="person")
    _add_roles(persons, open_system)
    _add_export(persons, open_tools)
    _add_erase(persons, open_tools)


def _add_roles(persons: typer.Typer, open_system: OpenSystem) -> None:

    @contextmanager
    def found(person: str) -> Iterator[tuple[System, str]]:
        with open_system() as system:
            with system.identity.database.reading() as connection:
                person_ref = system.identity.role_views.person(connection, person).person_ref
            yield system, person_ref

    @persons.command()
    def roles(person: Person, *, as_json: AsJson = False) -> None:
        """Show which roles a person has, had, or will have."""
        with found(person) as (system, person_ref):
            identity = system.identity
            with identity.database.reading() as connection:
                grants = identity.role_views.grants(connection, person_ref, now=identity.database.clock.now())
        shown = ("role", "scope", "state", "valid_from", "valid_until", "source", "given_by", "grant_id")
        rows = [{name: getattr(grant, name) for name in shown} for grant in grants]
        print_rows(rows, as_json=as_json, nothing="No role: this person cannot sign in.")

    @persons.command()
    def give(
        person: Person,
        *,
        role: Annotated[str, typer.Option(help=", ".join(GRANTED))],
        scope: Annotated[str, typer.Option(help="*, presentation:ID or person:REF")] = EVERYTHING,
        until: Annotated[str, typer.Option(help="the last day, such as 2027-01-31")] = "",
    ) -> None:
        """Give a person a role; given again with the same scope, it takes the place of what it was."""
        with found(person) as (system, person_ref):
            grant = Grant(person_ref=person_ref, role=role, scope=scope, valid_until=end_of(until))
            system.identity.roles.give(grant, actor=_actor())
        end = f", until the end of {until}" if until else ""
        typer.echo(f"Given: {role.replace('_', ' ')}, for {scope}{end}.")

    @persons.command()
    def withdraw(grant_id: Annotated[str, typer.Argument(help="As `etma person roles` shows it.")]) -> None:
        """Take a role back; its sessions end."""
        with open_system() as system:
            system.identity.roles.withdraw(grant_id, actor=_actor())
        typer.echo("Withdrawn; nobody goes on in this role after five minutes at the most.")

    @persons.command()
    def looks(person: Person, *, as_json: AsJson = False) -> None:
        """Show which of the staff looked at this person's data, the latest first."""
        with found(person) as (system, person_ref):
            rows = [row for service in system.services for row in _looks(service, person_ref)]
        rows.sort(key=lambda row: row["looked_at"], reverse=True)
        print_rows(rows, as_json=as_json, nothing="Nobody of the staff has looked at this person's data.")


def _add_export(persons: typer.Typer, open_tools: OpenTools) -> None:
    @persons.command()
    def export(
        person: Person,
        *,
        to: Annotated[Path | None, typer.Option(help="The zip to write; else person-REFERENCE.zip, here.")] = None,
    ) -> None:
        """Write all that is kept on a person into one zip; that somebody did is recorded as a look."""
        with open_tools() as tools:
            person_ref = tools.erasing.desk.find(person).person_ref
            place = to or Path(f"person-{person_ref}.zip")
            tools.erasing.desk.looked(person_ref, what="export", actor=_actor())
            done = tools.export.write(person_ref, place, moment=f"{tools.now():%Y-%m-%d %H:%M} UTC")
        told = ", ".join(f"{count} rows of {name}" for name, count in done.rows.items())
        typer.echo(f"{place}: {told}, {done.files} {'file' if done.files == 1 else 'files'} with receipts.")
        for path in done.missing:
            typer.echo(f"Not in the object store any more: {path}", err=True)


def _add_erase(persons: typer.Typer, open_tools: OpenTools) -> None:
    @persons.command()
    def erase(
        person: Person,
        *,
        reason: Annotated[str, typer.Option(help="Why; is kept, so it must not say who.")],
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
        wait: Annotated[float, typer.Option(min=0, help="How many seconds to wait for the other services.")] = 30.0,
        as_json: AsJson = False,
    ) -> None:
        """Erase a person everywhere, for ever, unless something holds; the same command again goes on.

        Exit code 0: nothing is left in any service; 1: not all have done it yet; 2: nothing was changed, and why.
        """
        with open_tools() as tools:
            erasing = tools.erasing
            subject = erasing.desk.find(person)
            if subject.erased_at is None:
                erasing.check(subject.person_ref)
            if not erasing.is_done(subject.person_ref):
                if not yes:
                    typer.confirm(f"Erase {subject.person_ref} for ever?", abort=True)
                erasing.erase(subject.person_ref, reason=reason, actor=_actor())
            is_done = erasing.wait(subject.person_ref, seconds=wait)
            _print_progress(erasing, subject.person_ref, as_json=as_json)
        raise typer.Exit(0 if is_done else NOT_YET)


def _print_progress(erasing: Erasing, person_ref: str, *, as_json: bool) -> None:
    progress = erasing.progress(person_ref)
    words = {name: "cannot be asked now" if each is None else each.words for name, each in progress.items()}
    obstacles = erasing.obstacles(person_ref)
    if as_json:
        told = {"person_ref": person_ref, "services": words, "obstacles": obstacles, "remains": REMAINS}
        typer.echo(json.dumps(told))
        return
    typer.echo(f"Erased: {person_ref}")
    for obstacle in obstacles:
        typer.echo(obstacle, err=True)
    for name, said in words.items():
        typer.echo(f"{name}: {said}")
    typer.echo("What remains:")
    for each in REMAINS:
        typer.echo(f"  {each}")


def _looks(service: Any, person_ref: str) -> list[dict[str, Any]]:  # noqa: ANN401 - a service
    with service.database.reading() as connection:
        looks = looks_at(connection, person_ref)
    return [{"looked_at": row["looked_at"], "service": service.name, **row} for row in looks]


def _actor() -> str:
    return f"command-line:{getpass.getuser()}"
