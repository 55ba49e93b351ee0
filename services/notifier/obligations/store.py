"""Rows of obligations. One of an event, person and purpose: the database itself refuses a second."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID, uuid5

import sqlalchemy as sa

from services.notifier.obligations.domain import Duty, Obligation, ObligationState, Purpose, WaitsFor
from services.notifier.tables import metadata
from shared.database import Transaction, UtcDateTime, upsert

_NAMESPACE = UUID("0f6c1d0e-6a0b-5e59-9a43-3c7b2f6f1d11")

obligations = sa.Table(
    "obligation",
    metadata,
    sa.Column("obligation_id", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("event_type", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.Text, nullable=False),
    sa.Column("person_ref", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("work_id", sa.Text, nullable=False),
    sa.Column("assignment_id", sa.Text, nullable=False),
    sa.Column("submission_id", sa.Text),
    sa.Column("parameters", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("waits_for", sa.Text),
    sa.Column("delivery_id", sa.Text, sa.ForeignKey("delivery.delivery_id")),
    sa.UniqueConstraint("event_id", "person_ref", "purpose", name="uq_obligation_event_person_purpose"),
    sa.CheckConstraint("(state = 'held') = (waits_for IS NOT NULL)", name="ck_obligation_held_waits"),
    sa.CheckConstraint("(state = 'assigned') = (delivery_id IS NOT NULL)", name="ck_obligation_assigned_delivery"),
)
sa.Index("ix_obligation_inbox", obligations.c.person_ref, obligations.c.created_at, obligations.c.obligation_id)
sa.Index("ix_obligation_delivery_id", obligations.c.delivery_id)
is_open = obligations.c.delivery_id.is_(None)
sa.Index("ix_obligation_open", obligations.c.person_ref, sqlite_where=is_open, postgresql_where=is_open)


def obligation_id_of(event_id: str, person_ref: str, purpose: Purpose) -> str:
    """Return the id of this obligation: always the same for the same event, person and purpose."""
    return str(uuid5(_NAMESPACE, f"{event_id}\n{person_ref}\n{purpose}"))


class ObligationStore:
    """Keeps obligations. Every call takes a whole run in one statement."""

    def of_events(self, event_ids: Collection[str], tx: Transaction) -> set[str]:
        """Return the ids of all obligations that there are already because of these events."""
        return set(
            tx.connection.scalars(sa.select(obligations.c.obligation_id).where(obligations.c.event_id.in_(event_ids)))
        )

    def save_all(self, owed: Sequence[Obligation], tx: Transaction) -> None:
        """Write new obligations, or the new state of those that there are."""
        changes = ("state", "waits_for", "delivery_id")
        tx.write(upsert(obligations, key=["obligation_id"], update=changes), [_row(o) for o in owed])

    def held_for(self, person_refs: Collection[str], tx: Transaction) -> list[Obligation]:
        """Return what waits for these persons to become known."""
        return self._open(person_refs, ObligationState.HELD, tx)

    def pending_for(self, person_refs: Collection[str], tx: Transaction) -> list[Obligation]:
        """Return what waits for the digests of these persons, oldest first."""
        return self._open(person_refs, ObligationState.PENDING, tx)

    def with_pending(self, person_refs: Collection[str], tx: Transaction) -> set[str]:
        """Return those of the persons for whom a digest is pending already."""
        wanted = sa.select(obligations.c.person_ref).distinct().where(is_open, obligations.c.state == "pending")
        return set(tx.connection.scalars(wanted.where(obligations.c.person_ref.in_(person_refs))))

    def of_deliveries(self, delivery_ids: Collection[str], connection: sa.Connection) -> dict[str, list[Obligation]]:
        """Return what each delivery tells, oldest first."""
        wanted = sa.select(obligations).where(obligations.c.delivery_id.in_(delivery_ids)).order_by(*_AGE)
        told: dict[str, list[Obligation]] = {}
        for row in connection.execute(wanted).mappings():
            told.setdefault(row["delivery_id"], []).append(obligation_of(row))
        return told

    def purposes_of(self, delivery_id: str, tx: Transaction) -> set[str]:
        """Return what a delivery tells, also what no purpose is called by."""
        wanted = sa.select(obligations.c.purpose).distinct().where(obligations.c.delivery_id == delivery_id)
        return set(tx.connection.scalars(wanted))

    def _open(self, person_refs: Collection[str], state: ObligationState, tx: Transaction) -> list[Obligation]:
        wanted = sa.select(obligations).where(
            is_open, obligations.c.state == state.value, obligations.c.person_ref.in_(person_refs)
        )
        return [obligation_of(row) for row in tx.connection.execute(wanted.order_by(*_AGE)).mappings()]


_AGE = (obligations.c.created_at, obligations.c.obligation_id)


def obligation_of(row: sa.RowMapping) -> Obligation:
    """Read an obligation from a row of the whole table."""
    return Obligation(
        obligation_id=row["obligation_id"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        correlation_id=row["correlation_id"],
        duty=Duty(
            person_ref=row["person_ref"],
            purpose=Purpose(row["purpose"]),
            work_id=row["work_id"],
            assignment_id=row["assignment_id"],
            submission_id=row["submission_id"],
            parameters=row["parameters"],
        ),
        created_at=row["created_at"],
        state=ObligationState(row["state"]),
        waits_for=WaitsFor(row["waits_for"]) if row["waits_for"] else None,
        delivery_id=row["delivery_id"],
    )


def _row(obligation: Obligation) -> dict[str, object]:
    duty = obligation.duty
    return {
        "obligation_id": obligation.obligation_id,
        "event_id": obligation.event_id,
        "event_type": obligation.event_type,
        "correlation_id": obligation.correlation_id,
        "person_ref": duty.person_ref,
        "purpose": duty.purpose.value,
        "work_id": duty.work_id,
        "assignment_id": duty.assignment_id,
        "submission_id": duty.submission_id,
        "parameters": dict(duty.parameters),
        "created_at": obligation.created_at,
        "state": obligation.state.value,
        "waits_for": obligation.waits_for.value if obligation.waits_for else None,
        "delivery_id": obligation.delivery_id,
    }
