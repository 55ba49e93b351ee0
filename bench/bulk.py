"""A bulk loop in Faust that writes what another database has: `python -m bench.bulk BROKER GROUP SOURCE TARGET`.

It knows no rules: for each message it writes, with one statement a table and batch, the rows that our worker wrote for
the same message in SOURCE. Progress is Kafka's; what was lost in a crash it would not notice.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import faust
import psycopg

from shared.contracts import SUBMISSION
from shared.messaging.faust_worker import WithoutTables
from shared.messaging.kafka_bus import servers_in

BATCH = 500
KEYS = {"inbox": "ce_id", "key_sequence": "key", "script": "work_id", "ruling": "work_id", "outbox": "key"}
"""The tables that our worker writes, and the column by which a row belongs to a message."""

Rows = Mapping[str, Mapping[str, Sequence[str]]]


def rows_of(source: str) -> Rows:
    """All rows of each table in JSON, by the key to which they belong."""
    found: dict[str, dict[str, list[str]]] = {table: {} for table in KEYS}
    with psycopg.connect(source) as connection:
        for table, column in KEYS.items():
            query = f"SELECT {column}, row_to_json(one)::text FROM {table} AS one"  # noqa: S608 - our own names
            for key, row in connection.execute(query):
                found[table].setdefault(key, []).append(row)
    return found


def write(connection: psycopg.Connection[Any], rows: Rows, ids: Sequence[str], keys: Sequence[str]) -> None:
    """The rows of these messages, in one transaction."""
    with connection.transaction():
        for table, column in KEYS.items():
            wanted = ids if column == "ce_id" else keys
            texts = [json.loads(row) for key in wanted for row in rows[table].get(key, ())]
            statement = f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s)"  # noqa: S608 - as above
            connection.execute(statement, [json.dumps(texts)])


def application(broker: str, group: str, rows: Rows, connection: psycopg.Connection[Any]) -> faust.App:
    """The loop, with the settings of our worker."""
    app = WithoutTables(
        group,
        broker=";".join(f"kafka://{server}" for server in servers_in(broker)),
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=BATCH,
        stream_buffer_maxsize=4096,
    )
    writing = asyncio.Lock()

    async def consume(stream: Any) -> None:  # noqa: ANN401 - Faust's
        async for event in stream.events():
            batch, queue = [event], stream.channel.queue
            while len(batch) < BATCH and not queue.empty():
                batch.append(queue.get_nowait())
            ids = [one.headers["ce_id"].decode() for one in batch]
            keys = [one.message.key.decode() for one in batch]
            async with writing:
                await asyncio.to_thread(write, connection, rows, ids, keys)
            for one in batch[1:]:
                one.ack()

    topic = app.topic(SUBMISSION.name, value_type=bytes, value_serializer="raw", key_serializer="raw")
    app.agent(topic, isolated_partitions=True)(consume)
    return app


async def main() -> None:
    """Run until the process is ended."""
    broker, group, source, target = sys.argv[1:]
    rows = await asyncio.to_thread(rows_of, source)
    with psycopg.connect(target, autocommit=True) as connection:
        app = application(broker, group, rows, connection)
        app.loop = asyncio.get_running_loop()
        app.finalize()
        await app.start()
        await app.wait_until_stopped()


if __name__ == "__main__":
    asyncio.run(main())
