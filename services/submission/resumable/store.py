"""Uploads and their pieces: the row is the truth about how far an upload is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from services.submission.resumable.domain import OPEN, Piece, State, Upload, checked_next
from services.submission.tables import metadata
from shared.columns import UtcDateTime
from shared.contracts import Channel
from shared.database import Transaction, insertion

_STATES = ",".join(f"'{state}'" for state in State)

upload_table = sa.Table(
    "upload",
    metadata,
    sa.Column("upload_id", sa.Text, primary_key=True),
    sa.Column("work_id", sa.Text, nullable=False, index=True),
    sa.Column("assignment_id", sa.Text, nullable=False),
    sa.Column("presentation_id", sa.Text, nullable=False),
    sa.Column("person_ref", sa.Text, nullable=False),
    sa.Column("submitted_by", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("idempotency_key", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.Text, nullable=False),
    sa.Column("metadata", sa.Text, nullable=False),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("length", sa.BigInteger, sa.CheckConstraint("length > 0"), nullable=False),
    sa.Column("offset", sa.BigInteger, sa.CheckConstraint('"offset" BETWEEN 0 AND length'), nullable=False),
    sa.Column("state", sa.Text, sa.CheckConstraint(f"state IN ({_STATES})"), nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("holder", sa.Text),
    sa.Column("lease_until", UtcDateTime),
    sa.Column("arrived_at", UtcDateTime),
    sa.Column("confirm_by", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("sha256", sa.Text),
    sa.Column("media_type", sa.Text),
    sa.Column("object_key", sa.Text, index=True),
    sa.Column("object_version", sa.Text),
    sa.Column("submission_id", sa.Text),
    sa.Column("refusal_reason", sa.Text),
    sa.Column("refusal_detail", sa.Text),
    sa.CheckConstraint(
        "state NOT IN ('checking','ready','confirmed','lapsed') OR (\"offset\" = length AND arrived_at IS NOT NULL)",
        name="upload_is_whole",
    ),
    sa.CheckConstraint("state <> 'ready' OR object_key IS NOT NULL", name="upload_has_bytes"),
    sa.Index("ix_upload_state", "state"),
)

piece_table = sa.Table(
    "upload_piece",
    metadata,
    sa.Column("upload_id", sa.Text, primary_key=True),
    sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("size_bytes", sa.BigInteger, sa.CheckConstraint("size_bytes > 0"), nullable=False),
    sa.Column("object_key", sa.Text, nullable=False),
    sa.Column("object_version", sa.Text, nullable=False),
)

_u, _p = upload_table.c, piece_table.c
Place = tuple[str, str]


class UploadStore:
    """Writes inside the caller's transaction, which has locked the work; reads on a connection."""

    def add(self, upload: Upload, tx: Transaction) -> None:
        row = {column.name: getattr(upload, column.name) for column in upload_table.c}
        tx.connection.execute(
            sa.insert(upload_table), row | {"state": str(upload.state), "channel": str(upload.channel)}
        )

    def find(self, upload_id: str, connection: sa.Connection) -> Upload | None:
        row = connection.execute(sa.select(upload_table).where(_u.upload_id == upload_id)).mappings().one_or_none()
        return _upload(row) if row else None

    def change(self, upload_id: str, tx: Transaction, **values: object) -> None:
        """Set these columns."""
        tx.connection.execute(sa.update(upload_table).where(_u.upload_id == upload_id).values(values))

    def move(self, upload: Upload, state: State, tx: Transaction, **values: object) -> None:
        """Into another state; `upload` is as the caller found it under its lock. Its end is noted with the moment."""
        ended = {} if state in OPEN else {"ended_at": tx.now}
        self.change(upload.upload_id, tx, state=checked_next(upload.state, state), **ended, **values)

    def count_open(self, work_id: str, tx: Transaction) -> int:
        """How many uploads of this work are not at their end."""
        query = sa.select(sa.func.count()).where(_u.work_id == work_id, _u.state.in_(OPEN))
        return tx.connection.execute(query).scalar() or 0

    def open_of(self, work_id: str, connection: sa.Connection) -> Sequence[Upload]:
        """The uploads of this work that are not at their end, the oldest first."""
        query = sa.select(upload_table).where(_u.work_id == work_id, _u.state.in_(OPEN)).order_by(_u.started_at)
        return [_upload(row) for row in connection.execute(query).mappings()]

    def works_with_open(self, work_ids: Sequence[str], connection: sa.Connection) -> set[str]:
        """Those of these works that have an upload which is not at its end."""
        query = sa.select(_u.work_id).where(_u.work_id.in_(work_ids), _u.state.in_(OPEN)).distinct()
        return set(connection.scalars(query))

    def add_pieces(self, pieces: Sequence[Piece], tx: Transaction) -> None:
        rows: list[Mapping[str, object]] = [
            {column.name: getattr(piece, column.name) for column in piece_table.c} for piece in pieces
        ]
        tx.write(insertion(piece_table), rows)

    def pieces_of(self, upload_id: str, connection: sa.Connection) -> Sequence[Piece]:
        """In the order of the file."""
        query = sa.select(piece_table).where(_p.upload_id == upload_id).order_by(_p.offset)
        return [Piece(**row) for row in connection.execute(query).mappings()]

    def forget_pieces(self, upload_id: str, tx: Transaction) -> None:
        tx.connection.execute(sa.delete(piece_table).where(_p.upload_id == upload_id))

    def known_pieces(self, object_keys: Sequence[str], connection: sa.Connection) -> set[Place]:
        """Which objects of these keys belong to an upload."""
        query = sa.select(_p.object_key, _p.object_version).where(_p.object_key.in_(object_keys))
        return {(row.object_key, row.object_version) for row in connection.execute(query)}

    def known_objects(self, object_keys: Sequence[str], connection: sa.Connection) -> set[Place]:
        """Which final objects of these keys belong to an upload that is not handed in."""
        query = sa.select(_u.object_key, _u.object_version).where(_u.object_key.in_(object_keys))
        return {(row.object_key, row.object_version) for row in connection.execute(query)}

    def unchecked(self, now: datetime, connection: sa.Connection, *, limit: int) -> Sequence[Upload]:
        """Whole uploads at which nobody is."""
        free = sa.or_(_u.lease_until.is_(None), _u.lease_until <= now)
        query = sa.select(upload_table).where(_u.state == State.CHECKING, free).order_by(_u.arrived_at).limit(limit)
        return [_upload(row) for row in connection.execute(query).mappings()]

    def is_checking(self, connection: sa.Connection) -> bool:
        """Whether any upload waits to be checked."""
        query = sa.select(_u.upload_id).where(_u.state == State.CHECKING).limit(1)
        return connection.execute(query).first() is not None

    def expired(self, now: datetime, connection: sa.Connection, *, limit: int) -> Sequence[Upload]:
        """Uploads whose next byte did not come in time."""
        query = sa.select(upload_table).where(_u.state == State.RECEIVING, _u.expires_at <= now).limit(limit)
        return [_upload(row) for row in connection.execute(query).mappings()]

    def of_ids(self, upload_ids: Sequence[str], tx: Transaction) -> Sequence[Upload]:
        query = sa.select(upload_table).where(_u.upload_id.in_(upload_ids)).order_by(_u.upload_id)
        return [_upload(row) for row in tx.connection.execute(query).mappings()]

    def discarded(self, connection: sa.Connection, *, limit: int) -> Sequence[Upload]:
        """Uploads at their end that still have a final object, which is nobody's."""
        query = sa.select(upload_table).where(_u.object_key.is_not(None), _u.state.not_in(OPEN)).limit(limit)
        return [_upload(row) for row in connection.execute(query).mappings()]

    def forget_ended(self, before: datetime, tx: Transaction, *, limit: int) -> int:
        """Delete the rows of uploads that ended before this; returns how many."""
        old = sa.select(_u.upload_id).where(_u.ended_at < before, _u.object_key.is_(None)).limit(limit)
        return tx.connection.execute(sa.delete(upload_table).where(_u.upload_id.in_(old))).rowcount

    def free_all(self, tx: Transaction) -> None:
        """Take all leases away: for a start at which nobody else is there."""
        held = sa.update(upload_table).where(_u.holder.is_not(None))
        tx.connection.execute(held.values(holder=None, lease_until=None))


def _upload(row: sa.RowMapping) -> Upload:
    return Upload(**{**row, "state": State(row["state"]), "channel": Channel(row["channel"])})
