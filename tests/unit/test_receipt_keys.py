"""The keys that sign receipts: made once, replaced when asked, noticed by all, and kept for ever."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from joserfc import jws

from services.submission.receipts.domain import BadReceipt, KeyState, StatementType, Trust, read_statement
from services.submission.receipts.handlers import KeyRing, NoSigningKey, Verification
from services.submission.receipts.store import ReceiptKeyStore, receipt_key_table
from services.submission.tables import metadata
from shared.database import Database
from shared.errors import Unavailable
from shared.keys import KeyFolder, NoKey
from tests.support.databases import ManualClock, make_database
from tests.support.receipts import claims


class House:
    """One database, and processes with folders of keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.database: Database = make_database(metadata, folder, "submission", self.clock)

    def process(self, folder: str = "keys") -> KeyRing:
        """A process that begins, with this folder of keys."""
        ring = KeyRing(KeyFolder(self.folder / folder, "receipt"), ReceiptKeyStore(), self.database)
        ring.open()
        return ring

    def sign(self, ring: KeyRing) -> str:
        """A receipt; the id of its key can be read from it."""
        with self.database.transaction() as tx:
            return ring.sign(claims(arrived_at=tx.now.isoformat()), tx)

    def signer_of(self, receipt: str) -> str:
        return read_statement(receipt, self.published()).key_id

    def published(self) -> list[dict[str, object]]:
        return Verification(self.database, ReceiptKeyStore(), Nobody()).published()


class Nobody:
    """A university without records."""

    def receipt(self, _connection: sa.Connection, _receipt_id: str) -> str | None:
        return None


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_the_first_start_makes_a_key_that_only_its_owner_can_read(house: House) -> None:
    ring = house.process()
    (key,) = ring.all_keys()
    assert (key.state, house.signer_of(house.sign(ring))) == (KeyState.ACTIVE, key.key_id)
    (file,) = (house.folder / "keys").iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("receipt.json", 0o600)


def test_later_starts_have_the_same_key(house: House) -> None:
    first, second = house.process(), house.process()
    assert house.signer_of(house.sign(first)) == house.signer_of(house.sign(second))
    assert len(first.all_keys()) == 1


def test_a_rotation_is_noticed_by_a_process_that_runs(house: House) -> None:
    running, command = house.process(), house.process()
    before = house.sign(running)
    house.clock.advance(timedelta(seconds=1))
    rotation = command.rotate()
    assert house.signer_of(house.sign(running)) == rotation.key_id
    assert rotation.retired == [house.signer_of(before)]
    assert {file.stat().st_mode & 0o777 for file in (house.folder / "keys").iterdir()} == {0o600}
    assert house.signer_of(house.sign(house.process())) == rotation.key_id


def test_a_key_that_waits_in_the_folder_is_the_one_that_a_rotation_takes(house: House) -> None:
    ring = house.process()
    waiting = KeyFolder(house.folder / "keys", "receipt").add()
    assert house.signer_of(house.sign(house.process())) != waiting
    assert ring.rotate().key_id == waiting
    assert len(list((house.folder / "keys").iterdir())) == 2


def test_a_second_rotation_makes_another_key_and_the_first_stays_retired(house: House) -> None:
    ring = house.process()
    keys = [house.signer_of(house.sign(ring)), ring.rotate().key_id, ring.rotate().key_id]
    states = {key.key_id: key.state for key in ring.all_keys()}
    assert [states[key_id] for key_id in keys] == [KeyState.RETIRED, KeyState.RETIRED, KeyState.ACTIVE]


def test_a_process_without_the_new_key_signs_nothing_and_says_so(house: House) -> None:
    ring = house.process()
    (house.folder / "elsewhere").mkdir()
    file = house.folder / "elsewhere" / "receipt.json"
    file.write_bytes((house.folder / "keys" / "receipt.json").read_bytes())
    elsewhere = house.process("elsewhere")
    assert elsewhere.problems() == {}
    key_id = ring.rotate().key_id
    with pytest.raises(NoSigningKey):
        house.sign(elsewhere)
    assert list(elsewhere.problems()) == ["submission.receipt_keys"]
    assert issubclass(NoSigningKey, Unavailable)
    new = house.folder / "keys" / f"receipt-{key_id}.json"
    (house.folder / "elsewhere" / new.name).write_bytes(new.read_bytes())
    assert elsewhere.problems() == {}
    assert house.signer_of(house.sign(elsewhere)) == key_id


