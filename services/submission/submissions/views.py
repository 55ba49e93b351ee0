"""What a student sees of own work, and what anybody needs to check a receipt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from services.submission.submissions.store import version_table
from shared.errors import NotFound
from shared.web.scopes import covers


class SubmissionViews:
    """Queries on a caller's connection."""

    def version(self, connection: sa.Connection, submission_id: str, person_ref: str) -> Any:  # noqa: ANN401 - a row
        """A version that is this person's work, or that they handed in; raises `NotFound` for another's."""
        own = sa.or_(version_table.c.person_ref == person_ref, version_table.c.submitted_by == person_ref)
        return self._version(connection, submission_id, own)

    def version_within(self, connection: sa.Connection, submission_id: str, scopes: Sequence[str]) -> Any:  # noqa: ANN401
        """A version that one of the scopes reaches; raises `NotFound` for another."""
        row = self._version(connection, submission_id, sa.true())
        if not covers(scopes, presentation_id=row.presentation_id, person_ref=row.person_ref):
            raise _no_submission()
        return row

    def versions_within(self, connection: sa.Connection, person_ref: str, scopes: Sequence[str]) -> Sequence[Any]:
        """The versions of this student's work that one of the scopes reaches, the latest first."""
        return [
            row
            for row in self.versions_of(connection, person_ref)
            if covers(scopes, presentation_id=row.presentation_id, person_ref=person_ref)
        ]

    def _version(self, connection: sa.Connection, submission_id: str, chosen: sa.ColumnElement[bool]) -> Any:  # noqa: ANN401
        query = sa.select(version_table).where(version_table.c.submission_id == submission_id, chosen)
        row = connection.execute(query).one_or_none()
        if row is None:
            raise _no_submission()
        return row

    def versions_of(self, connection: sa.Connection, person_ref: str) -> Sequence[Any]:
        """All versions of the student's work, the latest first."""
        query = sa.select(version_table).where(version_table.c.person_ref == person_ref)
        return connection.execute(query.order_by(version_table.c.position.desc())).all()

    def versions_of_work(self, connection: sa.Connection, work_id: str) -> Sequence[Any]:
        """All versions of a piece of work, the latest first; whose it is, the caller knows."""
        query = sa.select(version_table).where(version_table.c.work_id == work_id)
        return connection.execute(query.order_by(version_table.c.version.desc())).all()

    def known_objects(self, connection: sa.Connection, object_keys: Sequence[str]) -> set[tuple[str, str]]:
        """The objects of these keys that a version has, as key and version."""
        query = sa.select(version_table.c.object_key, version_table.c.object_version)
        rows = connection.execute(query.where(version_table.c.object_key.in_(object_keys)))
        return {(row.object_key, row.object_version) for row in rows}

    def receipt(self, connection: sa.Connection, receipt_id: str) -> str | None:
        """The text of the receipt with this id, as it was given."""
        query = sa.select(version_table.c.receipt).where(version_table.c.receipt_id == receipt_id)
        text: str | None = connection.execute(query).scalar()
        return text


def _no_submission() -> NotFound:
    return NotFound("There is no such submission among yours.")
