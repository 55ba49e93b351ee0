"""The commands on the broker's topics: `etma topics apply|check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.settings import BadSettings, load_settings

if TYPE_CHECKING:
    from shared.messaging import kafka_topics

DEFAULT_FILE = Path("deploy/topics.yaml")
File = Annotated[Path, typer.Option("--file", help="What each topic has to be.")]
Brokers = Annotated[int | None, typer.Option(min=1, help="Take fewer copies than planned: for a demonstration only.")]


def add_topics(app: typer.Typer) -> None:
    """Put `topics apply` and `topics check` on the command line."""
    topics = typer.Typer(no_args_is_help=True, help="Make and compare the topics on the broker of ETMA_BUS_URL.")
    app.add_typer(topics, name="topics")

    @topics.command()
    def apply(*, file: File = DEFAULT_FILE, brokers: Brokers = None) -> None:
        """Make the topics that are missing and set what differs. Never changes a number of partitions: exit 2."""
        from shared.messaging import kafka_topics  # noqa: PLC0415 - the embedded system has no broker

        changed = kafka_topics.apply(_servers(), _plan(file, brokers))
        typer.echo("\n".join(f"changed: {each}" for each in changed) or "All topics are as they should be.")

    @topics.command()
    def check(*, file: File = DEFAULT_FILE, brokers: Brokers = None) -> None:
        """Say what differs; exit 1 when something does."""
        from shared.messaging import kafka_topics  # noqa: PLC0415 - as above

        found = kafka_topics.differences(_servers(), _plan(file, brokers))
        typer.echo("\n".join(map(str, found)) or "All topics are as they should be.")
        raise typer.Exit(1 if found else 0)


def _plan(file: Path, brokers: int | None) -> kafka_topics.Plan:
    from shared.messaging import kafka_topics  # noqa: PLC0415 - as above

    plan = kafka_topics.read_plan(file)
    return plan if brokers is None else plan.on(brokers)


def _servers() -> list[str]:
    from shared.messaging.kafka_bus import servers_in  # noqa: PLC0415 - as above

    url = load_settings().bus
    if not url.startswith("kafka://"):
        raise BadSettings("ETMA_BUS_URL names no broker. Set it to kafka://HOST:PORT.")
    return servers_in(url)
