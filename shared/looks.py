"""Who of the staff looked at whose personal data, and when: kept, so that it can be asked about later."""

from __future__ import annotations

import sqlalchemy as sa

from shared.database import Transaction, insertion
from shared.messaging.tables import look


def record_look(tx: Transaction, *, person_ref: str, what: str) -> None:
    """Note that who acts looks at `what` of this person: a word such as `submissions`."""
    row = {"looked_at": tx.now, "actor": tx.context.actor, "person_ref": person_ref, "what": what}
    tx.write(insertion(look), [row])


def looks_at(connection: sa.Connection, person_ref: str) -> list[dict[str, object]]:
    """Who looked at what of this person, the latest first."""
    query = sa.select(look.c.looked_at, look.c.actor, look.c.what).where(look.c.person_ref == person_ref)
    return [dict(row) for row in connection.execute(query.order_by(look.c.position.desc())).mappings()]
