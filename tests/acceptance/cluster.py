"""Replays 2013J through processes on real servers; workers and the broker are killed three times each on the way.

Starts servers of its own; run by a person (`make acceptance`), not with the tests. Ends
with 1 when anything was lost, came twice, or is not what the data says.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.servers.kafka import KafkaProcess
from deploy.servers.objects import MinioProcess
from deploy.servers.postgresql import PostgresProcess
from tests.acceptance.replays import judge
from tests.support.cluster import EVERYTHING, environment_for, in_replayed_time, own_places, twice
from tests.support.oulad import real_dataset
from tests.support.postgresql import drop_all
from tests.support.processes import Role, again, replay_options, roles
from tests.support.servers import variable

PRESENTATION = "2013J"
VICTIMS = ("submission.worker", "broker", "marking.worker", "broker", "notifier.worker", "broker")
SEED = 20131007
SECONDS_BETWEEN_KILLS = (20.0, 60.0)
LOOK_SECONDS = 0.5


def main() -> int:
    """Replay, kill, audit; the complaints go to standard output."""
    dataset = real_dataset()
    with tempfile.TemporaryDirectory(prefix="etma-acceptance-") as folder, own_servers(Path(folder)) as broker:
        complaints = _accept(dataset, Path(folder) / "var", broker)
    sys.stdout.writelines(f"{complaint}\n" for complaint in complaints)
    return 1 if complaints else 0


@contextmanager
def own_servers(folder: Path) -> Iterator[KafkaProcess]:
    """PostgreSQL, an object store and the broker that can be killed; the environment says where they are."""
    broker = KafkaProcess(folder / "kafka")
    servers = {"postgresql": PostgresProcess(folder / "postgresql"), "s3": MinioProcess(folder / "s3"), "kafka": broker}
    with ExitStack() as stack:
        for name, server in servers.items():
            stack.callback(server.kill)
            server.start()
            os.environ[variable(name)] = server.address
        stack.callback(drop_all)  # while their server still runs
        yield broker


def _accept(dataset: Path, data_dir: Path, broker: KafkaProcess) -> list[str]:
    with own_places(data_dir) as settings:
        quiet = {**environment_for(in_replayed_time(settings)), "ETMA_LOG_LEVEL": "ERROR"}
        with roles(quiet, *twice(EVERYTHING)) as running:
            command = ["replay", "oulad", str(dataset), "--presentation", PRESENTATION, "--json"]
            with _etma([*command, *replay_options(running)], running) as replay:
                killed = _kill_in_turn(replay, running, broker)
                replayed, _ = replay.communicate()
            with _etma(["audit", "--receipts", f"{data_dir}/replay/receipts", "--settled", "--json"], running) as audit:
                audited, _ = audit.communicate()
    if killed < len(VICTIMS):
        return [f"{PRESENTATION}: over after {killed} of {len(VICTIMS)} kills"]
    if not replayed or not audited:
        return [f"{PRESENTATION}: a command ended without an answer; what it said is on standard error"]
    return judge(dataset, PRESENTATION, kills=killed, replayed=replayed, audited=audited)


def _etma(arguments: Sequence[str], running: Mapping[str, Role]) -> subprocess.Popen[str]:
    """The command, for the services where they run."""
    command = [sys.executable, "-m", "services", *arguments]
    return subprocess.Popen(command, env=running["submission.api"].environment, stdout=subprocess.PIPE, text=True)


def _kill_in_turn(replay: subprocess.Popen[str], running: Mapping[str, Role], broker: KafkaProcess) -> int:
    """Kill one after the other while the replay runs, and start anew what ended; how many were killed."""
    chance = random.Random(SEED)
    victims, killed = list(VICTIMS), 0
    next_at = time.monotonic() + chance.uniform(*SECONDS_BETWEEN_KILLS)
    while replay.poll() is None:
        time.sleep(LOOK_SECONDS)
        for role in running.values():
            role.start_again_if_ended()
        if victims and time.monotonic() > next_at:
            victim = victims.pop(0)
            again(broker if victim == "broker" else running[victim])
            killed += 1
            next_at = time.monotonic() + chance.uniform(*SECONDS_BETWEEN_KILLS)
    return killed


if __name__ == "__main__":
    sys.exit(main())
