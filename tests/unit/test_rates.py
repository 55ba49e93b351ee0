"""Counting how often somebody asked, in a database that replicas share."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.database import Database
from shared.messaging.tables import spent
from shared.rate import Rate, rate_in
from shared.rates import Rates
from shared.settings import BadSettings, load_settings
from tests.support.databases import ManualClock, make_database

THREE = Rate(requests=3, period=timedelta(seconds=60))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def rates(tmp_path: Path, clock: ManualClock) -> Rates:
    return Rates(make_database(sa.MetaData(), tmp_path, "submission", clock), clock)


def passes(rates: Rates, times: int, key: str = "ann") -> list[bool]:
    return [rates.spend(key, THREE).passes for _ in range(times)]


def test_so_many_may_come_at_once_and_no_more(rates: Rates) -> None:
    assert passes(rates, 5) == [True, True, True, False, False]


def test_the_next_may_come_when_it_was_said_and_not_a_moment_before(rates: Rates, clock: ManualClock) -> None:
    passes(rates, 3)
    wait = rates.spend("ann", THREE).wait
    assert wait == timedelta(seconds=20)
    clock.advance(wait - timedelta(microseconds=1))
    assert passes(rates, 1) == [False]
    clock.advance(timedelta(microseconds=1))
    assert passes(rates, 2) == [True, False]


def test_it_is_told_how_many_are_left(rates: Rates) -> None:
    assert [rates.spend("ann", THREE).left for _ in range(4)] == [2, 1, 0, 0]


def test_what_was_turned_away_does_not_make_the_wait_longer(rates: Rates, clock: ManualClock) -> None:
    passes(rates, 100)
    clock.advance(timedelta(seconds=20))
    assert passes(rates, 1) == [True]


def test_one_who_asks_too_often_takes_nothing_from_another(rates: Rates) -> None:
    passes(rates, 10)
    assert passes(rates, 1, "ben") == [True]


def test_a_second_replica_knows_what_the_first_one_counted(rates: Rates, clock: ManualClock) -> None:
    other = Database(rates.database.engine.url.render_as_string(hide_password=False), source="submission", clock=clock)
    assert passes(rates, 2) + passes(Rates(other, clock), 2) == [True, True, True, False]
    other.close()


def test_what_says_nothing_any_more_is_forgotten_and_nothing_else(rates: Rates, clock: ManualClock) -> None:
    passes(rates, 1, "ann")
    clock.advance(timedelta(seconds=21))
    passes(rates, 3, "ben")
    assert (rates.forget(), rates.forget()) == (1, 0)
    with rates.database.reading() as connection:
        assert list(connection.execute(sa.select(spent.c.key)).scalars()) == ["ben"]
    assert passes(rates, 1, "ben") == [False]


@given(
    requests=st.integers(1, 5),
    steps=st.lists(st.integers(0, 30), min_size=1, max_size=30),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_stretch_of_time_has_more_than_all_at_once_and_its_shares(
    rates: Rates, clock: ManualClock, requests: int, steps: list[int]
) -> None:
    clock.advance(timedelta(days=1))
    rate = Rate(requests=requests, period=timedelta(seconds=60))
    passed = []
    for step in steps:
        clock.advance(timedelta(seconds=step))
        if rates.spend("ann", rate).passes:
            passed.append(clock.now())
    for number, first in enumerate(passed):
        for count, last in enumerate(passed[number:], start=1):
            assert count <= requests + (last - first) / rate.share + 1e-9


@pytest.mark.parametrize("text", ["", "0/60", "60", "60/0", "60/60/60", "-1/60", "1e3/60", "60 / 60", "OFF"])
def test_what_is_no_rate_is_no_setting(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        rate_in(text)
    with pytest.raises(BadSettings, match="ETMA_LIMIT_VERIFY"):
        load_settings(limit_verify=text)


def test_a_rate_is_read() -> None:
    assert rate_in("off") is None
    assert rate_in("3/60") == THREE
