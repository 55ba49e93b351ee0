"""Topic `etma.notification.v1`: how telling people went."""

from __future__ import annotations

from shared.contracts.base import Fact, Moment, Topic

NOTIFICATION = Topic(name="etma.notification.v1", producer="notifier")


class DeliverySent(Fact):
    """A message left; `purposes` names what it told, `work_ids` what about (empty where none)."""

    topic = NOTIFICATION
    key_field = "delivery_id"

    delivery_id: str
    person_ref: str
    purposes: tuple[str, ...]
    work_ids: tuple[str, ...]
    sent_at: Moment


class DeliveryFailed(Fact):
    """A message could not be delivered and will not be tried again by itself; `reason` is a code, never free text."""

    topic = NOTIFICATION
    key_field = "delivery_id"

    delivery_id: str
    person_ref: str
    purposes: tuple[str, ...]
    work_ids: tuple[str, ...]
    reason: str
    failed_at: Moment
