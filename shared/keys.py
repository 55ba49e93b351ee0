"""Private keys and secrets in files that only their owner may read, made at the first start."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from joserfc.jwk import OKPKey

from shared.disk import make_folder_durably, put_durably


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
    put_durably(path, content, mode=0o600)
