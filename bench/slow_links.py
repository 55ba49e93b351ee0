"""`python -m bench.slow_links PORT HOW-MANY BYTES-A-SECOND SECONDS TOKENS`: so many uploads by tus over slow links.

Each is a request whose bytes come once a second; TOKENS names a file with a student's token a line.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.world import ASSIGNMENT
from deploy.servers.ports import HOST
from tests.support.uploading import metadata_of

MAGIC = b"%PDF-1.4\n"


def main() -> None:
    """Ends with a failure when one breaks."""
    port, how_many, rate, seconds = (int(each) for each in sys.argv[1:5])
    tokens = Path(sys.argv[5]).read_text(encoding="ascii").split()
    asyncio.run(_all(port, how_many, rate, seconds, tokens))


async def _all(port: int, how_many: int, rate: int, seconds: int, tokens: Sequence[str]) -> None:
    """They begin within ten seconds."""
    async with asyncio.TaskGroup() as group:
        for number in range(how_many):
            group.create_task(_trickle(port, tokens[number % len(tokens)], rate, seconds))
            await asyncio.sleep(10 / how_many)


async def _trickle(port: int, token: str, rate: int, seconds: int) -> None:
    lines = [
        "POST /api/v1/uploads HTTP/1.1",
        f"host: {HOST}:{port}",
        f"authorization: Bearer {token}",
        "tus-resumable: 1.0.0",
        f"upload-length: {rate * seconds}",
        f"content-length: {rate * seconds}",
        "content-type: application/offset+octet-stream",
        f"upload-metadata: {metadata_of(assignment=ASSIGNMENT, filename='answer.pdf')}",
    ]
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write("\r\n".join([*lines, "", ""]).encode() + MAGIC)
    second = bytes(rate)
    writer.write(second[len(MAGIC) :])
    for _ in range(seconds - 1):
        await writer.drain()
        await asyncio.sleep(1)
        writer.write(second)
    answer = await reader.readline()
    if b" 201 " not in answer:
        raise RuntimeError(answer.decode(errors="replace"))
    writer.close()


if __name__ == "__main__":
    main()
