"""Opens a data folder for one command: in the time of that folder, without the loops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.system import System
from shared.errors import Rejected
from shared.observability.logs import configure_logs
from shared.settings import Settings, load_settings


class NoData(Rejected):
    """A question to a folder in which nothing is: any answer would be about nothing."""

    code = "no_data"
    title = "There is no etma data here"


@contextmanager
def opened() -> Iterator[System]:
    """The system on its data folder, without its loops; raises `NoData` when there is none."""
    settings = load_settings()
    if not (settings.submission_database_url or has_data(settings.data_dir)):
        detail = f"{settings.data_dir.absolute()} holds no data. Set ETMA_DATA_DIR to the folder of the running system."
        raise NoData(detail)
    with opened_or_new(settings) as system:
        yield system


@contextmanager
def opened_or_new(settings: Settings | None = None) -> Iterator[System]:
    """Like `opened`, but an empty folder becomes a new system; raises `OtherTime`."""
    settings = settings or load_settings()
    configure_logs(settings.command_log_level)
    system = System(_in_its_own_time(settings))
    try:
        system.platform.check_time()
        yield system
    finally:
        system.platform.close()


def has_data(data_dir: Path) -> bool:
    """Whether a system was ever made in this folder."""
    return any(data_dir.glob("*.db"))


def replay_clock(data_dir: Path) -> Path:
    """The file of the clock of the replay in this folder."""
    return data_dir.absolute() / "replay" / "clock"


def _in_its_own_time(settings: Settings) -> Settings:
    """On the data of a replay a command goes by the replay's clock: the machine's is years ahead of it."""
    clock = replay_clock(settings.data_dir)
    if not clock.exists():
        return settings
    return settings.model_copy(update={"clock_url": f"stepped+file://{clock}", "replay": True})
