"""The command line of the replay: `etma replay oulad`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.cluster import ClusterSystem
from services.embedded import Embedded, sole_user
from services.opening import has_data, replay_clock
from services.replay.client import Addresses, Client
from services.replay.driver import CLIENTS, Pace, Replay
from services.replay.figures import Figures, figures_of
from services.replay.journal import Journal
from services.replay.oulad import read_dataset
from services.replay.plan import LEAST_BYTES, MOST_BYTES, Plan, make_plan
from shared.disk import make_folder_durably, put_durably
from shared.errors import Conflict
from shared.observability.logs import configure_logs
from shared.settings import Settings, load_settings
from shared.stepped_clock import SteppedClock
from shared.web.server import HttpThread


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is replayed: a replay that is resumed must be the same one."""

    presentation: str
    limit: int | None
    size_bytes: int | None


def add_replay(app: typer.Typer) -> None:
    """Put `replay oulad` on the command line."""
    replaying = typer.Typer(no_args_is_help=True, help="Send real submission data through the whole system.")
    app.add_typer(replaying, name="replay")

    @replaying.callback()
    def _needs_a_name() -> None:
        """Keep `oulad` a command of its own; other data may come to stand beside it."""

    @replaying.command()
    def oulad(
        folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of its CSV files.")],
        *,
        presentation: Annotated[str, typer.Option(help="Such as 2013J.")],
        limit: Annotated[int | None, typer.Option(min=1, help="Only a fixed sample of so many works.")] = None,
        size: Annotated[
            int | None, typer.Option(min=LEAST_BYTES, max=MOST_BYTES, help="Bytes of every file; else log-normal.")
        ] = None,
        submission: Annotated[
            list[str] | None,
            typer.Option(help="Where submission answers, when a system runs already; more take turns."),
        ] = None,
        marking: Annotated[list[str] | None, typer.Option(help="The same of marking.")] = None,
        rate: Annotated[str, typer.Option(help="`max`, or how many a second, such as 20/s.")] = "max",
        tus: Annotated[bool, typer.Option("--tus", help="Hand in by uploads that can be resumed.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    ) -> None:
        """Replay a presentation of OULAD in simulated time; killed at any moment, the same command goes on.

        Needs ETMA_REPLAY=1 and in ETMA_DATA_DIR a folder that holds nothing but this replay. Serves itself what it
        replays; with --submission and --marking a system of processes does, whose ETMA_CLOCK_URL names the clock in
        that folder, stepped+file://FOLDER/replay/clock. Exit 1 when something was lost, duplicated, buried,
        refused or left undecided.
        """
        addresses = _addresses(submission or (), marking or ())
        order = Order(presentation=presentation, limit=limit, size_bytes=size)
        pace = Pace(size_bytes=size, per_second=_per_second(rate))
        figures = _replay(
            make_plan(read_dataset(folder, presentation), limit=limit), order, pace, addresses, by_tus=tus
        )
        _print(figures, as_json=as_json)
        raise typer.Exit(0 if figures.clean else 1)


def _per_second(rate: str) -> float | None:
    if rate == "max":
        return None
    try:
        per_second = float(rate.removesuffix("/s"))
    except ValueError:
        per_second = 0.0
    if per_second <= 0:
        raise typer.BadParameter("is `max` or a number a second, such as 20/s", param_hint="--rate")
    return per_second


def _addresses(submission: Sequence[str], marking: Sequence[str]) -> Addresses | None:
    if bool(submission) != bool(marking):
        raise typer.BadParameter("both are needed, or neither", param_hint="--submission and --marking")
    return Addresses(submission=submission, marking=marking) if submission else None


def _replay(plan: Plan, order: Order, pace: Pace, addresses: Addresses | None, *, by_tus: bool) -> Figures:
    settings = _settings()
    configure_logs(settings.command_log_level)
    with sole_user(settings.data_dir):
        clock = _clock(settings, plan, order)
        journal = Journal(settings.data_dir / "replay")
        with _system(settings, addresses) as (system, places), _progress(plan.handings_in) as on_progress:
            client = Client(places, connections=CLIENTS, by_tus=by_tus)
            replay = Replay(system, clock, client, journal, pace=pace, on_progress=on_progress)
            try:
                replay.run(plan)
            finally:
                replay.close()
                client.close()
            seconds, accept_ms = journal.timings()
            return figures_of(
                system.inspections(),
                replay.held(),
                works=plan.works,
                handings_in=plan.handings_in,
                seconds=seconds,
                accept_ms=accept_ms,
            )


def _settings() -> Settings:
    """The settings with the replay's own clock; raises `Conflict` without ETMA_REPLAY=1."""
    settings = load_settings()
    if not settings.replay:
        detail = "A replay sets the clock. Set ETMA_REPLAY=1, and ETMA_DATA_DIR to a folder for it alone."
        raise Conflict(detail)
    return settings.model_copy(update={"clock_url": f"stepped+file://{replay_clock(settings.data_dir)}"})


def _clock(settings: Settings, plan: Plan, order: Order) -> SteppedClock:
    """The clock of this replay, at its beginning or where it stood; raises `Conflict` when another one is here."""
    clock = SteppedClock(replay_clock(settings.data_dir))
    path = clock.path.with_name("order.json")
    wanted = json.dumps(asdict(order))
    if not path.exists() and has_data(settings.data_dir):
        detail = f"{settings.data_dir} holds other data. A replay needs a folder of its own: set ETMA_DATA_DIR."
        raise Conflict(detail)
    if path.exists() and path.read_text(encoding="ascii") != wanted:
        detail = f"Another replay is in {settings.data_dir}: {path.read_text(encoding='ascii')}. Take another folder."
        raise Conflict(detail)
    make_folder_durably(path.parent)
    put_durably(path, wanted.encode("ascii"))
    if not clock.path.exists():
        clock.move_to(plan.opens_at)
    return clock


def _system(
    settings: Settings, addresses: Addresses | None
) -> AbstractContextManager[tuple[Embedded | ClusterSystem, Addresses]]:
    return _embedded(settings) if addresses is None else _cluster(settings, addresses)


@contextmanager
def _cluster(settings: Settings, addresses: Addresses) -> Iterator[tuple[ClusterSystem, Addresses]]:
    """The system whose processes run elsewhere."""
    system = ClusterSystem(settings)
    try:
        system.platform.claim_time()
        yield system, addresses
    finally:
        system.platform.close()


@contextmanager
def _embedded(settings: Settings) -> Iterator[tuple[Embedded, Addresses]]:
    """The whole system with its web application on a free port of this machine."""
    system = Embedded(settings)
    system.start()
    http = HttpThread(system.app(), host="127.0.0.1", port=0)
    try:
        http.start()
        yield system, Addresses(submission=[http.address], marking=[http.address])
    finally:
        http.stop()
        system.stop()


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (TextColumn("handed in"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda more: bar.advance(task, more)


def _print(figures: Figures, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(figures)))
        return
    table = Table("what", "how many", title="Replay")
    for name, value in asdict(figures).items():
        table.add_row(name, f"{value:,}")
    Console().print(table)
