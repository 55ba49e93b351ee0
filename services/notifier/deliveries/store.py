"""Rows of deliveries, and the claim by which one sender at a time has one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from uuid import UUID, uuid5

import sqlalchemy as sa

from services.notifier.deliveries.domain import Batch, Delivery, DeliveryState, SuppressReason, Verdict
from services.notifier.tables import metadata
from shared.database import Database, Transaction, UtcDateTime, insertion

_NAMESPACE = UUID("8d2d2c0a-95c4-5c0b-8f7e-5a3c1f9e7b22")

deliveries = sa.Table(
    "delivery",
    metadata,
    sa.Column("delivery_id", sa.Text, primary_key=True),
    sa.Column("person_ref", sa.Text, nullable=False),
    sa.Column("message_id", sa.Text, nullable=False, unique=True),
    sa.Column("correlation_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("uncertain_attempts", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("next_try_at", UtcDateTime, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("claimed_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    sa.CheckConstraint("(state = 'sending') = (owner IS NOT NULL)", name="ck_delivery_sending_owner"),
)
_UNFINISHED = ("queued", "sending", "uncertain")
_in_the_index = deliveries.c.state.in_(_UNFINISHED)
sa.Index(
    "ix_delivery_unfinished",
    deliveries.c.state,
    deliveries.c.next_try_at,
    sqlite_where=_in_the_index,
    postgresql_where=_in_the_index,
)
is_unfinished = deliveries.c.state.in_(sa.bindparam("unfinished", _UNFINISHED, expanding=True, literal_execute=True))
"""A database uses a partial index only where a query has its very condition, in words and not as parameters."""

is_failed = deliveries.c.state == sa.bindparam("failed", "failed", literal_execute=True)
"""In the words of the index, as above."""
sa.Index(
    "ix_delivery_failed",
    deliveries.c.created_at,
    deliveries.c.delivery_id,
    sqlite_where=deliveries.c.state == "failed",
    postgresql_where=deliveries.c.state == "failed",
)

resendings = sa.Table(
    "resending",
    metadata,
    sa.Column("delivery_id", sa.Text, sa.ForeignKey("delivery.delivery_id"), primary_key=True),
    sa.Column("resent_at", UtcDateTime, primary_key=True),
    sa.Column("resent_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
"""Who had a failed delivery sent again, and why it had failed."""

_WAITING = ("queued", "uncertain")


def has_unfinished(database: Database) -> bool:
    """Whether any message is still to go out; one look at an index, however many there were."""
    with database.reading() as connection:
        return bool(connection.scalar(sa.select(sa.exists().where(is_unfinished))))


def delivery_id_of(batch: Batch) -> str:
    """Return the id of the one delivery that tells these: an obligation is only ever in one."""
    return str(uuid5(_NAMESPACE, min(obligation.obligation_id for obligation in batch.obligations)))


class DeliveryStore:
    """Keeps deliveries. Every call takes a whole run in a constant number of statements."""

    def add_all(self, made: Sequence[Delivery], tx: Transaction) -> None:
        tx.write(insertion(deliveries), [_row(delivery) for delivery in made])

    def claim(self, owner: str, *, limit: int, tx: Transaction) -> list[Delivery]:
        """Take the oldest that are due for this owner, and count the attempt."""
        due = deliveries.c.state.in_(_WAITING) & (deliveries.c.next_try_at <= tx.now)
        return self._take(due, owner, limit=limit, tx=tx)

    def reclaim(self, owner: str, *, older_than: timedelta, limit: int, tx: Transaction) -> list[Delivery]:
        """Take over what another owner has had in hand for so long: it has probably died.

        What this owner has in hand itself was left there by a step that failed, because steps follow one another.
        """
        left = (deliveries.c.owner == owner) | (deliveries.c.claimed_at <= tx.now - older_than)
        abandoned = (deliveries.c.state == DeliveryState.SENDING.value) & left
        return self._take(abandoned, owner, limit=limit, tx=tx)

    def still_of(self, owner: str, delivery_ids: Collection[str], tx: Transaction) -> set[str]:
        """Return those of the deliveries that this owner still has in hand."""
        mine = sa.select(deliveries.c.delivery_id).where(
            deliveries.c.delivery_id.in_(delivery_ids),
            deliveries.c.state == DeliveryState.SENDING.value,
            deliveries.c.owner == owner,
        )
        return set(tx.connection.scalars(mine.with_for_update()))

    def put_down(self, verdicts: Mapping[str, Verdict], tx: Transaction) -> None:
        """Write what became of each delivery, and let go of it. In a replay the clock stands, so nothing waits."""
        change = (
            deliveries.update()
            .where(deliveries.c.delivery_id == sa.bindparam("which"))
            .values({name: sa.bindparam(name) for name in ("state", "reason", "uncertain_attempts", "next_try_at")})
            .values(owner=None, claimed_at=None, finished_at=sa.bindparam("finished_at"))
        )
        rows = [
            {
                "which": delivery_id,
                "state": verdict.state.value,
                "reason": verdict.reason,
                "uncertain_attempts": verdict.uncertain_attempts,
                "next_try_at": tx.now if tx.simulated else tx.now + verdict.wait,
                "finished_at": tx.now if verdict.state in _FINAL else None,
            }
            for delivery_id, verdict in verdicts.items()
        ]
        if rows:
            tx.connection.execute(change, rows)

    def suppress(self, person_refs: Collection[str], tx: Transaction) -> None:
        """Mail nothing more to these persons, who have no address any more; what a sender has in hand stays there."""
        waiting = deliveries.c.person_ref.in_(person_refs) & deliveries.c.state.in_(_WAITING)
        ended = {"state": DeliveryState.SUPPRESSED.value, "reason": SuppressReason.NO_ADDRESS.value}
        tx.connection.execute(deliveries.update().where(is_unfinished, waiting).values(**ended, finished_at=tx.now))

    def held(self, delivery_id: str, tx: Transaction) -> Delivery | None:
        """Return the delivery, which nobody else changes before this transaction ends; None when there is none."""
        wanted = sa.select(deliveries).where(deliveries.c.delivery_id == delivery_id).with_for_update()
        row = tx.connection.execute(wanted).mappings().one_or_none()
        return None if row is None else _delivery_of(row)

    def was_resent(self, delivery_id: str, tx: Transaction) -> bool:
        """Return whether somebody has had it sent again."""
        return bool(tx.connection.scalar(sa.select(sa.exists().where(resendings.c.delivery_id == delivery_id))))

    def queue_again(self, failed: Delivery, actor: str, tx: Transaction) -> None:
        """Have a failed one go out again, under the same Message-ID, and note by whom."""
        note = {"delivery_id": failed.delivery_id, "resent_at": tx.now, "resent_by": actor, "reason": failed.reason}
        tx.write(insertion(resendings), [note])
        anew = {"state": DeliveryState.QUEUED.value, "reason": "", "uncertain_attempts": 0}
        change = deliveries.update().where(deliveries.c.delivery_id == failed.delivery_id)
        tx.connection.execute(change.values(**anew, next_try_at=tx.now, finished_at=None))

    def _take(self, which: sa.ColumnElement[bool], owner: str, *, limit: int, tx: Transaction) -> list[Delivery]:
        oldest = (
            sa.select(deliveries.c.delivery_id)
            .where(is_unfinished, which)
            .order_by(deliveries.c.next_try_at)
            .limit(limit)
        )
        chosen = list(tx.connection.scalars(oldest.with_for_update(skip_locked=True)))
        if not chosen:
            return []
        these = deliveries.c.delivery_id.in_(chosen)
        taken = {"state": DeliveryState.SENDING.value, "owner": owner, "claimed_at": tx.now}
        tx.connection.execute(deliveries.update().where(these).values(taken | {"attempts": deliveries.c.attempts + 1}))
        rows = tx.connection.execute(sa.select(deliveries).where(these).order_by(deliveries.c.created_at)).mappings()
        return [_delivery_of(row) for row in rows]


_FINAL = frozenset({DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.SUPPRESSED})


def _delivery_of(row: sa.RowMapping) -> Delivery:
    fields = {name: row[name] for name in Delivery.__dataclass_fields__}
    return Delivery(**fields | {"state": DeliveryState(row["state"])})


def _row(delivery: Delivery) -> dict[str, object]:
    fields: dict[str, object] = {name: getattr(delivery, name) for name in Delivery.__dataclass_fields__}
    return fields | {"state": delivery.state.value}
