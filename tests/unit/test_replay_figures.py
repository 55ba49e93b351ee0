"""The figures of a replay: what is missing for a receipt, and what was never received, cannot look clean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import pytest

from services.replay.figures import Figures, figures_of
from services.replay.journal import Held

Row = dict[str, object]
Streams = dict[str, dict[str, list[Row]]]

HELD = Held(receipt="r1", assignment_id="a", person_ref="p", version=1, submission_id="s1", work_id="w1", ruling="late")
WHOLE: Streams = {
    "submission": {"versions": [{"receipt": "r1"}], "refusals": []},
    "marking": {
        "rulings": [{"submission_id": "s1"}],
        "scripts": [{"work_id": "w1", "state": "allocated"}],
        "questions": [{"submission_id": "s1", "state": "taken"}],
    },
    "notifier": {
        "obligations": [{"purpose": "receipt", "submission_id": "s1", "delivery_id": "d1"}],
        "deliveries": [{"delivery_id": "d1", "state": "sent"}],
    },
}


class Lists:
    """The streams of one service as lists."""

    def __init__(self, streams: Mapping[str, Sequence[Row]]) -> None:
        self.streams = streams

    def facts(self, kind: str, *, after: str = "", limit: int = 1000) -> list[Row]:
        del limit
        return [] if after else [{**row, "position": str(n)} for n, row in enumerate(self.streams[kind], start=1)]

    def status(self) -> Row:
        return {"dead_letters": 0, "parked": 0}


def figures(streams: Streams, held: Sequence[Held] = (HELD,), *, works: int = 1) -> Figures:
    inspections = {name: Lists(lists) for name, lists in streams.items()}
    return figures_of(inspections, held, works=works, handings_in=works, seconds=2.0, accept_ms=[1.0, 3.0])


def test_a_receipt_with_all_that_comes_of_it_is_clean() -> None:
    found = figures(WHOLE)
    assert (found.clean, found.submitted, found.late, found.accepted, found.lost, found.duplicated) == (
        *(True, 1, 1, 1),
        *(0, 0),
    )


@pytest.mark.parametrize(
    ("service", "kind"),
    [("submission", "versions"), ("marking", "rulings"), ("marking", "scripts"), ("notifier", "obligations")],
)
def test_a_receipt_without_one_of_its_effects_is_lost(service: str, kind: str) -> None:
    streams = deepcopy(WHOLE)
    streams[service][kind].clear()
    assert (figures(streams).lost, figures(streams).clean) == (1, False)


@pytest.mark.parametrize("state", ["queued", "failed", None])
def test_a_student_who_was_not_told_is_lost(state: str | None) -> None:
    streams = deepcopy(WHOLE)
    streams["notifier"]["deliveries"] = [{"delivery_id": "d1", "state": state}] if state else []
    assert figures(streams).lost == 1


def test_a_student_who_reads_the_inbox_only_was_told() -> None:
    streams: Any = deepcopy(WHOLE)
    streams["notifier"]["deliveries"][0]["state"] = "suppressed"
    assert figures(streams).clean


@pytest.mark.parametrize(("service", "kind"), [("submission", "versions"), ("marking", "rulings")])
def test_what_is_there_twice_is_duplicated(service: str, kind: str) -> None:
    streams = deepcopy(WHOLE)
    streams[service][kind] *= 2
    assert (figures(streams).duplicated, figures(streams).clean) == (1, False)


def test_a_version_without_a_receipt_is_duplicated() -> None:
    streams = deepcopy(WHOLE)
    streams["submission"]["versions"].append({"receipt": "nobody's"})
    assert figures(streams).duplicated == 1


def test_a_question_without_an_answer_is_undecided_and_not_clean() -> None:
    streams = deepcopy(WHOLE)
    streams["marking"]["questions"][0]["state"] = "open"
    assert (figures(streams).undecided, figures(streams).clean) == (1, False)


def test_work_that_was_refused_is_submitted_and_not_clean() -> None:
    streams: Streams = {service: {kind: [] for kind in kinds} for service, kinds in WHOLE.items()}
    streams["submission"]["refusals"] = [{"work_id": "w1"}]
    found = figures(streams, held=())
    assert (found.submitted, found.accepted, found.refused, found.clean) == (1, 0, 1, False)


def test_work_that_got_no_answer_is_lost() -> None:
    assert (figures(WHOLE, works=2).lost, figures(WHOLE, works=2).clean) == (1, False)
