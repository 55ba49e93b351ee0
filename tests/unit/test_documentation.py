"""What the pages say is there: settings, commands, files, make targets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from services.cli import app
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
FOLDER = re.compile(r"`((?:services|shared|tests|docs|deploy|bench)/[\w/.-]*)`")
MAKE = re.compile(r"`make ([a-z-]+)")


def commands(group: typer.Typer = app, path: str = "etma") -> Iterator[str]:
    for command in group.registered_commands:
        name = command.name or str(getattr(command.callback, "__name__", "")).replace("_", "-")
        yield f"{path} {name}"
    for inner in group.registered_groups:
        assert inner.typer_instance
        yield from commands(inner.typer_instance, f"{path} {inner.name}")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_table_with_its_default(name: str) -> None:
    rows = [
        line
        for line in (ROOT / "docs/developer.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `ETMA_")
    ]
    (row,) = [line for line in rows if f"`ETMA_{name.upper()}`" in line.split("|")[1]]
    default = Settings.model_fields[name].default
    shown = {"": "", True: "on", False: "off"}.get(default, str(default))
    assert shown in row.split("|")[2]


@pytest.mark.parametrize("command", commands())
def test_every_command_is_described(command: str) -> None:
    assert any(command in page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_to_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    missing += [path for path in FOLDER.findall(text) if not (ROOT / path).exists()]
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [*missing, *(target for target in MAKE.findall(text) if target not in targets)] == []
