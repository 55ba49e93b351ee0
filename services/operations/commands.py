"""The command line of operations: `etma audit` and `etma dead-letters …`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from services.operations.dead_letters.handlers import DeadLetterDesk
from services.operations.reconciliation.domain import Report, Violation
from services.operations.reconciliation.handlers import Audit, Question
from shared.errors import EtmaError
from shared.listing import print_rows

VIOLATED = 1
UNREADABLE = 2

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Service = Annotated[str, typer.Option("--service", help="The service that buried the message.")]


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the commands work with; the clocks are the services' and the machine's.

    `settle_seconds` is how young a fact may be to count as in flight, `digest_window_seconds` how long the notifier
    gathers news for a tutor's mail; a command may name others.
    """

    audit: Audit
    desk: DeadLetterDesk
    now: Callable[[], datetime]
    machine_now: Callable[[], datetime]
    settle_seconds: float
    digest_window_seconds: float


OpenTools = Callable[[], AbstractContextManager[Tools]]


def add_commands(app: typer.Typer, open_tools: OpenTools) -> None:
    """Put `audit` and `dead-letters` on the command line; `open_tools` is entered once a command."""
    _add_audit(app, open_tools)
    letters = typer.Typer(no_args_is_help=True, help="Look at, replay and discard messages that a consumer buried.")
    app.add_typer(letters, name="dead-letters")
    _add_looking(letters, open_tools)
    _add_mending(letters, open_tools)


def _add_audit(app: typer.Typer, open_tools: OpenTools) -> None:
    @app.command()
    def audit(
        *,
        receipts: Annotated[Path | None, typer.Option(help="Folder of receipts that clients kept.")] = None,
        settled: Annotated[bool, typer.Option("--settled", help="Nothing may be in flight any more.")] = False,
        settle_seconds: Annotated[
            float | None, typer.Option(help="What is younger is in flight; else ETMA_SETTLE_SECONDS.")
        ] = None,
        digest_window_seconds: Annotated[
            float | None,
            typer.Option(help="How long the services gather a digest; else ETMA_DIGEST_WINDOW_SECONDS."),
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Hold rows, objects, facts, rulings, obligations, deliveries and receipts against one another.

        Exit code 0: all is well; 1: violations, all printed; 2: something could not be read.
        """
        with open_tools() as tools:
            question = Question(
                now=tools.now(),
                machine_now=tools.machine_now(),
                receipts=receipts,
                settled=settled,
                settle_seconds=tools.settle_seconds if settle_seconds is None else settle_seconds,
                digest_window_seconds=(
                    tools.digest_window_seconds if digest_window_seconds is None else digest_window_seconds
                ),
            )
            try:
                report = tools.audit.run(question)
            except (EtmaError, OSError) as error:
                _fail(str(error), as_json=as_json)
        _print_report(report, as_json=as_json)
        raise typer.Exit(0 if report.clean else VIOLATED)


def _add_looking(letters: typer.Typer, open_tools: OpenTools) -> None:
    @letters.command(name="list")
    def list_letters(
        *,
        service: Annotated[str | None, typer.Option(help="Only of this service.")] = None,
        state: Annotated[str, typer.Option(help="Only in this state.")] = "buried",
        as_json: Json = False,
    ) -> None:
        """List the dead letters of all services."""
        with open_tools() as tools:
            try:
                found = tools.desk.list(service=service, state=state)
            except EtmaError as error:
                _fail(error.detail, as_json=as_json)
        print_rows([{"service": each.service, **each.letter} for each in found], as_json=as_json)

    @letters.command()
    def show(letter_id: str, *, service: Service, as_json: Json = False) -> None:
        """Show everything about one dead letter."""
        _run(open_tools, lambda desk: desk.show(service, letter_id), as_json=as_json)


def _add_mending(letters: typer.Typer, open_tools: OpenTools) -> None:
    @letters.command()
    def replay(letter_id: str, *, service: Service, as_json: Json = False) -> None:
        """Handle one again, and then in order what is parked behind it."""
        _run(open_tools, lambda desk: desk.replay(service, letter_id), as_json=as_json)

    @letters.command()
    def discard(
        letter_id: str,
        *,
        service: Service,
        reason: Annotated[str, typer.Option(help="Why it is given up; is kept.")],
        as_json: Json = False,
    ) -> None:
        """Give one up for ever."""
        _run(open_tools, lambda desk: desk.discard(service, letter_id, reason=reason), as_json=as_json)


def _run(open_tools: OpenTools, ask: Callable[[DeadLetterDesk], Mapping[str, object]], *, as_json: bool) -> None:
    with open_tools() as tools:
        try:
            answer = ask(tools.desk)
        except EtmaError as error:
            _fail(error.detail, as_json=as_json)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for name, value in answer.items():
        typer.echo(f"{name}: {value}")


def _print_report(report: Report, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report_as_json(report)))
        return
    table = Table("what", "how many", title="Audit")
    for name, count in sorted(report.counts.items()):
        table.add_row(name.replace("_", " "), f"{count:,}")
    Console().print(table)
    for violation in report.violations:
        typer.echo(_line(violation))
    typer.echo(f"{len(report.violations)} violations" if report.violations else "All is well.")


def report_as_json(report: Report) -> dict[str, object]:
    """Return the report as it is printed by `--json`."""
    return {
        "clean": report.clean,
        "counts": dict(sorted(report.counts.items())),
        "violations": [asdict(violation) for violation in report.violations],
    }


def _line(violation: Violation) -> str:
    ids = " ".join(f"{name}={value}" for name, value in violation.ids.items())
    return f"{violation.code}: {ids} ({violation.detail})"


def _fail(words: str, *, as_json: bool) -> NoReturn:
    typer.echo(json.dumps({"error": words}) if as_json else words, err=not as_json)
    raise typer.Exit(UNREADABLE)