def test_a_start_with_retired_keys_only_makes_none_active(house: House) -> None:
    ring = house.process()
    key_id = ring.rotate().key_id
    (house.folder / "keys" / f"receipt-{key_id}.json").unlink()
    assert list(house.process().problems()) == ["submission.receipt_keys"]
    assert sorted(key.state for key in ring.all_keys()) == [KeyState.ACTIVE, KeyState.RETIRED]


def test_who_lost_all_keys_goes_on_with_a_new_one_and_the_old_receipts_stay_genuine(house: House) -> None:
    before = house.sign(house.process())
    ring = house.process("another")
    after = house.sign(ring)
    assert house.signer_of(before) != house.signer_of(after)
    assert len(house.published()) == 2


def test_a_file_that_is_half_there_does_not_stop_a_process_that_runs(house: House) -> None:
    running, command = house.process(), house.process()
    command.rotate()
    (house.folder / "keys" / "receipt-.json").write_text("{", encoding="ascii")
    with pytest.raises(NoSigningKey):
        house.sign(running)
    (house.folder / "keys" / "receipt-.json").unlink()
    assert house.sign(running)
    (house.folder / "keys" / "receipt-.json").write_text("{", encoding="ascii")
    with pytest.raises(NoKey, match="holds no private key"):
        house.process()


def test_a_rotation_without_room_for_a_key_changes_nothing(house: House) -> None:
    ring = house.process()
    (house.folder / "keys").rename(house.folder / "moved")
    (house.folder / "keys").write_text("no folder", encoding="ascii")
    with pytest.raises(NoKey):
        ring.rotate()
    assert [key.state for key in ring.all_keys()] == [KeyState.ACTIVE]
    assert house.sign(ring)


def test_a_revoked_key_vouches_for_what_is_older_and_for_nothing_later(house: House) -> None:
    ring, verification = house.process(), Verification(house.database, ReceiptKeyStore(), Nobody())
    receipts = []
    for _ in range(3):
        receipts.append(house.sign(ring))
        house.clock.advance(timedelta(minutes=1))
    (key_id,) = ring.rotate().retired
    for number, trusted in ((1, [True, False, False]), (2, [True, True, False])):
        since = house.clock.now() - timedelta(minutes=3 - number)
        revoked = ring.revoke(key_id, since=since, reason="a laptop was lost")
        assert (revoked.state, revoked.revoked_since) == (KeyState.REVOKED, since)
        said = [verification.check(receipt.encode()).trust for receipt in receipts]
        assert [trust is Trust.SIGNATURE for trust in said] == trusted
    assert house.signer_of(house.sign(ring)) != key_id


def test_a_signature_that_does_not_name_its_key_is_refused(house: House) -> None:
    ring = house.process()
    (key,) = ring.folder.held().values()
    nameless = jws.serialize_compact({"alg": "Ed25519", "typ": str(StatementType.RECEIPT)}, b"{}", key, ["Ed25519"])
    with pytest.raises(BadReceipt, match="signature does not fit"):
        read_statement(nameless, house.published())


@pytest.mark.parametrize(
    "change",
    [{"revoked_at": True, "revoked_since": True}, {"revoked_at": True, "retired_at": True}],
    ids=["revoked-while-it-signs", "revoked-since-never"],
)
def test_the_database_holds_no_life_that_cannot_be(house: House, change: dict[str, bool]) -> None:
    house.process()
    values = dict.fromkeys(change, house.clock.now())
    with pytest.raises(sa.exc.IntegrityError), house.database.engine.begin() as connection:
        connection.execute(sa.update(receipt_key_table).values(values))
