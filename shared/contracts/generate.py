"""Writes the JSON Schemas and the AsyncAPI 3.0 document of all facts; with `--check`, only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from shared.contracts import FACTS, TOPICS, Fact, Topic

FOLDER = Path(__file__).parent / "generated"


def documents() -> dict[str, str]:
    """Every generated file by name, with its text."""
    schemas = {f"{kind}.schema.json": schema_of(kind, fact) for kind, fact in FACTS.items()}
    return {name: _text(content) for name, content in {**schemas, "asyncapi.json": asyncapi()}.items()}


def schema_of(kind: str, fact: type[Fact]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a fact's value."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:{kind}", **fact.model_json_schema()}


def asyncapi() -> dict[str, Any]:
    """Who publishes what on which topic."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "etma facts",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in binary mode: attributes in ce_* headers, the value as JSON.",
        },
        "channels": {topic.name: _channel(topic) for topic in TOPICS.values()},
        "operations": {f"publish-{topic.name}": _operation(topic) for topic in TOPICS.values()},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Produced by {topic.producer}; {'compacted' if topic.compacted else 'kept by time'}.",
        "messages": {
            kind: {
                "name": kind,
                "contentType": "application/json",
                "summary": (fact.__doc__ or "").strip().splitlines()[0],
                "payload": {"$ref": f"{kind}.schema.json"},
                "x-key": fact.key_field,
                **({"x-tombstone": True} if fact.tombstone else {}),
            }
            for kind, fact in FACTS.items()
            if fact.topic is topic
        },
    }


def _operation(topic: Topic) -> dict[str, Any]:
    return {"action": "send", "channel": {"$ref": f"#/channels/{topic.name}"}, "summary": f"{topic.producer} says"}


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def main() -> int:
    """Write, or with `--check` say what is out of step."""
    FOLDER.mkdir(exist_ok=True)
    wanted = documents()
    stale = [name for name, text in wanted.items() if not _same(FOLDER / name, text)]
    extra = [path for path in FOLDER.iterdir() if path.name not in wanted]
    if "--check" in sys.argv:
        for name in (*stale, *(path.name for path in extra)):
            sys.stderr.write(f"{name} is out of step with the code: run `make contracts`\n")
        return 1 if stale or extra else 0
    for name in stale:
        (FOLDER / name).write_text(wanted[name], encoding="utf-8")
    for path in extra:
        path.unlink()
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
