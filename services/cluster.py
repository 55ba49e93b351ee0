"""A system of many processes, seen as a whole through the servers that it stands on."""

from __future__ import annotations

from collections.abc import Mapping

from services.system import System
from shared.errors import Unavailable
from shared.messaging.consumer import stored_offsets

Places = Mapping[str, Mapping[tuple[str, int], int]]
"""Of each service, where it goes on in each partition."""


class ClusterSystem(System):
    """The services composed beside their processes, to act and to look; it runs nothing itself."""

    def wake(self) -> None:
        """The processes look by themselves."""

    def stopped(self) -> Mapping[str, str]:
        """Nothing: whoever runs the processes starts anew what ended."""
        return {}

    def is_settled(self) -> bool:
        """Whether nothing is in flight; False also while a server is away, because then nobody knows.

        The parts are looked at one after the other while all work on. What moves meanwhile goes from a timer to the
        sender, the outbox, the bus and a consumer: two looks at every service and then one at the bus meet it, unless
        a consumer had it by then, and that consumer's place has changed.
        """
        try:
            before = self._places()
            moving = any(service.is_moving() for service in (*self.services, *self.services))
            return not moving and self._is_at_end(before) and before == self._places()
        except Unavailable:
            return False

    def _is_at_end(self, places: Places) -> bool:
        ends = self.platform.bus.end_offsets()
        return all(
            places[service.name].get(place, 0) == end
            for service in self.services
            for place, end in ends.items()
            if place[0] in {topic.name for topic in service.topics}
        )

    def _places(self) -> Places:
        found = {}
        for service in self.services:
            with service.database.reading() as connection:
                found[service.name] = stored_offsets(connection, service.name)
        return found
