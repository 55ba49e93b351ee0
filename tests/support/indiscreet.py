"""A consumer whose handler fails with a person's address in its hands, in a process of its own, as its logs are.

`python -m tests.support.indiscreet FOLDER` prints the reasons of its dead letters; what it logs is on standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from shared.clock import SystemClock
from shared.contracts import PERSON, PersonRecorded
from shared.database import Database, Transaction
from shared.messaging.bus import Record
from shared.messaging.consumer import Consumer
from shared.messaging.tables import dead_letter, outbox
from shared.observability.logs import configure_logs
from tests.support.databases import make_database

ADDRESS = "ann@example.org"
metadata = sa.MetaData()
people = sa.Table("known", metadata, sa.Column("email", sa.Text, sa.CheckConstraint("email = ''")))


def keep(facts: Sequence[PersonRecorded], tx: Transaction) -> None:
    """Fail with the address among the local variables, in a statement's parameters and in the cause of the failure."""
    emails = [{"email": fact.email} for fact in facts]
    tx.connection.execute(sa.insert(people), emails)


def records(folder: Path) -> list[Record]:
    """Two facts about one person as they come from a bus; the second does not fit its contract."""
    producer = make_database(sa.MetaData(), folder, "identity", SystemClock())
    ann = PersonRecorded(
        person_ref="ann", revision=1, name="Ann", email=ADDRESS, personal_id="P1234567", staff_number=None
    )
    with producer.transaction() as tx:
        tx.publish(ann)
    with producer.reading() as connection:
        row = connection.execute(sa.select(outbox)).one()
    good = Record(topic=row.topic, partition=0, offset=0, key=row.key, headers=row.headers, value=row.value)
    value = row.value.replace(f'"{ADDRESS}"'.encode(), f'["{ADDRESS}"]'.encode())
    other = {**row.headers, "ce_id": "other"}
    return [good, replace(good, offset=1, key="other", headers=other, value=value)]


def reasons(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(sa.select(dead_letter.c.reason)).scalars())


def main() -> None:
    configure_logs()
    folder = Path(sys.argv[1])
    database = make_database(metadata, folder, "notifier", SystemClock())
    Consumer(database=database, handlers={PersonRecorded: keep}).handle(PERSON, records(folder), topic_id="one")
    sys.stdout.write("\n".join(reasons(database)))


if __name__ == "__main__":
    main()
