"""Commands as a person types them: an answer about nothing is no answer, and a mistake is one clear line."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.oulad import etma
from tests.support.university import ANN, PDF, running_town

QUESTIONS = (
    ("audit",),
    ("audit", "--settled", "--json"),
    ("dead-letters", "list"),
    ("token", "--role", "student", "--person", "P4000001"),
)


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_a_question_to_a_folder_without_data_is_refused_and_makes_none(
    tmp_path: Path, question: tuple[str, ...]
) -> None:
    asked = etma(*question, data_dir=tmp_path / "elsewhere", environment={})
    assert (asked.returncode, asked.stdout) == (2, "")
    assert "Set ETMA_DATA_DIR to the folder of the running system" in asked.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_a_receipt_is_not_called_false_where_there_are_no_keys(tmp_path: Path) -> None:
    receipt, keys = tmp_path / "receipt.jws", tmp_path / "keys.json"
    receipt.write_text("e30.e30.c2ln\n", encoding="ascii")
    asked = etma("receipt", "verify", str(receipt), data_dir=tmp_path / "elsewhere", environment={})
    assert (asked.returncode, "There is no etma data here" in asked.stderr) == (2, True)
    keys.write_text("[]", encoding="ascii")
    asked = etma(
        "receipt", "verify", str(receipt), "--jwks", str(keys), data_dir=tmp_path / "elsewhere", environment={}
    )
    assert (asked.returncode, "/.well-known/jwks.json" in asked.stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "eighty"), ("PORT", "0"), ("LOG_LEVEL", "LOUD"), ("OIDC_ROLES", "[]")]
)
def test_a_setting_that_cannot_be_is_named(tmp_path: Path, name: str, value: str) -> None:
    served = etma("serve", data_dir=tmp_path / "var", environment={f"ETMA_{name}": value})
    assert (served.returncode, f"ETMA_{name}: " in served.stderr) == (2, True)
    assert "Traceback" not in served.stderr


def test_the_demo_university_is_taken_in_once(tmp_path: Path) -> None:
    first, again = [etma("import", "demo", data_dir=tmp_path, environment={}) for _ in range(2)]
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    asked = etma("token", "--role", "student", "--person", "P4000001", data_dir=tmp_path, environment={})
    assert asked.returncode == 0, asked.stderr


def test_roles_are_given_and_withdrawn_by_commands(tmp_path: Path) -> None:
    def ask(*words: str) -> str:
        asked = etma(*words, data_dir=tmp_path, environment={})
        assert asked.returncode == 0, asked.stderr
        return str(asked.stdout)

    ask("import", "demo")
    given = ask("person", "give", "00001001", "--role", "support", "--until", "2999-12-31")
    assert given == "Given: support, for *, until the end of 2999-12-31.\n"
    held = {row["role"]: row for row in json.loads(ask("person", "roles", "00001001", "--json"))}
    assert {role: row["state"] for role, row in held.items()} == {"support": "held", "tutor": "held"}
    assert held["support"]["given_by"].startswith("command-line:")
    assert "Withdrawn" in ask("person", "withdraw", held["support"]["grant_id"])
    states = {row["role"]: row["state"] for row in json.loads(ask("person", "roles", "00001001", "--json"))}
    assert states == {"support": "withdrawn", "tutor": "held"}
    assert ask("person", "looks", "P4000001") == "Nobody of the staff has looked at this person's data.\n"
    mistaken = etma("person", "give", "00001001", "--role", "emperor", data_dir=tmp_path, environment={})
    assert (mistaken.returncode, "There is no role emperor. The roles are" in mistaken.stderr) == (2, True)


def answer_of(*words: str, data_dir: Path) -> dict[str, object]:
    """What a command prints for machines."""
    done = etma("receipt", *words, "--json", data_dir=data_dir, environment={})
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_a_key_is_listed_rotated_and_revoked_and_its_receipts_are_checked(tmp_path: Path) -> None:
    with running_town(tmp_path) as town:
        accepted = town.hand_in().json()
        pdf = town.get(f"/api/v1/submissions/{accepted['submission_id']}/receipt.pdf", "student", ANN).content
        keys = town.client.get("/.well-known/jwks.json").content
    data_dir, saved, printed = tmp_path / "var", tmp_path / "receipt.jws", tmp_path / "receipt.pdf"
    saved.write_text(accepted["receipt"] + "\n", encoding="ascii")
    printed.write_bytes(pdf)
    (tmp_path / "jwks.json").write_bytes(keys)
    for file in (saved, printed):
        said = answer_of("verify", str(file), data_dir=data_dir)
        assert (said["genuine"], said["because_of"], said["claims"]["sha256"]) == (
            True,
            "signature",
            accepted["sha256"],
        )
        asked = etma(
            "receipt",
            "verify",
            str(file),
            "--jwks",
            str(tmp_path / "jwks.json"),
            data_dir=tmp_path / "no",
            environment={},
        )
        assert asked.returncode == 0, asked.stderr
    (old,) = answer_of("rotate-key", data_dir=data_dir)["retired"]
    revoked = answer_of("revoke-key", old, "--since", "2020-01-01T00:00:00Z", "--reason", "lost", data_dir=data_dir)
    assert (revoked["state"], revoked["revocation_reason"]) == ("revoked", "lost")
    assert [key["state"] for key in answer_of("keys", data_dir=data_dir)] == ["revoked", "active"]
    assert "revoked" in etma("receipt", "keys", data_dir=data_dir, environment={}).stdout
    assert answer_of("verify", str(printed), data_dir=data_dir)["because_of"] == "record"


def test_a_receipt_that_is_none_or_of_another_file_ends_with_1(tmp_path: Path) -> None:
    with running_town(tmp_path) as town:
        receipt = town.hand_in().json()["receipt"]
    saved, other = tmp_path / "receipt.jws", tmp_path / "other.pdf"
    saved.write_text(receipt, encoding="ascii")
    other.write_bytes(PDF + b"other")
    asked = verified(saved, "--content", str(other), data_dir=tmp_path / "var")
    assert (asked.returncode, "is not the file that it speaks of" in asked.stderr) == (1, True)
    asked = verified(other, data_dir=tmp_path / "var")
    assert (asked.returncode, "no receipt attached" in asked.stderr) == (1, True)
    saved.write_text(receipt[:-8] + "AAAAAAAA", encoding="ascii")
    asked = verified(saved, data_dir=tmp_path / "var")
    assert (asked.returncode, "Not genuine" in asked.stderr) == (1, True)


def verified(file: Path, *options: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    return etma("receipt", "verify", str(file), *options, data_dir=data_dir, environment={})


@pytest.mark.parametrize(
    ("since", "words"), [("yesterday", "is no moment"), ("2026-11-24T12:00:00", "has no zone"), ("2026-11-24", "zone")]
)
def test_a_moment_that_is_none_is_said(tmp_path: Path, since: str, words: str) -> None:
    options = ("--since", since, "--reason", "lost")
    asked = etma("receipt", "revoke-key", "a-key", *options, data_dir=tmp_path, environment={})
    assert (asked.returncode, words in asked.stderr) == (2, True)
