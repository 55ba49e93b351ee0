"""The command line of the search for malware: `etma scans …`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Annotated

import typer

from services.submission.scanning.domain import ScanState
from services.submission.scanning.handlers import ScanDesk
from shared.listing import print_rows

OpenDesk = Callable[[], AbstractContextManager[ScanDesk]]
SHOWN = ("submission_id", "version", "state_since", "finding", "failures")
"""What people are shown of a scan; machines get all."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def add_scans(app: typer.Typer, open_desk: OpenDesk) -> None:
    """Put `scans` on the command line; `open_desk` is entered once a command."""
    scans = typer.Typer(no_args_is_help=True, help="See what the search for malware found, and have it done again.")
    app.add_typer(scans, name="scans")

    @scans.command(name="list")
    def list_scans(
        *,
        state: Annotated[ScanState, typer.Option(help="Only in this state.")] = ScanState.BLOCKED,
        limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 100,
        as_json: Json = False,
    ) -> None:
        """List versions in one state, those that have been in it longest first; `finding` is the scanner's word."""
        with open_desk() as desk:
            found = desk.of_state(state, limit=limit)
        print_rows(found if as_json else [_short(row) for row in found], as_json=as_json)

    @scans.command()
    def again(
        submission_id: Annotated[str, typer.Argument(help="One version; none: all of a state.")] = "",
        *,
        state: Annotated[ScanState | None, typer.Option(help="All in this state.")] = None,
    ) -> None:
        """Have a version scanned once more, or all of a state: after the scanner's own settings or signatures changed.

        Until there is another result, the present one holds.
        """
        if bool(submission_id) == (state is not None):
            raise typer.BadParameter("name either a submission or a --state")
        with open_desk() as desk:
            wanted = desk.again(submission_id) if state is None else desk.all_again(state)
        typer.echo(f"{wanted} to be scanned again.")


def _short(row: Mapping[str, object]) -> dict[str, object]:
    since = row["state_since"]
    moment = since.strftime("%Y-%m-%d %H:%M UTC") if isinstance(since, datetime) else since
    return {name: row[name] for name in SHOWN} | {"state_since": moment}
