"""Where things are, and the names and versions in `deploy/images.env`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "deploy" / "images"
BUILT = ROOT / "build" / "servers"
"""What is built once for images and plain processes; git ignores it."""


def images_env() -> dict[str, str]:
    """The lines NAME=VALUE of `deploy/images.env`."""
    lines = (ROOT / "deploy" / "images.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
