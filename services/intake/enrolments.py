"""Taking a file of enrolments in: read and checked as a whole, then applied in steps to identity and to submission.

Every step is one transaction and finds what is done already unchanged, so the same file goes on where a kill stopped
it. People come first, then tutors, then enrolments with groups: whoever is enrolled is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, Final

from services.identity.people.handlers import PeopleDifference, StudentUpdate
from services.submission.catalogue.changes import Counts, Difference
from services.submission.catalogue.enrolments import EnrolmentImport, Placement, Step
from services.submission.catalogue.enrolments_csv import Mistakes, read_enrolments
from services.submission.catalogue.reader import Mistake
from services.submission.catalogue.sheet import Mention, Sheet, StudentMention
from services.system import System
from shared.chunks import in_chunks

STEP: Final = 2_000
"""Rows a step: while one is written, which takes a third of a second, a student who hands in waits."""

OnProgress = Callable[[str, int], None]
"""Called with the name of the part that is done, and with how many more rows."""


@dataclass(frozen=True, kw_only=True)
class EnrolmentCounts:
    """What an import changed, or would change. `moves`: students who leave a group for another one."""

    rows: int
    persons: Counts
    tutors: Counts
    enrolments: Counts
    groups: Counts
    moves: int


class EnrolmentIntake:
    """A dry run goes the same way and leaves out only the writing."""

    def __init__(self, system: System, *, dry_run: bool, on_progress: OnProgress, step: int = STEP) -> None:
        self.identity = system.identity
        self.submission = system.submission
        self.dry_run = dry_run
        self.on_progress = on_progress
        self.step = step
        self.store = system.submission.catalogue_store

    def run(self, file: BinaryIO) -> EnrolmentCounts:
        """Take the file in; raises `EnrolmentMistakes`, and then nothing was changed."""
        with closing(Sheet()) as sheet:
            self._read(file, sheet)
            persons = self._take_persons(sheet)
            return self._take_enrolments(sheet, persons)

    def _read(self, file: BinaryIO, sheet: Sheet) -> None:
        mistakes = Mistakes()
        for more in sheet.fill(read_enrolments(file, mistakes), step=self.step):
            self.on_progress("read", more)
        mistakes.add_all(sheet.contradictions())
        mistakes.add_all(sheet.crowds())
        mistakes.add_all(self._unknown_presentations(sheet.presentations()))
        mistakes.add_all(self._unknown_tutors(sheet.tutors(), sheet))
        mistakes.add_all(self._nameless(sheet))
        mistakes.stop_if_any()

    def _unknown_presentations(self, mentions: Sequence[Mention]) -> Iterator[Mistake]:
        with self.submission.database.reading() as connection:
            known = self.store.presentations([each.what for each in mentions], connection)
        for each in mentions:
            if each.what not in known:
                message = f"the catalogue has no assignment of {each.what}{_again(each)}"
                yield Mistake(line=each.line, field="presentation", message=message)

    def _unknown_tutors(self, mentions: Sequence[Mention], sheet: Sheet) -> Iterator[Mistake]:
        """Those whom nobody has described; the others' refs are kept."""
        with self.identity.database.reading() as connection:
            known = self.identity.people.store.by_identifier([each.what for each in mentions], connection)
        sheet.keep_refs({number: str(row["person_ref"]) for number, row in known.items()})
        for each in mentions:
            if each.what not in known:
                message = f"no member of staff with the number {each.what} is known{_again(each)}"
                yield Mistake(line=each.line, field="tutor", message=message)

    def _nameless(self, sheet: Sheet) -> Iterator[Mistake]:
        """Students who are not known, and of whom no line says the name or no line the address."""
        incomplete = (each for each in sheet.students() if each.name is None or each.email is None)
        for chunk in in_chunks(incomplete, self.step):
            with self.identity.database.reading() as connection:
                known = self.identity.people.store.by_identifier([each.personal_id for each in chunk], connection)
            for each in chunk:
                if each.personal_id not in known:
                    yield from _missing(each)

    def _take_persons(self, sheet: Sheet) -> Counts:
        counts = Counts()
        for chunk in in_chunks(sheet.students(), self.step):
            updates = [StudentUpdate(personal_id=s.personal_id, name=s.name, email=s.email) for s in chunk]
            found = self._take_students(updates)
            sheet.keep_refs(found.refs)
            new, changed = len(found.new), len(found.changed)
            counts = counts.plus(Counts(new=new, changed=changed, unchanged=len(chunk) - new - changed))
            self.on_progress("persons", len(chunk))
        return counts

    def _take_enrolments(self, sheet: Sheet, persons: Counts) -> EnrolmentCounts:
        taking = EnrolmentImport(self.store)
        rows, moves, tutors, enrolments = 0, 0, Counts(), Counts()
        for tutorships in in_chunks(sheet.tutorships(), self.step):
            tutors = tutors.plus(self._take_tutors(taking, tutorships).counts)
        for placements in sheet.placements(step=self.step):
            step = self._take_step(taking, placements)
            rows += len(placements)
            moves += step.moves
            enrolments = enrolments.plus(step.enrolments.counts)
            self.on_progress("enrolments", len(placements))
        return EnrolmentCounts(
            rows=rows, persons=persons, tutors=tutors, enrolments=enrolments, groups=taking.group_counts(), moves=moves
        )

    def _take_students(self, updates: Sequence[StudentUpdate]) -> PeopleDifference:
        people = self.identity.people
        if self.dry_run:
            with self.identity.database.reading() as connection:
                return people.compare_students(updates, connection)
        with self.identity.database.transaction() as tx:
            return people.take_students(updates, tx)

    def _take_tutors(self, taking: EnrolmentImport, tutorships: Sequence[tuple[str, str]]) -> Difference:
        if self.dry_run:
            with self.submission.database.reading() as connection:
                return taking.compare_tutors(tutorships, connection)
        with self.submission.database.transaction() as tx:
            return taking.take_tutors(tutorships, tx)

    def _take_step(self, taking: EnrolmentImport, placements: Sequence[Placement]) -> Step:
        if self.dry_run:
            with self.submission.database.reading() as connection:
                return taking.compare(placements, connection)
        with self.submission.database.transaction() as tx:
            return taking.take(placements, tx)


def _again(mention: Mention) -> str:
    return f" ({mention.times:,} lines)" if mention.times > 1 else ""


def _missing(student: StudentMention) -> Iterator[Mistake]:
    values: Mapping[str, str | None] = {"name": student.name, "email": student.email}
    for field, value in values.items():
        if value is None:
            message = f"is empty; {student.personal_id} is not known yet, and no line of the file says it"
            yield Mistake(line=student.line, field=field, message=message)
