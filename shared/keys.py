"""Private keys and secrets in files that only their owner may read, made at the first start.

They are shared by all processes of a system. Where several begin at once in an empty folder, all get the first one's.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from shared.disk import make_folder_durably, put_first_durably
from shared.errors import Rejected

SECRET_BYTES = 32


class NoKey(Rejected):
    """A key is not there and cannot be made, or what is there is none."""

    code = "no_key"
    title = "A key cannot be had"


def load_or_create_key(path: Path) -> OKPKey:
    """An Ed25519 key; made, durably, when there is none. Raises `NoKey`."""
    try:
        key = OKPKey.import_key(json.loads(_load_or_create(path, _new_key)))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise _not_private(path) from error
    if not key.is_private:
        raise _not_private(path)
    return key


def load_or_create_secret(path: Path) -> bytes:
    """Thirty-two random bytes; made, durably, when there are none. Raises `NoKey`."""
    secret = _load_or_create(path, lambda: secrets.token_bytes(SECRET_BYTES))
    if len(secret) < SECRET_BYTES:
        raise NoKey(f"{path} holds fewer than {SECRET_BYTES} bytes.")
    return secret


def _not_private(path: Path) -> NoKey:
    return NoKey(f"{path} holds no private key as a JSON Web Key.")


def _new_key() -> bytes:
    return json.dumps(OKPKey.generate_key("Ed25519", auto_kid=True).as_dict(private=True)).encode("ascii")


def _load_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    try:
        if not path.exists():
            make_folder_durably(path.parent)
            put_first_durably(path, make(), mode=0o600)
        return path.read_bytes()
    except OSError as error:
        words = f"{path} cannot be read, or is missing and cannot be made there ({error.strerror})."
        raise NoKey(f"{words} Put the file there, or set ETMA_KEYS_DIR to the folder that has it.") from error
