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

_made: list[str] = []
_templates: dict[str, str] = {}


def are_wanted() -> bool:
    """Whether the tests' databases are to be PostgreSQL's: `ETMA_TEST_DATABASES=postgresql`."""
    return os.environ.get("ETMA_TEST_DATABASES") == "postgresql"


def new_database(template: str = "template0") -> str:
    """The URL of a new database: an empty one, or a copy of the template."""
    name = f"etma_test_{secrets.token_hex(6)}"
    order = "LOCALE_PROVIDER icu ICU_LOCALE 'en-GB'" if template == "template0" else ""
    with _server().connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template} {order}")
    _made.append(name)
    return _url(name)


def new_copy(of: str, fill: Callable[[str], None]) -> str:
    """The URL of a new database as `fill` makes one, given an empty one's URL; it is filled once a process."""
    return new_database(_filled(of, fill))


def _filled(of: str, fill: Callable[[str], None]) -> str:
    if of not in _templates:
        url = new_database()
        fill(url)
        _templates[of] = str(sa.make_url(url).database)
    return _templates[of]


def _url(name: str) -> str:
    return sa.make_url(address("postgresql")).set(database=name).render_as_string(hide_password=False)


@cache
def _server() -> sa.Engine:
    atexit.register(drop_all)  # for programs that tests start
    return sa.create_engine(address("postgresql"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)


def drop_all() -> None:
    """Drop what was made in this process."""
    while _made:
        with _server().connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {_made.pop()} WITH (FORCE)")
