"""The keys that sign, through their life; and what can be said of a receipt that somebody offers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa
import structlog

from services.submission.receipts.domain import (
    KeyInUse,
    KeyState,
    ReceiptKey,
    Statement,
    StatementType,
    Trust,
    UnknownKey,
    public_jwk_of,
    read_statement,
    sign_statement,
    signing_key,
)
from services.submission.receipts.reading import statement_in
from services.submission.receipts.store import ReceiptKeyStore
from services.submission.receipts.views import RulingViews
from shared.database import Context, Database, Transaction
from shared.errors import NotFound, Rejected, Unavailable
from shared.keys import KeyFolder, NoKey

KEYS = "receipt_keys"
"""What is locked while the life of a key changes."""

NO_SUCH_NUMBER = "The university has given no receipt of this number. Compare each of its characters."

BY_COMMAND = Context(actor="operations:command-line")

log = structlog.get_logger()


class NoSigningKey(Unavailable):
    """The process has the private half of no key that may sign."""

    code = "no_signing_key"
    title = "Receipts cannot be signed at the moment"


class BadRevocation(Rejected):
    """The moment or the reason cannot be right."""

    code = "bad_revocation"
    title = "The key cannot be revoked like this"


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """The key that signs from now on, and those that no longer do."""

    key_id: str
    retired: Sequence[str]


class KeyRing:
    """Signs with the newest active key of which this process has the private half.

    Which keys are active stands in the database and is read in the transaction of what is signed, so that a rotation
    is noticed at once by every process that finds the new key in its folder.
    """

    def __init__(self, folder: KeyFolder, store: ReceiptKeyStore, database: Database) -> None:
        self.folder = folder
        self.store = store
        self.database = database
        self._held = folder.held()

    def open(self) -> None:
        """Make the keys of the folder known when none of them is: at the first start, or when all others were lost."""
        with self.database.transaction() as tx:
            tx.lock(KEYS)
            known = {key.key_id for key in self.store.keys(tx.connection)}
            if not known & self._held.keys():
                self.store.add(self._public(list(self._held)), tx)

    def sign(self, claims: Mapping[str, object], tx: Transaction, kind: StatementType = StatementType.RECEIPT) -> str:
        """The statement, signed; raises `NoSigningKey`."""
        key = signing_key(self._known(tx.connection), self._held)
        if key is None:
            raise NoSigningKey("No key that may sign is in the folder of keys (ETMA_KEYS_DIR) of this process.")
        return sign_statement(claims, key, kind)

    def rotate(self) -> Rotation:
        """Let a new key sign and all others no more: one that waits in the folder, else one that is made there now.

        Raises `NoKey` when none waits and none can be made.
        """
        with self.database.transaction(BY_COMMAND) as tx:
            tx.lock(KEYS)
            keys = self.store.keys(tx.connection)
            waiting = self._waiting(keys) or [self.folder.add()]
            self._held = self.folder.held()
            active = [key.key_id for key in keys if key.state is KeyState.ACTIVE]
            *others, newest = waiting
            self.store.add(self._public(waiting), tx)
            self.store.retire([*active, *others], tx)
        log.info("receipts.key_rotated", key_id=newest, retired=active)
        return Rotation(key_id=newest, retired=active)

    def revoke(self, key_id: str, *, since: datetime, reason: str) -> ReceiptKey:
        """Let the key prove nothing from `since` on; again with another moment, that one counts.

        Raises `UnknownKey`, `KeyInUse` and `BadRevocation`.
        """
        with self.database.transaction(BY_COMMAND) as tx:
            tx.lock(KEYS)
            self._check_revocable(key_id, since, reason, tx)
            self.store.revoke(key_id, since=since, reason=reason.strip(), tx=tx)
            (revoked,) = (key for key in self.store.keys(tx.connection) if key.key_id == key_id)
        log.warning("receipts.key_revoked", key_id=key_id, since=since.isoformat())
        return revoked

    def all_keys(self) -> Sequence[ReceiptKey]:
        """All keys that ever signed, the oldest first."""
        with self.database.reading() as connection:
            return self.store.keys(connection)

    def problems(self) -> Mapping[str, str]:
        """Whether there is nothing to sign with, with words for everybody."""
        with self.database.reading() as connection:
            found = signing_key(self._known(connection), self._held)
        return {} if found else {"submission.receipt_keys": "no key that may sign is in this process's folder of keys"}

    def _check_revocable(self, key_id: str, since: datetime, reason: str, tx: Transaction) -> None:
        key = next((key for key in self.store.keys(tx.connection) if key.key_id == key_id), None)
        if key is None:
            raise UnknownKey(f"No receipt was ever signed with a key {key_id}. See: etma receipt keys")
        if key.state is KeyState.ACTIVE:
            raise KeyInUse("Let another one sign first (etma receipt rotate-key), then revoke this one.")
        if since > tx.now:
            raise BadRevocation(f"{since.isoformat()} is in the future; a key is revoked since a moment that was.")
        if not reason.strip():
            raise BadRevocation("Say why: the reason is kept with the key.")

    def _known(self, connection: sa.Connection) -> Sequence[ReceiptKey]:
        """All keys, after a look into the folder when the newest that may sign is not among those held."""
        keys = self.store.keys(connection)
        active = [key.key_id for key in keys if key.state is KeyState.ACTIVE]
        if active and active[-1] not in self._held:
            self._look_again()
        return keys

    def _look_again(self) -> None:
        try:
            self._held = self.folder.held()
        except NoKey as error:  # a file that is being put there; the keys from before are as good as they were
            log.warning("receipts.key_unreadable", detail=error.detail)

    def _waiting(self, keys: Sequence[ReceiptKey]) -> list[str]:
        """The keys of the folder that never signed."""
        known = {key.key_id for key in keys}
        return [key_id for key_id in self.folder.held() if key_id not in known]

    def _public(self, key_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        return {key_id: public_jwk_of(self._held[key_id]) for key_id in key_ids}


class Records(Protocol):
    """The university's own record of the receipts that it gave."""

    def receipt(self, connection: sa.Connection, receipt_id: str) -> str | None:
        """The text of the receipt with this id, as it was given."""
        ...


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A genuine statement, and what makes it believable; of a receipt, also the ruling that corrected it last."""

    statement: Statement
    trust: Trust
    ruling: Statement | None = None


def verdict_without_record(statement: Statement) -> Verdict:
    """What the public keys alone say."""
    return Verdict(statement=statement, trust=Trust.NOTHING if statement.doubted_since else Trust.SIGNATURE)


class Verification:
    """Says of a receipt what the public keys and the university's own record say."""

    def __init__(self, database: Database, store: ReceiptKeyStore, records: Records) -> None:
        self.database = database
        self.store = store
        self.records = records
        self.rulings = RulingViews()

    def check(self, offered: bytes) -> Verdict:
        """Of the text of a receipt or of a PDF; raises `BadReceipt`."""
        text = statement_in(offered)
        with self.database.reading() as connection:
            statement = read_statement(text, self._published(connection))
            ruling = self._in_force(str(statement.claims["jti"]), connection)
            return Verdict(statement=statement, trust=self._trust(statement, connection), ruling=ruling)

    def genuine(self, text: str) -> Statement:
        """The statement of this text, whatever became of its key; raises `BadReceipt`."""
        with self.database.reading() as connection:
            return read_statement(text, self._published(connection))

    def in_force(self, receipt_id: str) -> Statement | None:
        """The ruling that corrected last what this receipt says of lateness; None when nothing was corrected."""
        with self.database.reading() as connection:
            return self._in_force(receipt_id, connection)

    def issued(self, receipt_id: str) -> Verdict:
        """The receipt that was given under this id, by the university's own record; raises `NotFound`."""
        try:
            number = str(uuid.UUID(receipt_id.strip()))
        except ValueError as error:
            raise NotFound(NO_SUCH_NUMBER) from error
        with self.database.reading() as connection:
            text = self.records.receipt(connection, number)
            if text is None:
                raise NotFound(NO_SUCH_NUMBER)
            receipt = read_statement(text, self._published(connection))
            return Verdict(statement=receipt, trust=Trust.RECORD, ruling=self._in_force(number, connection))

    def _trust(self, statement: Statement, connection: sa.Connection) -> Trust:
        if statement.doubted_since is None:
            return Trust.SIGNATURE
        ask = self.records.receipt if statement.type is StatementType.RECEIPT else self.rulings.ruling
        return Trust.RECORD if ask(connection, str(statement.claims["jti"])) == statement.text else Trust.NOTHING

    def _in_force(self, receipt_id: str, connection: sa.Connection) -> Statement | None:
        text = self.rulings.in_force(connection, receipt_id)
        return None if text is None else read_statement(text, self._published(connection))

    def published(self) -> list[dict[str, Any]]:
        """The public keys of all receipts ever signed, each with its state."""
        with self.database.reading() as connection:
            return self._published(connection)

    def _published(self, connection: sa.Connection) -> list[dict[str, Any]]:
        return [key.published() for key in self.store.keys(connection)]
