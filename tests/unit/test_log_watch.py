"""What a worker sees of its log, on the embedded one."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.contracts import SUBMISSION, Topic
from shared.errors import Unavailable
from shared.inspection import messaging_status
from shared.messaging.consumer import Stopped
from shared.messaging.log_watch import STUCK_SECONDS, LogWatch
from shared.messaging.observed_ends import ObservedEnds
from tests.integration.operations_house import received
from tests.support.pipe import TOPICS, Pipe

COMPACTED = Topic(name=SUBMISSION.name, producer="submission", compacted=True)


@pytest.fixture
def pipe(tmp_path: Path) -> Pipe:
    return Pipe(tmp_path)


def watch(pipe: Pipe, *topics: Topic) -> LogWatch:
    """Of a worker that has read all there was."""
    pipe.flow()
    known = {topic.name: topic for topic in topics or TOPICS}
    log = LogWatch(pipe.consumer, pipe.bus, known)
    ends = {place: end for place, end in pipe.bus.end_offsets().items() if place[0] in known}
    log.begin(dict.fromkeys(ends, 0), ends)
    return log


def test_where_the_log_ends_is_noted_for_those_who_have_no_broker(pipe: Pipe) -> None:
    log, ends = watch(pipe), ObservedEnds(pipe.reader)
    pipe.publish(*(received(f"w{number}") for number in range(5)))
    pipe.relay_all()
    log.look(pipe.bus.end_offsets(), now=0)
    assert ends.end_offsets() == pipe.bus.end_offsets()
    assert messaging_status(pipe.reader, ends)["lag"] == 5
    pipe.flow()
    assert messaging_status(pipe.reader, ends)["lag"] == 0


def test_what_was_read_before_anybody_noted_an_end_is_no_lag(pipe: Pipe) -> None:
    pipe.publish(received())
    watch(pipe)
    assert messaging_status(pipe.reader, ObservedEnds(pipe.reader))["lag"] == 0


def test_a_partition_that_has_records_and_does_not_move_is_named(pipe: Pipe) -> None:
    log = watch(pipe)
    pipe.publish(received())
    pipe.relay_all()
    (place,) = (place for place, end in pipe.bus.end_offsets().items() if end)
    for now in (0.0, STUCK_SECONDS):
        log.look([place], now=now)
        assert log.stuck(now=now) == []
    assert log.stuck(now=STUCK_SECONDS + 1) == [place]
    pipe.flow()
    log.look([place], now=STUCK_SECONDS + 1)
    assert log.stuck(now=STUCK_SECONDS * 3) == []


def test_a_partition_that_moves_slowly_is_not_stuck(pipe: Pipe) -> None:
    log = watch(pipe)
    for number in range(4):
        pipe.flow()
        pipe.publish(received(version=number))
        pipe.relay_all()
        now = number * STUCK_SECONDS
        log.look(pipe.bus.end_offsets(), now=now)
        assert log.stuck(now=now + STUCK_SECONDS) == []


def test_the_time_of_an_outage_counts_for_nothing(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    log = watch(pipe)
    pipe.publish(received())
    pipe.relay_all()
    places = pipe.bus.end_offsets()
    log.look(places, now=0)
    with monkeypatch.context() as outage:
        outage.setattr(pipe.bus, "end_offsets", broker_is_away)
        with pytest.raises(Unavailable):
            log.look(places, now=1)
    log.look(places, now=STUCK_SECONDS * 2)
    assert log.stuck(now=STUCK_SECONDS * 3) == []


def broker_is_away() -> None:
    raise Unavailable


def test_of_a_compacted_topic_the_end_says_nothing(pipe: Pipe) -> None:
    log = watch(pipe, COMPACTED)
    pipe.publish(received())
    pipe.relay_all()
    log.look([place for place in pipe.bus.end_offsets() if place[0] == COMPACTED.name], now=0)
    assert log.stuck(now=STUCK_SECONDS * 2) == []


def test_a_topic_made_anew_stops_the_consumer_also_where_it_reads_nothing(pipe: Pipe) -> None:
    pipe.publish(received())
    log = watch(pipe)
    log.look([], now=0)
    pipe.bus.close()
    (pipe.folder / "bus.db").rename(pipe.folder / "lost.db")
    pipe.open_bus()
    log.bus = pipe.bus
    with pytest.raises(Stopped, match="made anew"):
        log.look([], now=1)
    assert "made anew" in str(log.consumer.stopped)
