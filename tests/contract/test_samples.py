"""Every released form of every fact can be read for ever: samples are added, never changed or removed.

A sample is `samples/<CloudEvents type>.<number>.json`, the value as it once went over the bus.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from shared.contracts import FACTS, Fact
from shared.contracts.base import FactEnum

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))
PERSONAL = {"name", "email", "personal_id", "staff_number", "address", "file_name", "comment", "words", "phone"}


def type_of(path: Path) -> str:
    return path.name.rsplit(".", 2)[0]


def read(path: Path) -> tuple[type[Fact], dict[str, Any]]:
    return FACTS[type_of(path)], json.loads(path.read_text(encoding="utf-8"))


def enums_of(fact: type[Fact]) -> dict[str, type[FactEnum]]:
    return {name: kind for name, field in fact.model_fields.items() if (kind := _enum(field)) is not None}


def _enum(field: FieldInfo) -> type[FactEnum] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, FactEnum) else None


@pytest.mark.parametrize("kind", FACTS)
def test_every_fact_has_a_sample(kind: str) -> None:
    assert kind in set(map(type_of, SAMPLES))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_what_was_once_published_is_read_whole(path: Path) -> None:
    fact, sample = read(path)
    written = json.loads(fact.model_validate_json(json.dumps(sample)).model_dump_json())
    assert {name: written.get(name, "gone") for name in sample} == sample


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_what_a_later_producer_adds_is_passed_over(path: Path) -> None:
    fact, sample = read(path)
    later = fact.model_validate_json(json.dumps({**sample, "a_later_field": {"deep": [1]}}))
    assert later == fact.model_validate_json(json.dumps(sample))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_word_that_a_later_producer_uses_becomes_unknown(path: Path) -> None:
    fact, sample = read(path)
    words = enums_of(fact)
    later = fact.model_validate_json(json.dumps({**sample, **dict.fromkeys(words, "a_later_word")}))
    assert {name: str(getattr(later, name)) for name in words} == dict.fromkeys(words, "unknown")


@pytest.mark.parametrize("kind", [kind for kind in FACTS if not kind.endswith(".PersonRecorded.v1")])
def test_no_fact_but_a_persons_holds_personal_data(kind: str) -> None:
    assert not PERSONAL & FACTS[kind].model_fields.keys()
