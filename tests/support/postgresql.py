"""Databases of a real PostgreSQL server for tests: each is new, and gone when the tests end.

They sort text by the rules of English and not by its bytes, as many servers do unless they are told otherwise: what
rests on an order has to bring it along.
"""

from __future__ import annotations

import atexit
import os
import secrets
from collections.abc import Callable
from functools import cache

import sqlalchemy as sa

from tests.support.servers import address

_made: list[sa.URL] = []
_templates: dict[tuple[str, str], str] = {}
"""Of a server and what it is filled with, the name of the database."""


def are_wanted() -> bool:
    """Whether the tests' databases are to be PostgreSQL's: `ETMA_TEST_DATABASES=postgresql`."""
    return os.environ.get("ETMA_TEST_DATABASES") == "postgresql"


def new_database(template: str = "template0") -> str:
    """The URL of a new database: an empty one, or a copy of the template."""
    name = f"etma_test_{secrets.token_hex(6)}"
    order = "LOCALE_PROVIDER icu ICU_LOCALE 'en-GB'" if template == "template0" else ""
    with _server(address("postgresql")).connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template} {order}")
    url = sa.make_url(address("postgresql")).set(database=name)
    _made.append(url)
    return url.render_as_string(hide_password=False)


def new_copy(of: str, fill: Callable[[str], None]) -> str:
    """The URL of a new database as `fill` makes one, given an empty one's URL; it is filled once a process."""
    return new_database(_filled((address("postgresql"), of), fill))


def _filled(place: tuple[str, str], fill: Callable[[str], None]) -> str:
    if place not in _templates:
        url = new_database()
        fill(url)
        _templates[place] = str(sa.make_url(url).database)
    return _templates[place]


@cache
def _server(url: str) -> sa.Engine:
    atexit.register(drop_all)  # for programs that tests start
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)


def forget(server: str) -> None:
    """A server that will not come back, by its address, has taken its databases with it."""
    port = sa.make_url(server).port
    _made[:] = [url for url in _made if url.port != port]


def drop_all() -> None:
    """Drop what was made in this process."""
    while _made:
        url = _made.pop()
        server = url.set(database="postgres").render_as_string(hide_password=False)
        with _server(server).connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {url.database} WITH (FORCE)")
