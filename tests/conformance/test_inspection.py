"""What a service shows of itself is the same in its own process and over HTTP, kind by kind and page by page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.intake.catalogue import take_in
from services.submission.upload.store import orphan_table
from shared.errors import EtmaError
from shared.inspection import BadPosition, Inspection, UnknownKind
from shared.web.remote_inspection import RemoteInspection
from tests.support.elsewhere import elsewhere
from tests.support.university import ANN, BEN, OTHER_TUTOR, PAST, PDF, Town, running_town, university_due

KINDS = {
    "identity": ("persons",),
    "submission": (
        *("versions", "refusals", "corrections", "orphans", "scans"),
        *("assignments", "enrolments", "tutors", "groups"),
    ),
    "marking": ("rulings", "scripts", "questions", "assignments", "groups", "persons"),
    "notifier": ("obligations", "deliveries", "persons", "assignments"),
    "operations": ("trail", "stages", "stage_counts"),
}
OF_ALL = ("counters", "outbox", "erased")
STREAMS = [(service, kind) for service, kinds in KINDS.items() for kind in (*kinds, *OF_ALL)]
SAYS_NOTHING = "operations"
EMPTY = ("scans", "erased")
"""Here is no scanner, and nobody was erased."""
NUMBERED = ("versions", "refusals", "corrections", "rulings", "questions", "trail", "outbox")


@dataclass(frozen=True)
class Pair:
    """A service's inspection in its own process, and the same one over HTTP."""

    here: Inspection
    there: Inspection

    def pages(self, kind: str) -> Iterator[tuple[list[dict[str, object]], list[dict[str, object]]]]:
        """The same page of both, to the end."""
        after = ""
        while True:
            here, there = (each.facts(kind, after=after, limit=2) for each in (self.here, self.there))
            yield here, there
            if not here:
                return
            after = str(here[-1]["position"])


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pair]]:
    """Of all services of a town where everything that can be shown is there, and nothing moves any more."""
    with running_town(Path(tmp_path_factory.mktemp("town"))) as town, ExitStack() as stack:
        fill(town)
        letters = town.system.dead_letters()
        yield {
            name: Pair(here, RemoteInspection(stack.enter_context(elsewhere(name, here, letters[name]))))
            for name, here in town.system.inspections().items()
        }


def fill(town: Town) -> None:
    for person in (ANN, ANN, BEN):
        work_id = town.hand_in(person).json()["work_id"]
    town.hand_in(assignment=PAST)
    town.settle()
    town.post(f"/api/v1/scripts/{work_id}/collection", "tutor", OTHER_TUTOR)
    town.hand_in(BEN, content=PDF + b"later")
    with town.system.submission.database.transaction() as tx:
        orphan = {"object_key": "work/é", "object_version": "1", "first_seen_at": tx.now}
        tx.connection.execute(sa.insert(orphan_table), orphan)
    take_in(town.system, university_due(days=-30))
    town.settle()


@pytest.mark.parametrize(("service", "kind"), STREAMS)
def test_every_page_is_the_same(pairs: dict[str, Pair], service: str, kind: str) -> None:
    pages = list(pairs[service].pages(kind))
    assert all(there == here for here, there in pages)
    assert any(here for here, _ in pages) == (
        kind not in EMPTY and (service != SAYS_NOTHING or kind in KINDS[SAYS_NOTHING])
    )


@pytest.mark.parametrize("service", KINDS)
def test_how_it_stands_is_the_same(pairs: dict[str, Pair], service: str) -> None:
    assert pairs[service].there.status() == pairs[service].here.status()


@pytest.mark.parametrize("service", KINDS)
def test_an_unknown_kind_is_refused_with_the_known_ones(pairs: dict[str, Pair], service: str) -> None:
    here, there = refusals(pairs[service], "secrets")
    assert isinstance(here, UnknownKind)
    assert (there.status, there.detail) == (here.status, here.detail)
    assert here.detail.endswith(f"there are {', '.join(sorted((*KINDS[service], *OF_ALL)))}.")


@pytest.mark.parametrize(("service", "kind"), [stream for stream in STREAMS if stream[1] in NUMBERED])
@pytest.mark.parametrize("after", ["one", "-1", "1" * 19, "9" * 5000])
def test_a_place_that_is_none_is_refused(pairs: dict[str, Pair], service: str, kind: str, after: str) -> None:
    here, there = refusals(pairs[service], kind, after=after)
    assert isinstance(here, BadPosition)
    assert (there.status, there.detail) == (here.status, here.detail)


def refusals(pair: Pair, kind: str, *, after: str = "") -> tuple[EtmaError, EtmaError]:
    return refusal(pair.here, kind, after), refusal(pair.there, kind, after)


def refusal(inspection: Inspection, kind: str, after: str) -> EtmaError:
    with pytest.raises(EtmaError) as refused:
        inspection.facts(kind, after=after)
    return refused.value
