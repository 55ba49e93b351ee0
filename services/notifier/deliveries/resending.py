"""The use case of operations staff: what failed goes out again."""

from __future__ import annotations

import structlog

from services.notifier.deliveries.domain import DeliveryState, flaw_of
from services.notifier.deliveries.handlers import Stores
from services.notifier.deliveries.reasons import words_of_reason
from shared.database import Context, Database
from shared.errors import Conflict, NotFound

_log = structlog.get_logger(__name__)


class NotFailed(Conflict):
    """It is under way, was sent, or is under Messages alone: sending it again would tell somebody twice."""

    code = "delivery_not_failed"
    title = "This message did not fail, so it is not sent again"


class CannotBeSent(Conflict):
    """It would fail again for the same reason."""

    code = "delivery_cannot_be_sent"
    title = "This message cannot be sent again"


class DeliveryDesk:
    """Has failed deliveries sent again, once for each failure."""

    def __init__(self, database: Database, stores: Stores) -> None:
        self.database = database
        self.stores = stores

    def send_again(self, delivery_id: str, *, actor: str, correlation_id: str = "") -> DeliveryState:
        """Queue a failed delivery under the same Message-ID, and note who asked for it; returns its state.

        One that somebody has had sent again and that has not failed since stays as it is, so that who presses twice
        sends once. Raises `NotFound`, `NotFailed` and `CannotBeSent`, which says why.
        """
        with self.database.transaction(Context(actor=actor, correlation_id=correlation_id)) as tx:
            tx.lock(delivery_id)
            held = self.stores.deliveries.held(delivery_id, tx)
            if held is None:
                detail = "There is no such delivery."
                raise NotFound(detail)
            if held.state is not DeliveryState.FAILED:
                if self.stores.deliveries.was_resent(delivery_id, tx):
                    return held.state
                raise NotFailed
            told = self.stores.obligations.purposes_of(delivery_id, tx)
            contact = self.stores.directory.contacts([held.person_ref], tx.connection).get(held.person_ref)
            flaw = flaw_of(contact, tells=bool(told))
            if flaw:
                raise CannotBeSent(words_of_reason(flaw))
            self.stores.deliveries.queue_again(held, actor, tx)
        _log.info("delivery.resent", delivery_id=delivery_id, actor=actor, correlation_id=correlation_id)
        return DeliveryState.QUEUED
