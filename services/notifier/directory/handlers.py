"""Keeps up with what the catalogue says of assignments."""

from __future__ import annotations

from collections.abc import Sequence

from services.notifier.directory.store import DirectoryStore
from shared.contracts import AssignmentDefined
from shared.database import Transaction
from shared.messaging.consumer import HandlerTable


class Directory:
    """Know what assignments are called, for the words of a message."""

    def __init__(self, directory: DirectoryStore) -> None:
        self.directory = directory

    def table(self) -> HandlerTable:
        return {AssignmentDefined: self.learn}

    def learn(self, defined: Sequence[AssignmentDefined], tx: Transaction) -> None:
        """Keep the newest state of each assignment."""
        tx.lock(*(fact.assignment_id for fact in defined))
        self.directory.save_assignments(defined, tx)
