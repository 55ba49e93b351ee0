"""Private keys and secrets in files that only their owner may read, made at the first start.

They are shared by all processes of a system. Where several begin at once in an empty folder, all get the first one's.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from shared.disk import make_folder_durably, put_first_durably
from shared.errors import Rejected
from shared.signatures import key_id_of

SECRET_BYTES = 32


class NoKey(Rejected):
    """A key is not there and cannot be made, or what is there is none."""

    code = "no_key"
    title = "A key cannot be had"


class KeyFolder:
    """Private Ed25519 keys that replace one another: `<name>.json`, made when there is none, and `<name>-*.json`.

    Several processes may use one folder. Which of its keys signs is not decided here.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._read: dict[Path, OKPKey] = {}
        if not self._paths():
            load_or_create_key(folder / f"{name}.json")

    def held(self) -> Mapping[str, OKPKey]:
        """The keys by their ids, in the order of their files' names; a file is read once. Raises `NoKey`."""
        for path in self._paths():
            if path not in self._read:
                self._read[path] = load_or_create_key(path)
        return {key_id_of(key): key for key in self._read.values()}

    def add(self) -> str:
        """Make one more key, durably; its id. Raises `NoKey`."""
        key = new_key()
        put_key(key, self._folder, self._name)
        return key_id_of(key)

    def _paths(self) -> list[Path]:
        return sorted([*self._folder.glob(f"{self._name}.json"), *self._folder.glob(f"{self._name}-*.json")])


def new_key() -> OKPKey:
    """An Ed25519 key with its thumbprint as its id (RFC 7638), which begins with no dash: commands take it as it is."""
    key = OKPKey.generate_key("Ed25519", auto_kid=True)
    return new_key() if key_id_of(key).startswith("-") else key


def put_key(key: OKPKey, folder: Path, name: str) -> Path:
    """Put a key into a folder, durably, under a name at which a `KeyFolder` of it finds it. Raises `NoKey`."""
    path = folder / f"{name}-{key_id_of(key)}.json"
    _load_or_create(path, lambda: _written(key))
    return path


def load_or_create_key(path: Path) -> OKPKey:
    """An Ed25519 key; made, durably, when there is none. Raises `NoKey`."""
    try:
        key = OKPKey.import_key(json.loads(_load_or_create(path, lambda: _written(new_key()))))
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


def _written(key: OKPKey) -> bytes:
    return json.dumps(key.as_dict(private=True)).encode("ascii")


def _load_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    try:
        if not path.exists():
            make_folder_durably(path.parent)
            put_first_durably(path, make(), mode=0o600)
        return path.read_bytes()
    except OSError as error:
        words = f"{path} cannot be read, or is missing and cannot be made there ({error.strerror})."
        raise NoKey(f"{words} Put the file there, or set ETMA_KEYS_DIR to the folder that has it.") from error
