"""Requests for tests: the real use cases on a real database, with a clock that the test moves."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from services.submission.catalogue.handlers import CatalogueImport
from services.submission.catalogue.store import CatalogueStore
from services.submission.catalogue.university import (
    AssignmentEntry,
    GroupEntry,
    ModuleEntry,
    PresentationEntry,
    University,
)
from services.submission.catalogue.views import CatalogueViews
from services.submission.deadlines.domain import Deadline
from services.submission.deadlines.views import Deadlines
from services.submission.negotiation.domain import Answer, Move, Reason, Request, Rules
from services.submission.negotiation.handlers import Asked, Requests
from services.submission.negotiation.store import request_table, word_table
from services.submission.negotiation.views import RequestViews
from services.submission.tables import metadata
from shared.contracts import FACTS, AssignmentKind, CutOffChanged, Fact, RequestFact, work_id_of
from shared.database import Context
from shared.messaging.tables import outbox, timer
from shared.timers import TimersLoop
from shared.web.tokens import Principal
from tests.support.databases import ManualClock, make_database

ANN, BEN, TOM, UNA, SUE = "ann", "ben", "tom", "una", "sue"
TMA, EMA = "K827-26J-TMA01", "K827-26J-EMA30"
CUT_OFF_DAY = date(2026, 12, 7)
NUMBERS = {"P1000001": ANN, "P1000002": BEN, "00000001": TOM, "00000002": UNA}


def caller(person_ref: str, role: str, scopes: tuple[str, ...] = ()) -> Principal:
    return Principal(person_ref=person_ref, role=role, session_id="s1", scopes=scopes)


STUDENT, OTHER_STUDENT = caller(ANN, "student"), caller(BEN, "student")
TUTOR, OTHER_TUTOR = caller(TOM, "tutor"), caller(UNA, "tutor")
SUPPORT = caller(SUE, "support", ("*",))


def university(tutor: str | None) -> University:
    """Ann's group has this tutor, a staff number; Ben's has the other one."""
    assignments = (
        AssignmentEntry(number="TMA01", title="Open", kind=AssignmentKind.TMA, cut_off=CUT_OFF_DAY),
        AssignmentEntry(number="EMA30", title="End", kind=AssignmentKind.EMA, cut_off=CUT_OFF_DAY),
    )
    groups = (
        GroupEntry(number="G01", tutor=tutor, students=("P1000001",)),
        GroupEntry(number="G02", tutor="00000002", students=("P1000002",)),
    )
    presentation = PresentationEntry(
        code="26J", assignments=assignments, enrolled=("P1000001", "P1000002"), groups=groups
    )
    return University(modules=(ModuleEntry(code="K827", title="Communities", presentations=(presentation,)),))


class House:
    """The parts together, at nine in the morning of Tuesday 1 December 2026."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(datetime.fromisoformat("2026-12-01T09:00:00+00:00"))
        self.database = make_database(metadata, folder, "submission", self.clock)
        self.deadlines = Deadlines(RequestViews().protected)
        self.requests = Requests(
            database=self.database, catalogue=CatalogueViews(), deadlines=self.deadlines, rules=Rules()
        )
        self.give_group("00000001")

    def give_group(self, tutor: str | None) -> None:
        """Take the catalogue in with this tutor of Ann's group."""
        with self.database.transaction() as tx:
            CatalogueImport(CatalogueStore(self.requests.expect_regrouping)).apply(university(tutor), NUMBERS, tx)

    def ask(self, day: date, *, student: Principal = STUDENT, words: str = "please") -> Request:
        return self.requests.ask(TMA, Asked(day=day, reason=Reason.ILLNESS, words=words), student)

    def answer(
        self, request: Request, move: Move, who: Principal, *, day: date | None = None, words: str = "well"
    ) -> Request:
        """Answer the terms that this request has."""
        given = Answer(move=move, revision=request.revision, day=day)
        return self.requests.answer(request.request_id, given, words, who)

    def now(self, request: Request) -> Request:
        """The request as it is stored."""
        with self.database.transaction(Context(actor="test")) as tx:
            found = self.requests.store.of_id(request.request_id, tx)
        assert found is not None
        return found

    def wait(self, **given: int) -> None:
        """Let time pass, and fire what is due then, as often as something is."""
        self.clock.advance(timedelta(**given))
        self.fire()

    def fire(self) -> None:
        loop = TimersLoop(self.database, self.requests.timer_handlers())
        while loop.step(threading.Event()):
            pass

    def said(self) -> list[str]:
        """The names of all facts about requests, in their order."""
        return [type(fact).__name__ for fact in self.facts() if isinstance(fact, (RequestFact, CutOffChanged))]

    def facts(self) -> Sequence[Fact]:
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(outbox).order_by(outbox.c.position)).all()
        return [FACTS[row.type].read(row.key, row.value) for row in rows]

    def deadline(self, person_ref: str = ANN) -> Deadline:
        with self.database.reading() as connection:
            assignment = self.requests.catalogue.assignment(connection, TMA)
            assert assignment is not None
            return self.deadlines.of(connection, assignment, work_id_of(TMA, person_ref))

    def rows(self, table: sa.Table) -> list[sa.RowMapping]:
        with self.database.reading() as connection:
            return list(connection.execute(sa.select(table)).mappings())

    def words(self) -> list[sa.RowMapping]:
        return self.rows(word_table)

    def stored(self) -> list[sa.RowMapping]:
        return self.rows(request_table)

    def timers(self) -> set[tuple[str, str]]:
        return {(row["kind"], row["key"]) for row in self.rows(timer)}
