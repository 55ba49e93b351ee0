"""Private keys and secrets in files that only their owner may read, made at the first start."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from joserfc.jwk import OKPKey

from shared.disk import make_folder_durably, sync_file, sync_folder


def load_or_create_key(path: Path) -> OKPKey:
    """An Ed25519 key; made, durably, when there is none."""
    if not path.exists():
        key = OKPKey.generate_key("Ed25519", auto_kid=True)
        _keep(path, json.dumps(key.as_dict(private=True)).encode("ascii"))
    return OKPKey.import_key(json.loads(path.read_text(encoding="ascii")))


def load_or_create_secret(path: Path) -> bytes:
    """Thirty-two random bytes; made, durably, when there are none."""
    if not path.exists():
        _keep(path, secrets.token_bytes(32))
    return path.read_bytes()


def _keep(path: Path, content: bytes) -> None:
    make_folder_durably(path.parent)
    fresh = path.with_suffix(f".{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        sync_file(file)
    fresh.rename(path)
    sync_folder(path.parent)
