"""The command line of persons: `etma person …`."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Any

import typer

from services.identity.grants.domain import GRANTED, Grant, end_of
from services.system import System
from shared.listing import print_rows
from shared.looks import looks_at
from shared.web.scopes import EVERYTHING

OpenSystem = Callable[[], AbstractContextManager[System]]
Person = Annotated[str, typer.Argument(help="A person's reference, PI or staff number.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def add_persons(app: typer.Typer, open_system: OpenSystem) -> None:
    """Put `person roles`, `person give`, `person withdraw` and `person looks` on the command line."""
    persons = typer.Typer(no_args_is_help=True, help="Give roles, and see who looked at what.")
    app.add_typer(persons, name="person")

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


def _looks(service: Any, person_ref: str) -> list[dict[str, Any]]:  # noqa: ANN401 - a service
    with service.database.reading() as connection:
        looks = looks_at(connection, person_ref)
    return [{"looked_at": row["looked_at"], "service": service.name, **row} for row in looks]


def _actor() -> str:
    return f"command-line:{getpass.getuser()}"
