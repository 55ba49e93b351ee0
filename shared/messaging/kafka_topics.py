"""The topics on the broker: made and held to a plan, because what they are decides whether facts can be lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import Conflict, Rejected, Unavailable

DAY_MS = 24 * 3600 * 1000
COMPACTED_DAYS = 1
"""How long a compacted topic may keep what a later fact of the same key has replaced: also who was erased."""

TOMBSTONE_DAYS = 30
"""How long it keeps a tombstone: a consumer that was away for longer has not heard of it."""

REQUEST_MS = 10_000


class BadPlan(Rejected):
    """The file of topics cannot be read."""

    code = "bad_topics"
    title = "The file of topics is not right; nothing was changed"


class PartitionsDiffer(Conflict):
    """A topic has another number of partitions than it should; that cannot be changed under its facts."""

    code = "partitions_differ"
    title = "The number of partitions cannot be changed"


class TopicPlan(BaseModel):
    """One topic; `retention_days` is of a contiguous one, a compacted one keeps the last of every key for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partitions: int = Field(ge=1)
    offsets: Literal["contiguous", "increasing"]
    retention_days: int | None = Field(default=None, ge=1)

    def configs(self, min_insync_replicas: int) -> dict[str, str]:
        """The topic's settings as the broker calls them."""
        keeping = (
            {
                "cleanup.policy": "compact",
                "max.compaction.lag.ms": str(COMPACTED_DAYS * DAY_MS),
                "delete.retention.ms": str(TOMBSTONE_DAYS * DAY_MS),
            }
            if self.offsets == "increasing"
            else {"cleanup.policy": "delete", "retention.ms": str((self.retention_days or 7) * DAY_MS)}
        )
        return {"min.insync.replicas": str(min_insync_replicas), **keeping}


class Plan(BaseModel):
    """All topics. `replication` copies of each, of which `min_insync_replicas` must have a fact to acknowledge it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    replication: int = Field(ge=1)
    min_insync_replicas: int = Field(ge=1)
    topics: dict[str, TopicPlan]

    def on(self, brokers: int) -> Plan:
        """The plan for fewer brokers than it wants copies: for a demonstration, not for anybody's work."""
        fewer = min(self.replication, brokers)
        return self.model_copy(
            update={"replication": fewer, "min_insync_replicas": min(self.min_insync_replicas, fewer)}
        )


@dataclass(frozen=True)
class Difference:
    """Something of a topic that is not as planned."""

    topic: str
    what: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, should be {self.wanted}"


def read_plan(path: Path) -> Plan:
    """Raises `BadPlan` with what is wrong."""
    try:
        return Plan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise BadPlan(f"{path}: {wrong}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadPlan(f"{path} cannot be read: {error}") from error


def differences(servers: Sequence[str], plan: Plan) -> list[Difference]:
    """What is not as planned, in the order of the plan; raises `Unavailable`."""
    with _admin(servers) as admin:
        return list(_differences(admin, plan))


def apply(servers: Sequence[str], plan: Plan) -> list[Difference]:
    """Make what is missing, set what differs, return what was changed; raises `PartitionsDiffer` before all of it."""
    with _admin(servers) as admin:
        found = list(_differences(admin, plan))
        fixed = [each for each in found if each.what in {"partitions", "replication"}]
        if fixed:
            raise PartitionsDiffer(f"{'; '.join(map(str, fixed))}. Nothing was changed.")
        missing = [each.topic for each in found if each.what == "topic"]
        if missing:
            admin.create_topics({topic: _creation(plan, topic) for topic in missing}, wait_for_metadata=True)
        wanted: dict[str, dict[str, str]] = {}
        for each in found:
            if each.what != "topic":
                wanted.setdefault(each.topic, {})[each.what] = each.wanted
        if wanted:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, set_) for name, set_ in wanted.items()])
        return found


def _creation(plan: Plan, topic: str) -> dict[str, object]:
    return {
        "num_partitions": plan.topics[topic].partitions,
        "replication_factor": plan.replication,
        "configs": plan.topics[topic].configs(plan.min_insync_replicas),
    }


def _differences(admin: KafkaAdminClient, plan: Plan) -> Iterator[Difference]:
    described = {each["name"]: each for each in admin.describe_topics(list(plan.topics)) if not each["error_code"]}
    there = [topic for topic in plan.topics if topic in described]
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in there]
    configs = admin.describe_configs(resources, config_filter="all")["topic"] if there else {}
    for topic, wanted in plan.topics.items():
        if topic not in described:
            yield Difference(topic, "topic", "there", "missing")
            continue
        partitions = described[topic]["partitions"]
        found = {
            "partitions": str(len(partitions)),
            "replication": str(len(partitions[0]["replica_nodes"])),
            **{name: _value(configs[topic][name]) for name in wanted.configs(1)},
        }
        should = {
            "partitions": str(wanted.partitions),
            "replication": str(plan.replication),
            **wanted.configs(plan.min_insync_replicas),
        }
        yield from (
            Difference(topic, what, should[what], found[what]) for what in should if found[what] != should[what]
        )


def _value(config: Mapping[str, object] | str) -> str:
    return str(config["value"] if isinstance(config, Mapping) else config)


@contextmanager
def _admin(servers: Sequence[str]) -> Iterator[KafkaAdminClient]:
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=list(servers), bootstrap_timeout_ms=REQUEST_MS, request_timeout_ms=REQUEST_MS
        )
        try:
            yield admin
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise Unavailable(f"the broker did not do it: {type(error).__name__}: {error}") from error
