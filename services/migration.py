"""Writes the next revision of an owner's tables: `make migration SERVICE=submission MESSAGE="what changes"`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from services.identity import service as identity
from services.identity.tables import metadata as identity_tables
from services.marking import service as marking
from services.marking.tables import metadata as marking_tables
from services.notifier import service as notifier
from services.notifier.schema import metadata as notifier_tables
from services.operations import service as operations
from services.operations.schema import metadata as operations_tables
from services.submission import service as submission
from services.submission.tables import metadata as submission_tables
from shared.messaging import local_bus, tables
from shared.migrations.alembic_steps import upgrade, write_next
from shared.migrations.history import History


@dataclass(frozen=True)
class Owner:
    """A history, and the tables that it has to lead to."""

    history: History
    metadata: sa.MetaData


OWNERS: Mapping[str, Owner] = {
    identity.NAME: Owner(identity.HISTORY, identity_tables),
    submission.NAME: Owner(submission.HISTORY, submission_tables),
    marking.NAME: Owner(marking.HISTORY, marking_tables),
    notifier.NAME: Owner(notifier.HISTORY, notifier_tables),
    operations.NAME: Owner(operations.HISTORY, operations_tables),
    "messaging": Owner(tables.HISTORY, tables.metadata),
    "local_bus": Owner(local_bus.HISTORY, local_bus.metadata),
}


def main() -> int:
    """Compare the owner's tables with what its history makes, in a database in memory, and write the difference."""
    name, message = (*sys.argv[1:], "", "")[:2]
    if name not in OWNERS or not message:
        sys.stderr.write(f'make migration SERVICE=… MESSAGE="what changes"; SERVICE is one of {", ".join(OWNERS)}\n')
        return 2
    owner = OWNERS[name]
    with sa.create_engine("sqlite://").begin() as connection:
        upgrade(connection, owner.history)
        write_next(connection, owner.history, metadata=owner.metadata, message=message)
    return 0


if __name__ == "__main__":
    sys.exit(main())
