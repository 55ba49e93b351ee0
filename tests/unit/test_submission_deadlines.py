"""When work is on time, in grace, late, penalised or refused, in UK local time on every day of the year."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.submission.catalogue.domain import next_midnight, noon_of
from services.submission.deadlines.domain import CutOff, rule, rule_again
from shared.clock import LONDON
from shared.contracts import AssignmentKind, Band, LatePolicy

TICK = timedelta(microseconds=1)
ORDINARY_DAY = date(2026, 11, 24)
CLOCK_CHANGES = [date(2026, 3, 29), date(2026, 10, 25), date(2027, 3, 28), date(2027, 10, 31)]
POLICIES = [LatePolicy.REFUSE, LatePolicy.ACCEPT_LATE, LatePolicy.NEXT_DAY_WITH_PENALTY]
AROUND_CLOCK_CHANGES = [day + timedelta(days=offset) for day in CLOCK_CHANGES for offset in (-1, 0, 1)]

days = st.dates(date(2013, 1, 1), date(2036, 12, 31)) | st.sampled_from(AROUND_CLOCK_CHANGES)
distances = st.timedeltas(timedelta(days=-5), timedelta(days=5))
policies = st.sampled_from(POLICIES)


def cut_off_on(day: date, policy: LatePolicy = LatePolicy.REFUSE, kind: AssignmentKind = AssignmentKind.TMA) -> CutOff:
    noon = noon_of(day)
    return CutOff(cut_off_at=noon, grace_ends_at=next_midnight(noon), late_policy=policy, kind=kind, revision=1)


def london(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute, second), tzinfo=LONDON).astimezone(UTC)


@pytest.mark.parametrize("policy", POLICIES)
def test_at_the_cut_off_is_on_time_and_just_after_it_is_grace(policy: LatePolicy) -> None:
    cut_off = cut_off_on(ORDINARY_DAY, policy)
    assert rule(cut_off.cut_off_at, cut_off) is Band.ON_TIME
    assert rule(cut_off.cut_off_at + TICK, cut_off) is Band.GRACE


@pytest.mark.parametrize(
    ("policy", "band"),
    [
        (LatePolicy.REFUSE, Band.REFUSED),
        (LatePolicy.ACCEPT_LATE, Band.LATE),
        (LatePolicy.NEXT_DAY_WITH_PENALTY, Band.PENALISED),
    ],
)
def test_grace_lasts_until_midnight_and_midnight_is_after_it(policy: LatePolicy, band: Band) -> None:
    cut_off = cut_off_on(ORDINARY_DAY, policy)
    assert rule(cut_off.grace_ends_at - TICK, cut_off) is Band.GRACE
    assert rule(cut_off.grace_ends_at, cut_off) is band


def test_the_penalised_day_ends_at_the_next_midnight() -> None:
    cut_off = cut_off_on(ORDINARY_DAY, LatePolicy.NEXT_DAY_WITH_PENALTY)
    end = london(ORDINARY_DAY + timedelta(days=2), 0)
    assert rule(end - TICK, cut_off) is Band.PENALISED
    assert rule(end, cut_off) is Band.REFUSED


@pytest.mark.parametrize("policy", [*POLICIES, LatePolicy.UNKNOWN])
def test_a_dummy_assignment_is_never_late(policy: LatePolicy) -> None:
    cut_off = cut_off_on(ORDINARY_DAY, policy, AssignmentKind.DUMMY)
    assert rule(cut_off.cut_off_at + timedelta(days=365), cut_off) is Band.ON_TIME


def test_an_unknown_policy_refuses_after_grace() -> None:
    cut_off = cut_off_on(ORDINARY_DAY, LatePolicy.UNKNOWN)
    assert rule(cut_off.grace_ends_at, cut_off) is Band.REFUSED


def test_accepted_late_has_no_end() -> None:
    cut_off = cut_off_on(ORDINARY_DAY, LatePolicy.ACCEPT_LATE)
    assert rule(cut_off.cut_off_at + timedelta(days=365), cut_off) is Band.LATE


def test_noon_is_eleven_hours_utc_in_summer_and_twelve_in_winter() -> None:
    assert noon_of(date(2026, 7, 1)) == datetime(2026, 7, 1, 11, tzinfo=UTC)
    assert noon_of(date(2026, 12, 1)) == datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "noon_utc_hour", "local_day_hours"),
    [
        (date(2026, 3, 28), 12, 24),
        (date(2026, 3, 29), 11, 23),
        (date(2026, 10, 24), 11, 24),
        (date(2026, 10, 25), 12, 25),
    ],
)
def test_both_clock_changes_keep_noon_and_midnight_local(day: date, noon_utc_hour: int, local_day_hours: int) -> None:
    cut_off = cut_off_on(day)
    assert cut_off.cut_off_at.astimezone(UTC).hour == noon_utc_hour
    assert cut_off.grace_ends_at - london(day, 0) == timedelta(hours=local_day_hours)
    assert cut_off.grace_ends_at - cut_off.cut_off_at == timedelta(hours=12)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 28), 23), (date(2026, 10, 24), 25)])
def test_a_penalised_day_is_a_local_day_even_when_the_clock_changes_in_it(day: date, hours: int) -> None:
    cut_off = cut_off_on(day, LatePolicy.NEXT_DAY_WITH_PENALTY)
    end = cut_off.grace_ends_at + timedelta(hours=hours)
    assert rule(end - TICK, cut_off) is Band.PENALISED
    assert rule(end, cut_off) is Band.REFUSED


@given(days)
def test_the_cut_off_is_local_noon_and_grace_ends_twelve_hours_later_at_local_midnight(day: date) -> None:
    cut_off = cut_off_on(day)
    noon, end = cut_off.cut_off_at.astimezone(LONDON), cut_off.grace_ends_at.astimezone(LONDON)
    assert (noon.date(), noon.time()) == (day, time(12))
    assert (end.date(), end.time()) == (day + timedelta(days=1), time(0))
    assert cut_off.grace_ends_at - cut_off.cut_off_at == timedelta(hours=12)


@given(days, distances, policies)
def test_the_band_is_told_by_the_local_clock_alone(day: date, distance: timedelta, policy: LatePolicy) -> None:
    cut_off = cut_off_on(day, policy)
    arrived_at = cut_off.cut_off_at + distance
    assert rule(arrived_at, cut_off) is band_on_the_wall(arrived_at.astimezone(LONDON), day, policy)


@given(days, distances, policies)
def test_the_zone_of_a_moment_changes_nothing(day: date, distance: timedelta, policy: LatePolicy) -> None:
    cut_off = cut_off_on(day, policy)
    arrived_at = cut_off.cut_off_at + distance
    assert rule(arrived_at, cut_off) is rule(arrived_at.astimezone(LONDON), cut_off)


@given(days, st.lists(distances, min_size=2, max_size=2), policies)
def test_coming_earlier_never_makes_it_worse(day: date, pair: list[timedelta], policy: LatePolicy) -> None:
    cut_off = cut_off_on(day, policy)
    order = [Band.ON_TIME, Band.GRACE, Band.PENALISED, Band.LATE, Band.REFUSED]
    early, late = (order.index(rule(cut_off.cut_off_at + distance, cut_off)) for distance in sorted(pair))
    assert early <= late


@given(st.datetimes(datetime(2013, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds
def test_the_next_midnight_is_the_first_local_midnight_after(moment: datetime) -> None:
    found = next_midnight(moment)
    assert found.astimezone(LONDON).time() == time(0)
    assert timedelta(0) < found - moment <= timedelta(hours=25)


def band_on_the_wall(arrived: datetime, day: date, policy: LatePolicy) -> Band:
    """The rule once more, as one would read it off a calendar and a clock on a wall in London."""
    days_after = (arrived.date() - day).days
    if days_after < 0 or (days_after == 0 and arrived.time() <= time(12)):
        return Band.ON_TIME
    if days_after == 0:
        return Band.GRACE
    if policy is LatePolicy.ACCEPT_LATE:
        return Band.LATE
    return Band.PENALISED if policy is LatePolicy.NEXT_DAY_WITH_PENALTY and days_after == 1 else Band.REFUSED


@pytest.mark.parametrize("policy", [*POLICIES, LatePolicy.UNKNOWN])
def test_work_that_was_received_is_late_at_the_worst_when_the_cut_off_moves(policy: LatePolicy) -> None:
    cut_off = cut_off_on(ORDINARY_DAY, policy)
    worst = Band.PENALISED if policy is LatePolicy.NEXT_DAY_WITH_PENALTY else Band.LATE
    assert rule_again(cut_off.cut_off_at + timedelta(days=365), cut_off) is worst
    for arrived_at in (cut_off.cut_off_at, cut_off.cut_off_at + TICK):
        assert rule_again(arrived_at, cut_off) is rule(arrived_at, cut_off)
