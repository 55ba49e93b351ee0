"""A key that signs receipts, in a folder of a test."""

from __future__ import annotations

from pathlib import Path

from services.submission.receipts.handlers import KeyRing
from services.submission.receipts.store import ReceiptKeyStore
from shared.database import Database
from shared.keys import KeyFolder


def signing_ring(folder: Path, database: Database) -> KeyRing:
    """With one key that is known to the database."""
    ring = KeyRing(KeyFolder(folder, "receipt"), ReceiptKeyStore(), database)
    ring.open()
    return ring
