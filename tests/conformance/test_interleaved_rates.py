"""Two replicas count one more request of the same person at once, in every interleaving of their statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from shared.messaging.tables import spent
from shared.rate import Rate
from shared.rates import Rates
from tests.support.databases import ManualClock, make_server_database
from tests.support.interleaving import interleaved

pytestmark = pytest.mark.cluster

TWO = Rate(requests=2, period=timedelta(seconds=60))


@pytest.fixture
def rates() -> Iterator[Rates]:
    clock = ManualClock()
    rates = Rates(make_server_database(sa.MetaData(), "submission", clock), clock)
    yield rates
    rates.database.close()


def one_more(rates: Rates, key: int) -> Callable[[], bool]:
    return lambda: rates.spend(str(key), TWO).passes


def test_of_two_at_once_one_is_the_last_that_passes(rates: Rates) -> None:
    def scene(number: int) -> tuple[Callable[[], bool], Callable[[], bool]]:
        rates.spend(str(number), TWO)
        return one_more(rates, number), one_more(rates, number)

    for number, ends in interleaved(rates.database, scene):
        assert sorted([ends.first, ends.second]) == [False, True], (number, ends)


def test_of_two_that_are_the_first_both_count(rates: Rates) -> None:
    for number, ends in interleaved(rates.database, lambda n: (one_more(rates, n), one_more(rates, n))):
        assert (ends.first, ends.second) == (True, True), number
        assert not rates.spend(str(number), TWO).passes


def test_what_is_counted_while_old_rows_are_cleared_away_is_not_forgotten(rates: Rates) -> None:
    def scene(number: int) -> tuple[Callable[[], bool], Callable[[], int]]:
        rates.spend(str(number), TWO)
        rates.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]  # a test's clock
        return one_more(rates, number), rates.forget

    for number, _ in interleaved(rates.database, scene):
        with rates.database.reading() as connection:
            rows = connection.execute(sa.select(spent.c.key).where(spent.c.key == str(number))).all()
        assert len(rows) == 1
