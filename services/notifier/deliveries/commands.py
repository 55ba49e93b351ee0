"""The command line of deliveries: `etma deliveries …`."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from services.notifier.deliveries.resending import DeliveryDesk
from services.notifier.deliveries.views import DeliveryLine, DeliveryViews, Trouble
from shared.listing import print_rows

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@dataclass(frozen=True)
class Tools:
    """What the commands work with."""

    desk: DeliveryDesk
    views: DeliveryViews


OpenTools = Callable[[], AbstractContextManager[Tools]]


def add_deliveries(app: typer.Typer, open_tools: OpenTools) -> None:
    """Put `deliveries` on the command line; `open_tools` is entered once a command."""
    deliveries = typer.Typer(no_args_is_help=True, help="See what did not go out to people, and have it sent again.")
    app.add_typer(deliveries, name="deliveries")

    @deliveries.command(name="list")
    def list_deliveries(
        *,
        state: Annotated[Trouble, typer.Option(help="Only in this state; queued: for long.")] = Trouble.ANY,
        limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 100,
        as_json: Json = False,
    ) -> None:
        """List what failed, may have left, or has waited for long, the oldest first."""
        with open_tools() as tools:
            found = tools.views.page(state, size=limit).lines
        rows = [asdict(line) if as_json else _short(line) for line in found]
        print_rows(rows, as_json=as_json, nothing="Nothing is to be looked at.")

    @deliveries.command()
    def resend(delivery_id: str, *, as_json: Json = False) -> None:
        """Send a failed one again, under the same Message-ID."""
        with open_tools() as tools:
            state = tools.desk.send_again(delivery_id, actor=f"command-line:{getpass.getuser()}")
        answer = {"delivery_id": delivery_id, "state": state.value}
        typer.echo(json.dumps(answer) if as_json else f"{delivery_id}: {state.value}")


def _short(line: DeliveryLine) -> dict[str, object]:
    return {
        "delivery_id": line.delivery_id,
        "person_ref": line.person_ref,
        "state": line.state.value,
        "since": line.since.strftime("%Y-%m-%d %H:%M UTC"),
        "news": ", ".join(line.kinds),
        "attempts": line.attempts,
        "reason": line.reason,
    }
