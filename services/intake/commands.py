"""The command line of imports: `etma import …`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from services.intake.catalogue import load_demo, take_in
from services.intake.enrolments import EnrolmentCounts, EnrolmentIntake, OnProgress
from services.submission.catalogue.enrolments_csv import EnrolmentMistakes
from services.submission.catalogue.reader import read_university
from services.system import System

MISTAKEN = 2

OpenSystem = Callable[[], AbstractContextManager[System]]


def add_imports(app: typer.Typer, open_system: OpenSystem) -> None:
    """Put `import catalogue`, `import demo` and `import enrolments` on the command line."""
    importing = typer.Typer(no_args_is_help=True, help="Take in what other systems know.")
    app.add_typer(importing, name="import")

    @importing.command()
    def catalogue(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A YAML file.")]) -> None:
        """Take in modules, assignments, people, enrolments and groups; the same file twice changes nothing."""
        university = read_university(file.read_bytes())
        with open_system() as system:
            for name, counts in take_in(system, university).items():
                words = f"{counts.new} new, {counts.changed} changed, {counts.unchanged} unchanged"
                typer.echo(f"{name.replace('_', ' ')}: {words}")

    @importing.command()
    def demo() -> None:
        """Take in the demo university, unless there is a catalogue already."""
        with open_system() as system:
            load_demo(system)

    @importing.command()
    def enrolments(
        file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file.")],
        *,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    ) -> None:
        """Take in students, enrolments and groups of a CSV file; the same file twice changes nothing.

        The whole file is checked first: with any mistake nothing is changed, and the exit code is 2. Killed at any
        moment, the same command finishes the work.
        """
        with open_system() as system, file.open("rb") as content, _progress() as on_progress:
            intake = EnrolmentIntake(system, dry_run=dry_run, on_progress=on_progress)
            try:
                counts = intake.run(content)
            except EnrolmentMistakes as error:
                if as_json:
                    _fail_as_json(error)
                raise
        _print(counts, dry_run=dry_run, as_json=as_json)


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """A bar on a terminal; elsewhere nothing. How many rows there are is known when they are read."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        tasks = {"read": bar.add_task("read", total=None)}

        def on_progress(part: str, more: int) -> None:
            if part not in tasks:
                read = bar.tasks[0].completed
                bar.update(tasks["read"], total=read)
                tasks[part] = bar.add_task(part, total=read if part == "enrolments" else None)
            bar.advance(tasks[part], more)

        yield on_progress


def _fail_as_json(error: EnrolmentMistakes) -> NoReturn:
    mistakes = [
        {"line": mistake.line, "column": mistake.field, "message": mistake.message} for mistake in error.mistakes
    ]
    typer.echo(json.dumps({"mistakes": mistakes, "total": error.total}))
    raise typer.Exit(MISTAKEN)


def _print(counts: EnrolmentCounts, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, **asdict(counts)}))
        return
    title = "Dry run: nothing was changed" if dry_run else "Taken in"
    table = Table("what", "new", "changed", "unchanged", title=title)
    for name in ("persons", "tutors", "enrolments", "groups"):
        of_kind = getattr(counts, name)
        table.add_row(name, f"{of_kind.new:,}", f"{of_kind.changed:,}", f"{of_kind.unchanged:,}")
    Console().print(table)
    typer.echo(f"{counts.rows:,} rows; {counts.moves:,} students move from one group to another.")
