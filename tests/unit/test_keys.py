"""Keys are made once, by whoever is first, and what cannot be had is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from shared.disk import put_first_durably
from shared.keys import KeyFolder, NoKey, load_or_create_key, load_or_create_secret, new_key, put_key
from shared.wiring import Platform
from tests.support.databases import settings_in

PROCESSES = 12
FIRST_START = """
import sys
from pathlib import Path
from shared.keys import load_or_create_key, load_or_create_secret
folder = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(load_or_create_key(folder / "receipt.json").thumbprint(), load_or_create_secret(folder / "forms.secret").hex())
"""


def test_no_id_of_a_key_looks_like_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [OKPKey.generate_key("Ed25519", {"kid": kid}) for kid in ("-6n-o9", "--help", "T9x-_")]
    monkeypatch.setattr(OKPKey, "generate_key", lambda *_, **__: made.pop(0))
    assert new_key().kid == "T9x-_"


def test_processes_that_begin_at_once_have_the_same_keys(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "keys"
    command = [sys.executable, "-c", FIRST_START, str(folder)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = {process.communicate()[0] for process in processes}
    (line,) = said
    key, secret = load_or_create_key(folder / "receipt.json"), load_or_create_secret(folder / "forms.secret")
    assert line.split() == [key.thumbprint(), secret.hex()]
    assert sorted(path.name for path in folder.iterdir()) == ["forms.secret", "receipt.json"]


def test_what_another_process_made_in_the_meantime_stays(tmp_path: Path) -> None:
    put_first_durably(tmp_path / "key", b"of the first")
    put_first_durably(tmp_path / "key", b"of the second")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("key", b"of the first")]


def test_keys_are_in_the_folder_that_the_settings_name(tmp_path: Path) -> None:
    mounted = tmp_path / "secret"
    Platform(settings_in(tmp_path / "var", keys_dir=str(mounted)))
    assert sorted(path.name for path in mounted.iterdir()) == ["forms.secret", "receipt.json", "service.json"]
    assert not (tmp_path / "var" / "keys").exists()


def test_a_key_that_cannot_be_made_is_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "keys").touch()
    missing = tmp_path / "keys" / "session.json"
    with pytest.raises(NoKey, match=f"{missing} .* is missing and cannot be made there .*ETMA_KEYS_DIR"):
        load_or_create_key(missing)


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", "null", "\x00", json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=False))],
    ids=["empty", "no-members", "list", "null", "binary", "public"],
)
def test_a_file_that_is_no_private_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "session.json").write_text(content, encoding="utf-8")
    with pytest.raises(NoKey, match="holds no private key"):
        load_or_create_key(tmp_path / "session.json")


def test_a_secret_that_is_too_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "forms.secret").write_bytes(bytes(31))
    with pytest.raises(NoKey, match="fewer than 32 bytes"):
        load_or_create_secret(tmp_path / "forms.secret")


def test_a_key_made_for_a_secret_waits_in_a_folder_until_it_is_there(tmp_path: Path) -> None:
    key = OKPKey.generate_key("Ed25519", auto_kid=True)
    file = put_key(key, tmp_path, "receipt")
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(KeyFolder(tmp_path, "receipt").held()) == [key.kid]
