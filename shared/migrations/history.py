"""The history of an owner's tables: numbered revisions in a folder, and in the database the number it is at.

Nothing here needs Alembic: a process that finds its database at the newest revision starts without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from shared.errors import Conflict


class DatabaseIsNewer(Conflict):
    """A newer version of the code has changed the tables; this one could misread or harm them."""

    code = "database_is_newer"
    title = "This data was used by a newer version of etma"


@dataclass(frozen=True)
class History:
    """The revisions in the folder `versions`, one file each: `0001_words.py`, `0002_words.py`, in this order.

    `version_table` holds the number that a database is at. Histories that share a database have one each.
    """

    versions: Path
    version_table: str = "alembic_version"

    @property
    def revisions(self) -> Sequence[str]:
        """All numbers, the oldest first."""
        return sorted(path.name.partition("_")[0] for path in self.versions.glob("[0-9]*_*.py"))

    def is_at_head(self, connection: sa.Connection) -> bool:
        """Whether the database needs nothing; raises `DatabaseIsNewer` when its number is none of this code's."""
        at, known = self._number(connection), self.revisions
        if at is not None and at not in known:
            detail = (
                f"{connection.engine.url} is at revision {at} ({self.version_table}); this version of etma knows none "
                f"after {known[-1]}. Nothing was changed. Start the newer version again, or go back to a backup that "
                "was made before it ran."
            )
            raise DatabaseIsNewer(detail)
        return at == known[-1]

    def _number(self, connection: sa.Connection) -> str | None:
        if not sa.inspect(connection).has_table(self.version_table):
            return None
        number = sa.column("version_num", sa.Text)
        return connection.execute(sa.select(number).select_from(sa.table(self.version_table))).scalar_one_or_none()
