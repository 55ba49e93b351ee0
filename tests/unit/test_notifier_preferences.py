"""What may wait, what becomes of it by what was chosen, and when a daily digest is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.obligations.domain import RULES, Purpose
from services.notifier.obligations.wording import KINDS
from services.notifier.preferences.domain import Course, Way, course_of, next_digest, told_at_once
from services.operations.reconciliation.domain.told import MAY_WAIT
from shared.clock import LONDON

MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


def test_each_purpose_has_a_rule_with_a_reason_and_words() -> None:
    assert set(RULES) == set(KINDS) == set(Purpose)
    assert all(rule.because for rule in RULES.values())


def test_the_audit_knows_by_itself_what_may_wait() -> None:
    assert {purpose.value for purpose, rule in RULES.items() if rule.may_wait} == MAY_WAIT


@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("purpose", [Purpose.RECEIPT, Purpose.REFUSED, Purpose.MALWARE_FOUND, Purpose.DO_NOT_OPEN])
def test_what_cannot_wait_goes_at_once_whatever_was_chosen(purpose: Purpose, way: Way) -> None:
    assert course_of(purpose, way) is Course.ALONE


@pytest.mark.parametrize(
    ("purpose", "courses"),
    [
        (Purpose.LATER_VERSION_TAKEN, (Course.ALONE, Course.DAILY, Course.INBOX)),
        (Purpose.NEW_SCRIPT, (Course.GATHERED, Course.DAILY, Course.INBOX)),
    ],
)
def test_what_may_wait_goes_as_was_chosen(purpose: Purpose, courses: tuple[Course, ...]) -> None:
    assert tuple(course_of(purpose, way) for way in (Way.AT_ONCE, Way.DAILY, Way.INBOX_ONLY)) == courses


def test_the_page_names_to_each_what_comes_at_once_receipts_first() -> None:
    assert told_at_once("tutor")[:3] == [Purpose.RECEIPT, Purpose.DO_NOT_OPEN, Purpose.MAY_OPEN]
    assert Purpose.REQUEST_AGREED in set(told_at_once("tutor")) & set(told_at_once("student"))
    assert told_at_once("student")[0] is Purpose.RECEIPT
    assert told_at_once("admin") == [Purpose.RECEIPT]


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        ("2026-11-28T06:59:59+00:00", "2026-11-28T07:00:00+00:00"),
        ("2026-11-28T07:00:00+00:00", "2026-11-29T07:00:00+00:00"),
        ("2026-07-01T12:00:00+00:00", "2026-07-02T06:00:00+00:00"),
        ("2026-03-28T07:00:00+00:00", "2026-03-29T06:00:00+00:00"),  # the short day: clocks go forward on 29 March
        ("2026-10-24T06:00:00+00:00", "2026-10-25T07:00:00+00:00"),  # the long one: back on 25 October
        ("2026-07-01T23:30:00+00:00", "2026-07-02T06:00:00+00:00"),  # half past midnight there
    ],
)
def test_a_daily_digest_is_due_at_the_next_seven_oclock_of_the_uk(moment: str, due: str) -> None:
    assert next_digest(datetime.fromisoformat(moment), hour=7) == datetime.fromisoformat(due)


@given(moment=MOMENTS, hour=st.integers(min_value=0, max_value=23))
def test_there_is_one_digest_each_local_day_also_when_clocks_change(moment: datetime, hour: int) -> None:
    first = next_digest(moment, hour=hour)
    second = next_digest(first, hour=hour)
    assert moment < first <= moment + timedelta(hours=25)
    assert second.astimezone(LONDON).date() - first.astimezone(LONDON).date() == timedelta(days=1)
    assert first.astimezone(LONDON).minute == 0
    assert first.astimezone(LONDON).hour - hour in (0, 1)
    assert next_digest(first - timedelta(microseconds=1), hour=hour) == first
