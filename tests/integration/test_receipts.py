"""Anybody checks a receipt: its text, its PDF, a printed sheet; before and after the life of its key has ended."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime, timedelta

import httpx2 as httpx
import pikepdf
import pytest
from jwcrypto import jwk
from jwcrypto.jws import JWS

from services.submission.receipts.domain import sign_statement
from services.submission.receipts.handlers import BadRevocation, KeyInUse, UnknownKey
from services.submission.receipts.reading import OFFERED_BYTES
from tests.support.receipts import claims
from tests.support.university import ANN, BEN, PDF, TMA, Town

REVOKED = "Its key was revoked"


def words_of(page: httpx.Response) -> str:
    return " ".join(re.sub("<[^>]+>", " ", page.text.partition("<main")[2]).split())


def printed(town: Town, submission_id: str) -> bytes:
    answer = town.get(f"/api/v1/submissions/{submission_id}/receipt.pdf", "student", ANN)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    return answer.content


def check(town: Town, *, text: str = "", file: bytes | None = None) -> httpx.Response:
    files = None if file is None else {"file": ("receipt", file)}
    return town.client.post("/verify", data={"receipt": text}, files=files)


def signing_key_id(town: Town) -> str:
    keys = town.client.get("/.well-known/jwks.json").json()["keys"]
    return str(keys[-1]["kid"])


def forged(town: Town, key_id: str) -> str:
    """What somebody makes who has got hold of the key."""
    key = town.system.platform.receipt_keys.held()[key_id]
    return sign_statement(claims(arrived_at=datetime.now(UTC).isoformat()), key)


def revoke(town: Town, key_id: str, since: datetime) -> None:
    town.system.submission.key_ring.rotate()
    town.system.submission.key_ring.revoke(key_id, since=since, reason="a laptop was lost")


def test_the_page_of_a_receipt_leads_to_its_pdf_which_proves_it_to_anybody(town: Town) -> None:
    accepted = town.hand_in(ANN).json()
    address = f"/api/v1/submissions/{accepted['submission_id']}/receipt.pdf"
    assert f'href="{address}"' in town.get(f"/receipts/{accepted['submission_id']}", "student", ANN).text
    checked = check(town, file=printed(town, accepted["submission_id"]))
    assert (checked.status_code, "This receipt is genuine" in checked.text) == (200, True)
    assert accepted["sha256"] in checked.text
    assert printed(town, accepted["submission_id"]) == printed(town, accepted["submission_id"])


def test_a_pdf_whose_text_was_changed_shows_what_was_signed(town: Town) -> None:
    accepted = town.hand_in(ANN).json()
    with pikepdf.open(io.BytesIO(printed(town, accepted["submission_id"]))) as pdf:
        pdf.pages[0].Contents = pdf.make_stream(b"BT (another SHA-256) Tj ET")
        changed = io.BytesIO()
        pdf.save(changed)
    checked = words_of(check(town, file=changed.getvalue()))
    assert accepted["sha256"] in checked
    assert "If a sheet or a PDF says something else, the sheet or the PDF was changed" in checked
    assert "another SHA-256" not in checked


def test_a_receipt_is_checked_as_text_and_as_file(town: Town) -> None:
    receipt = town.hand_in(ANN).json()["receipt"]
    for checked in (
        check(town, text=receipt + "\n"),
        check(town, file=receipt.encode() + b"\n"),
        check(town, text="what was pasted before", file=receipt.encode()),
        check(town, text=receipt, file=b""),
    ):
        assert (checked.status_code, "This receipt is genuine" in checked.text) == (200, True)
    changed = check(town, text=receipt[:-8] + "AAAAAAAA")
    assert (changed.status_code, "This receipt is not genuine" in changed.text) == (422, True)


@pytest.mark.parametrize(
    ("file", "status", "words"),
    [
        (PDF, 422, "This PDF has no receipt attached"),
        (b"GIF89a", 422, "neither the text of a receipt nor a PDF"),
        (bytes(OFFERED_BYTES + 1), 413, "larger than 1024 KB"),
        (bytes(3 * OFFERED_BYTES), 413, "larger than 1024 KB"),
    ],
)
def test_a_file_that_is_no_receipt_is_answered_in_words(town: Town, file: bytes, status: int, words: str) -> None:
    checked = check(town, file=file)
    assert (checked.status_code, words in checked.text) == (status, True)


def test_a_form_that_cannot_be_read_is_answered_in_words(town: Town) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    checked = town.client.post("/verify", content=b"--b\r\nno form", headers=headers)
    assert (checked.status_code, "Please send it again" in checked.text) == (422, True)


def test_a_printed_sheet_leads_to_what_is_on_record_but_not_to_whose_it_is(town: Town) -> None:
    accepted = town.hand_in(ANN).json()
    page = town.client.get(f"/verify/{accepted['receipt_id']}")
    words = words_of(page)
    assert page.status_code == 200
    for told in ("receipt_id", "submission_id", "sha256", "assignment_id"):
        assert accepted[told] in words
    assert "This receipt is on record" in words
    assert "On time" in words
    (row,) = town.rows("submission", "versions")
    for hidden in (row["person_ref"], row["work_id"], "answer.pdf", "Ann", accepted["receipt"]):
        assert str(hidden) not in page.text


@pytest.mark.parametrize("number", ["0b6f7a9c-53a2-4c3a-9c2e-1c2d3e4f5a6b", "x", "%00", "a" * 3000])
def test_a_number_that_was_never_given_is_said_to_be_none(town: Town, number: str) -> None:
    town.hand_in(ANN)
    page = town.client.get(f"/verify/{number}")
    assert (page.status_code, "has given no receipt of this number" in page.text) == (404, True)


def test_a_new_key_signs_at_once_and_the_old_receipts_stay_genuine(town: Town) -> None:
    before = town.hand_in(ANN).json()["receipt"]
    rotation = town.system.submission.key_ring.rotate()
    afterwards = [town.hand_in(ANN, content=PDF + bytes([number])).json()["receipt"] for number in range(4)]
    keys = {key["kid"]: key for key in town.client.get("/.well-known/jwks.json").json()["keys"]}
    for receipt in afterwards:
        signature = JWS()
        signature.allowed_algs = ["Ed25519"]
        signature.deserialize(receipt, jwk.JWK.from_json(json.dumps(keys[rotation.key_id])))
    for receipt in (before, *afterwards):
        assert "This receipt is genuine" in check(town, text=receipt).text
    assert keys[rotation.key_id]["etma_state"] == "active"
    assert {keys[key_id]["etma_state"] for key_id in rotation.retired} == {"retired"}
    town.settle()
    assert town.audit().violations == []


def test_what_a_revoked_key_signed_later_is_believed_only_when_it_is_on_record(town: Town) -> None:
    key_id = signing_key_id(town)
    early = town.hand_in(ANN).json()["receipt"]
    since = datetime.now(UTC)
    late = town.hand_in(BEN).json()["receipt"]
    false = forged(town, key_id)
    revoke(town, key_id, since)
    checked = check(town, text=early)
    assert ("This receipt is genuine" in checked.text, REVOKED in checked.text) == (True, False)
    checked = check(town, text=late)
    assert "This receipt is genuine" in checked.text
    assert REVOKED in checked.text
    assert "own record has this very receipt, and confirms it" in checked.text
    checked = check(town, text=false)
    assert "This receipt cannot be trusted" in checked.text
    assert "has no record of this receipt" in checked.text
    assert "This receipt is genuine" not in checked.text
    keys = {key["kid"]: key for key in town.client.get("/.well-known/jwks.json").json()["keys"]}
    assert keys[key_id]["etma_state"] == "revoked"
    assert datetime.fromisoformat(keys[key_id]["etma_revoked_since"]) == since
    assert "lost" not in str(keys)
    town.settle()
    assert town.audit().violations == []


def test_a_forgery_under_the_number_of_a_genuine_receipt_is_not_confirmed(town: Town) -> None:
    key_id = signing_key_id(town)
    since = datetime.now(UTC)
    genuine = town.hand_in(ANN).json()
    key = town.system.platform.receipt_keys.held()[key_id]
    false = sign_statement(claims(jti=genuine["receipt_id"], arrived_at=datetime.now(UTC).isoformat()), key)
    revoke(town, key_id, since)
    assert "This receipt cannot be trusted" in check(town, text=false).text


def test_the_key_that_signs_cannot_be_revoked_nor_one_that_never_was(town: Town) -> None:
    ring, now = town.system.submission.key_ring, datetime.now(UTC)
    with pytest.raises(KeyInUse, match="rotate-key"):
        ring.revoke(signing_key_id(town), since=now, reason="a test")
    with pytest.raises(UnknownKey):
        ring.revoke("nobody's", since=now, reason="a test")
    (retired,) = ring.rotate().retired
    with pytest.raises(BadRevocation, match="in the future"):
        ring.revoke(retired, since=now + timedelta(hours=1), reason="a test")
    with pytest.raises(BadRevocation, match="Say why"):
        ring.revoke(retired, since=now, reason=" ")
    assert town.hand_in(ANN, assignment=TMA).status_code == 201
