"""Submissions and group facts come from two topics in any order; the scripts end where they belong all the same."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from services.marking.allocation.handlers import Allocation
from services.marking.allocation.store import ScriptStore, ruling_table, script_table
from services.marking.later_versions.handlers import Asking
from services.marking.later_versions.store import QuestionStore
from services.marking.tables import metadata
from services.marking.tutors.store import TutorStore
from shared.contracts import Fact, TutorGroupRecorded, fact_type
from shared.database import SYSTEM, Transaction
from shared.messaging.message import Message
from tests.integration.operations_house import received
from tests.support.databases import ManualClock, make_database

SUBMISSIONS: tuple[Fact, ...] = (
    received("w1", version=1),
    received("w2", version=1),
    received("w1", version=2),
    received("w3", version=1),
)


def group(number: int, revision: int, tutor: str | None, *members: str) -> TutorGroupRecorded:
    return TutorGroupRecorded(
        group_id=f"K827-26J-G0{number}",
        revision=revision,
        presentation_id="K827-26J",
        tutor_ref=tutor,
        member_refs=members,
    )


GROUPS: tuple[Fact, ...] = (
    group(1, 1, "tutor-1", "p-w1", "p-w2"),
    group(2, 2, None, "p-w3"),
    group(1, 3, "tutor-1", "p-w2"),
    group(2, 4, "tutor-2", "p-w3", "p-w1"),
)


def outcome(order: list[int], cuts: set[int]) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Feed both topics, each in its own order, merged by `order`, in batches that end at `cuts`."""
    topics = {0: list(SUBMISSIONS), 1: list(GROUPS)}
    merged = [topics[which].pop(0) for which in order]
    with tempfile.TemporaryDirectory() as folder:
        database = make_database(metadata, Path(folder), "marking", ManualClock())
        table = Allocation(ScriptStore(), TutorStore(), Asking(QuestionStore())).table()
        for (kind, _), run in groupby(
            enumerate(merged), key=lambda pair: (type(pair[1]), sum(cut <= pair[0] for cut in cuts))
        ):
            facts = [fact for _, fact in run]
            with database.transaction() as tx:
                tx.receive({id(fact): envelope(fact) for fact in facts})
                table[kind](facts, tx)
        columns = (script_table.c.work_id, script_table.c.state, script_table.c.tutor_ref, script_table.c.taken_version)
        with database.reading() as connection:
            scripts = connection.execute(sa.select(*columns).order_by(script_table.c.work_id)).all()
            rulings = connection.execute(
                sa.select(ruling_table.c.submission_id, ruling_table.c.ruling).order_by(ruling_table.c.submission_id)
            ).all()
        database.close()
    return [tuple(row) for row in scripts], [tuple(row) for row in rulings]


def envelope(fact: Fact) -> Message:
    clock = ManualClock()
    return Message(
        id=f"{fact.key}-{id(fact)}",
        type=fact_type(type(fact)),
        source=fact.topic.producer,
        topic=fact.topic.name,
        key=fact.key,
        time=clock.now(),
        sequence=1,
        correlation_id="c",
        causation_id=None,
        actor="system",
        value=b"{}",
    )


class Watched(Transaction):
    """A transaction that writes down what it locks and what it reads of students, in order."""

    def __init__(self, tx: Transaction, seen: list[str]) -> None:
        super().__init__(tx.connection, source=tx.source, clock=ManualClock(), context=SYSTEM, dialect=tx.dialect)
        self.seen = seen

    def lock(self, *keys: str) -> None:
        super().lock(*keys)
        self.seen.extend(f"lock {key}" for key in keys)


def order_of(facts: Sequence[Fact], folder: Path) -> list[str]:
    """What a run locks, and which tables that say where students are it reads, in order."""
    database = make_database(metadata, folder, "marking", ManualClock())
    table = Allocation(ScriptStore(), TutorStore(), Asking(QuestionStore())).table()
    seen: list[str] = []

    def note(_c: object, _cu: object, text: str, *_rest: object) -> None:
        seen.extend(f"read {name}" for name in ("script", "known_group") if text.startswith("SELECT") and name in text)

    with database.transaction() as tx:
        tx.receive({id(fact): envelope(fact) for fact in GROUPS})
        table[TutorGroupRecorded](list(GROUPS[:1]), tx)
    with database.transaction() as plain:
        sa.event.listen(database.engine, "before_cursor_execute", note)
        tx = Watched(plain, seen)
        tx.receive({id(fact): envelope(fact) for fact in facts})
        table[type(facts[0])](facts, tx)
    database.close()
    return seen


@pytest.mark.parametrize("facts", [(SUBMISSIONS[0],), (GROUPS[3],), (group(1, 9, "tutor-1"),)])
def test_a_version_and_a_group_lock_the_same_student_before_they_read_where_the_student_is(
    facts: tuple[Fact, ...], tmp_path: Path
) -> None:
    seen = order_of(facts, tmp_path)
    locked = seen.index("lock K827-26J/p-w1")
    placed = [place for place, each in enumerate(seen) if each == "read script"]
    placed += [place for place, each in enumerate(seen) if each == "read known_group"][-1:]
    assert placed
    assert locked < min(placed)


@settings(max_examples=60, deadline=None)
@given(order=st.permutations([0, 0, 0, 0, 1, 1, 1, 1]), cuts=st.sets(st.integers(1, 7)))
def test_every_interleaving_ends_in_the_same_state(order: list[int], cuts: set[int]) -> None:
    scripts, rulings = outcome(order, cuts)
    assert scripts == [
        ("w1", "allocated", "tutor-2", 2),
        ("w2", "allocated", "tutor-1", 1),
        ("w3", "allocated", "tutor-2", 1),
    ]
    assert [ruling for _, ruling in rulings] == ["taken"] * 4
