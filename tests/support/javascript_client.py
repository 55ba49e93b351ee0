"""tus-js-client, as a browser's page would use it; in Node, a process for each upload."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from deploy.setup.npm import node
from tests.support.uploading import FILM, UPLOADS, path_of

CLIENTS = Path(__file__).parents[1] / "clients"
FILE_NAME = "Fïlm ☃.txt"


def is_installed() -> bool:
    return (CLIENTS / "node_modules" / "tus-js-client").exists()


def upload(address: str, token: str, file: Path, *, seconds: float = 120, **more: object) -> dict[str, Any]:
    """Upload; what the client says at its end. `more` is as `upload.mjs` says."""
    asked = {
        "endpoint": address + UPLOADS,
        "token": token,
        "file": str(file),
        "metadata": {"assignment": FILM, "filename": FILE_NAME, "filetype": "text/plain"},
        **more,
    }
    command = [str(node()), "upload.mjs", json.dumps(asked)]
    done = subprocess.run(command, cwd=CLIENTS, capture_output=True, text=True, check=False, timeout=seconds)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def path_in(said: dict[str, Any]) -> str:
    """Where the upload is, by what the client said."""
    assert "url" in said, said
    return path_of(said["url"])
