"""Any order of publishing, relaying, consuming, crashing, burying and mending ends in each effect once, in order."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared import killpoints
from shared.contracts import Fact
from shared.errors import Rejected, Unavailable
from shared.messaging.tables import outbox
from tests.integration.operations_house import collected, received
from tests.support.pipe import STOP, Pipe

KEYS = ("w1", "w2")
STRAINS = st.tuples(st.sampled_from(KEYS), st.booleans())
DYING_IN_REPLAY = ("marking.before_commit", "marking.committed")
POINTS = (
    "submission.before_commit",
    "submission.committed",
    "relay.read",
    "relay.acknowledged",
    "bus.before_commit",
    "bus.committed",
    "bus.appended",
    "consumer.applied",
    "marking.before_commit",
    "marking.committed",
)


class Crash(BaseException):
    """The process dies here."""


@contextmanager
def dying_at(point: str | None) -> Iterator[None]:
    """Die at the next passing of the point, for what runs inside."""

    def passing(name: str) -> None:
        if name == point:
            raise Crash(name)

    killpoints._ACTIVE.append(passing)
    try:
        yield
    except Crash:
        pass
    finally:
        killpoints._ACTIVE.remove(passing)


class Line(RuleBasedStateMachine):
    """`told` is what a producer was told to be committed: (topic, key) to the versions in order.

    A producer that died in its commit does not know; such a fact counts when the outbox has it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.pipe = Pipe(self.folder, limit=1000)
        self.pipe.trouble = self.trouble_with
        self.poisoned: set[tuple[str, bool]] = set()
        self.away = False
        self.next_version: dict[tuple[str, str], int] = defaultdict(int)
        self.told: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.discarded: set[tuple[str, str, int]] = set()

    def trouble_with(self, fact: Fact) -> Exception | None:
        if self.away:
            return Unavailable()
        return Rejected("poison") if _strain(fact) in self.poisoned else None

    @rule(
        key=st.sampled_from(KEYS), marking=st.booleans(), many=st.integers(1, 4), die=st.sampled_from((None, *POINTS))
    )
    def publish(self, key: str, marking: bool, many: int, die: str | None) -> None:  # noqa: FBT001 - hypothesis
        kind = collected if marking else received
        place = (type(kind()).__name__, key)
        versions = [self.next_version[place] + n for n in range(1, many + 1)]
        self.next_version[place] += many
        with dying_at(die):
            self.pipe.publish(*(kind(key).model_copy(update={"version": version}) for version in versions))
        if self._committed(place, versions[-1]):
            self.told[place] += versions

    @rule(key=st.sampled_from(KEYS))
    def publish_in_vain(self, key: str) -> None:
        with suppress(RuntimeError):
            self.pipe.publish_and_fail(received(key).model_copy(update={"version": 10_000}))

    @rule(die=st.sampled_from((None, *POINTS)))
    def relay(self, die: str | None) -> None:
        with dying_at(die):
            self.pipe.relay.step(STOP)

    @rule(die=st.sampled_from((None, None, *POINTS)))
    def flow(self, die: str | None) -> None:
        with dying_at(die):
            try:
                self.pipe.flow()
            except Unavailable:
                assert self.away
                return
        if die is not None:
            self.pipe.start()

    @rule(poisoned=st.sets(STRAINS))
    def poison(self, poisoned: set[tuple[str, bool]]) -> None:
        """From now on the odd or the even versions of some keys fail, and no others."""
        self.poisoned = poisoned
        self.away = False

    @rule()
    def go_away(self) -> None:
        self.away = True

    @rule(key=st.sampled_from(KEYS), many=st.integers(1, 4), poisoned=st.sets(STRAINS))
    def bury(self, key: str, many: int, poisoned: set[tuple[str, bool]]) -> None:
        """A bad patch: facts come, some fail, then others would."""
        self.poison({(key, even) for even in (False, True)})
        self.publish(key, marking=False, many=many, die=None)
        self.flow(die=None)
        self.poison(poisoned)

    @precondition(lambda self: self.pipe.letters.list())
    @rule(die=st.sampled_from((None, *DYING_IN_REPLAY)), data=st.data())
    def replay(self, die: str | None, data: st.DataObject) -> None:
        letter = data.draw(st.sampled_from(self.pipe.letters.list()))
        with dying_at(die):
            try:
                self.pipe.letters.replay(letter.id)
            except (Rejected, Unavailable):
                assert self.away or self.poisoned

    @precondition(lambda self: self.pipe.letters.list())
    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        letter = data.draw(st.sampled_from(self.pipe.letters.list()))
        fact = letter.record().message().fact()
        self.discarded.add((type(fact).__name__, fact.key, fact.model_dump()["version"]))
        self.pipe.letters.discard(letter.id, "the test said so")

    @invariant()
    def nothing_doubles_or_overtakes(self) -> None:
        for place, versions in self._effects().items():
            assert versions == sorted(set(versions)), place
            assert set(versions) <= set(self.told[place]), place

    @invariant()
    def what_waits_has_something_to_wait_for(self) -> None:
        buried = {(letter.topic, letter.key) for letter in self.pipe.letters.list()}
        assert {(letter.topic, letter.key) for letter in self.pipe.letters.list("parked")} <= buried

    def teardown(self) -> None:
        self.poisoned, self.away = set(), False
        self.pipe.start()
        self.pipe.flow()
        for letter in self.pipe.letters.list():
            self.pipe.letters.replay(letter.id)
        wanted = {
            place: [v for v in versions if (*place, v) not in self.discarded] for place, versions in self.told.items()
        }
        assert self._effects() == {place: versions for place, versions in wanted.items() if versions}
        assert self.pipe.letters.list() == self.pipe.letters.list("parked") == []
        for database in (self.pipe.producer, self.pipe.reader, self.pipe.bus.database):
            database.close()
        shutil.rmtree(self.folder)

    def _committed(self, place: tuple[str, str], version: int) -> bool:
        with self.pipe.producer.reading() as connection:
            rows = connection.execute(sa.select(outbox.c.type, outbox.c.value).where(outbox.c.key == place[1]))
            return any(place[0] in row.type and f'"version":{version},'.encode() in row.value for row in rows)

    def _effects(self) -> dict[tuple[str, str], list[int]]:
        found: dict[tuple[str, str], list[int]] = defaultdict(list)
        for kind, key, version in self.pipe.kinds_of_effects():
            found[kind, key].append(version)
        return dict(found)


def _strain(fact: Fact) -> tuple[str, bool]:
    return fact.key, fact.model_dump()["version"] % 2 == 0


Line.TestCase.settings = settings(
    max_examples=120, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLine = Line.TestCase
