"""Read-only questions to the catalogue."""

from __future__ import annotations

import sqlalchemy as sa

from services.submission.catalogue.domain import Assignment
from services.submission.catalogue.store import assignment_table, enrolment_table, group_table
from shared.contracts import AssignmentKind, EnrolmentStatus, LatePolicy, SubmissionCategory


class CatalogueViews:
    """Queries on a caller's connection."""

    def assignment(self, connection: sa.Connection, assignment_id: str) -> Assignment | None:
        query = sa.select(assignment_table).where(assignment_table.c.assignment_id == assignment_id)
        row = connection.execute(query).mappings().one_or_none()
        return _assignment(row) if row else None

    def is_enrolled(self, connection: sa.Connection, presentation_id: str, person_ref: str) -> bool:
        """Whether the person is an active student of the presentation."""
        query = sa.select(enrolment_table.c.status).where(
            enrolment_table.c.person_ref == person_ref, enrolment_table.c.presentation_id == presentation_id
        )
        return connection.execute(query).scalar() == EnrolmentStatus.ACTIVE

    def assignments_of(self, connection: sa.Connection, person_ref: str) -> list[Assignment]:
        """What the person may hand in, by cut-off."""
        query = (
            sa.select(assignment_table)
            .join(enrolment_table, enrolment_table.c.presentation_id == assignment_table.c.presentation_id)
            .where(enrolment_table.c.person_ref == person_ref, enrolment_table.c.status == str(EnrolmentStatus.ACTIVE))
            .order_by(assignment_table.c.cut_off_at, assignment_table.c.assignment_id)
        )
        return [_assignment(row) for row in connection.execute(query).mappings()]

    def tutor_of(self, connection: sa.Connection, presentation_id: str, person_ref: str) -> str | None:
        """Who has the student's group; of several groups the one that was recorded last. None while nobody has."""
        columns = group_table.c
        query = sa.select(columns.tutor_ref, columns.member_refs).where(columns.presentation_id == presentation_id)
        for group in connection.execute(query.order_by(columns.revision.desc())):
            if person_ref in group.member_refs:
                tutor_ref: str | None = group.tutor_ref
                return tutor_ref
        return None

    def is_empty(self, connection: sa.Connection) -> bool:
        """Whether no catalogue was ever loaded."""
        return connection.execute(sa.select(assignment_table.c.assignment_id).limit(1)).first() is None


def _assignment(row: sa.RowMapping) -> Assignment:
    return Assignment(
        **{
            **row,
            "kind": AssignmentKind(row["kind"]),
            "late_policy": LatePolicy(row["late_policy"]),
            "category": SubmissionCategory(row["category"]),
            "allowed_types": tuple(row["allowed_types"]),
        }
    )
