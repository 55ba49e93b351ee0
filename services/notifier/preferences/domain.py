"""The ways of being told that a person can choose, the course of a piece of news, and when a daily digest is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from services.notifier.obligations.domain import RULES, Patience, Purpose
from shared.clock import LONDON


class Way(StrEnum):
    """How somebody is told; who has never chosen is told at once."""

    AT_ONCE = "at_once"
    DAILY = "daily"
    """One mail a day with all that may wait."""
    INBOX_ONLY = "inbox_only"
    """Under Messages, and by mail only what cannot wait."""


class Course(StrEnum):
    """What becomes of one obligation."""

    ALONE = "alone"
    """A mail of its own, now."""
    GATHERED = "gathered"
    """In a mail with others of a short while."""
    DAILY = "daily"
    """In the mail of the next morning."""
    INBOX = "inbox"
    """No mail."""


@dataclass(frozen=True, kw_only=True)
class Preference:
    """What a person chose; `chosen_at` is None for who never did."""

    way: Way = Way.AT_ONCE
    chosen_at: datetime | None = None


def course_of(purpose: Purpose, way: Way) -> Course:
    """What becomes of word of this to somebody who is told in this way: what cannot wait goes now, whatever it is."""
    rule = RULES[purpose]
    if not rule.may_wait:
        return Course.ALONE
    if way is Way.AT_ONCE:
        return Course.GATHERED if rule.patience is Patience.GATHERED else Course.ALONE
    return Course.DAILY if way is Way.DAILY else Course.INBOX


def next_digest(moment: datetime, *, hour: int) -> datetime:
    """The first moment after `moment` at which it is this full hour in UK local time.

    There is one each local day: an hour that is skipped in spring comes an hour later, and of one that comes twice in
    autumn it is the first.
    """
    day = moment.astimezone(LONDON).date()
    moments = (_at(hour, day + timedelta(days=later)) for later in range(3))
    return next(each for each in moments if each > moment)


def _at(hour: int, day: date) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=LONDON).astimezone(UTC)


def told_at_once(audience: str) -> Sequence[Purpose]:
    """What such people are mailed at once whatever they choose: receipts first, which who hands in for others gets."""
    urgent = [purpose for purpose, rule in RULES.items() if audience in rule.audience and not rule.may_wait]
    return list(dict.fromkeys([Purpose.RECEIPT, *urgent]))
