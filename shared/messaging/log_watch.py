"""What a worker has to know of the log beside its records: whose it is, where it ends, whether a partition moves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from shared.contracts import Topic
from shared.errors import Unavailable
from shared.messaging.bus import Bus
from shared.messaging.consumer import Consumer, Partition, stored_offsets
from shared.messaging.observed_ends import note_ends

STUCK_SECONDS = 60.0

Place = tuple[str, int]
"""A topic's name and the number of a partition."""


class LogWatch:
    """Looks at the log of one consumer's topics, and at where the consumer is in it.

    `look` also notes in the database where the log ends: other processes have no broker to ask.
    """

    def __init__(self, consumer: Consumer, bus: Bus, topics: Mapping[str, Topic]) -> None:
        self.consumer = consumer
        self.bus = bus
        self.topics = topics
        self.topic_ids: Mapping[str, str] = {}
        self._behind: Mapping[Place, tuple[int, float]] = {}
        self._noted: Mapping[Place, tuple[str, int]] = {}

    def begin(self, first: Mapping[Place, int], ends: Mapping[Place, int]) -> Mapping[Place, int]:
        """Where each partition goes on; raises `Unavailable` and `Stopped`."""
        self.topic_ids = self._present_ids()
        return self.consumer.begin([self._found(place, first[place], ends[place]) for place in first])

    def look(self, assigned: Collection[Place], *, now: float) -> None:
        """Raises `Unavailable`, and `Stopped` when a topic was made anew: nobody may be given any of its records.

        Without this nobody would notice: a client that has read up to an offset waits for those behind it.
        """
        try:
            self._look(assigned, now)
        except Unavailable:
            self._behind = {}  # nobody saw whether it moved
            raise

    def _look(self, assigned: Collection[Place], now: float) -> None:
        ends, present = self.bus.end_offsets(), self._present_ids()
        anew = {topic for topic, known in self.topic_ids.items() if known != present[topic]}
        self.topic_ids = present
        if anew:
            self.consumer.begin(
                [self._found(each, self.bus.first_offset(*each), ends[each]) for each in ends if each[0] in anew]
            )
        self._see_what_moves(assigned, ends, now)
        self._note({place: (present[place[0]], ends[place]) for place in sorted(assigned)})

    def stuck(self, *, now: float) -> Sequence[Place]:
        """The partitions that have had records for a minute and did not move; what nobody saw does not count."""
        return [place for place, (_, since) in self._behind.items() if now - since > STUCK_SECONDS]

    def _see_what_moves(self, assigned: Collection[Place], ends: Mapping[Place, int], now: float) -> None:
        """Of a compacted topic nobody can say: its last offsets may have no record."""
        with self.consumer.database.reading() as connection:
            applied = stored_offsets(connection, self.consumer.name)
        behind = {
            place: applied[place]
            for place in assigned
            if self.topics[place[0]].offsets == "contiguous" and applied.get(place, ends[place]) < ends[place]
        }
        before = self._behind
        self._behind = {
            place: before[place] if place in before and before[place][0] == offset else (offset, now)
            for place, offset in behind.items()
        }

    def _note(self, places: Mapping[Place, tuple[str, int]]) -> None:
        changed = {place: found for place, found in places.items() if self._noted.get(place) != found}
        if changed:
            note_ends(self.consumer.database, self.consumer.name, changed)
        self._noted = places

    def _present_ids(self) -> Mapping[str, str]:
        return {topic: self.bus.topic_id(topic) for topic in self.topics}

    def _found(self, place: Place, first: int, end: int) -> Partition:
        topic, number = place
        return Partition(
            topic=self.topics[topic],
            number=number,
            topic_id=self.topic_ids[topic],
            first_offset=first,
            end_offset=end,
        )
