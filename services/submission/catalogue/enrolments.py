"""Taking enrolments in step by step: who studies what, in which group, and who has moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby

import sqlalchemy as sa

from services.submission.catalogue.changes import Counts, Difference, Row, compare, record
from services.submission.catalogue.store import CatalogueStore, enrolment_table, group_table, tutor_table
from shared.database import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """A student on a presentation. Without a group, theirs stays; without a tutor, the group's stays."""

    presentation_id: str
    person_ref: str
    status: str
    group_id: str | None = None
    tutor_ref: str | None = None


@dataclass(frozen=True, kw_only=True)
class Regrouping:
    """How groups change: first some lose members, then others are as they are to be."""

    losses: Sequence[Row]
    groups: Difference
    named: Iterable[str]
    moves: int


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step changes."""

    enrolments: Difference
    regroupings: Sequence[Regrouping]

    @property
    def moves(self) -> int:
        return sum(each.moves for each in self.regroupings)


class GroupBook:
    """The groups of one presentation as the steps leave them.

    It is read once and not once a step: a presentation of many steps would be read as many times. Who stood where is
    not kept up to date, because each student is placed once.
    """

    def __init__(self, presentation_id: str, groups: Iterable[Row]) -> None:
        self.presentation_id = presentation_id
        self.rows: dict[str, Row] = {row["group_id"]: row for row in groups}
        self._groups_of: defaultdict[str, list[str]] = defaultdict(list)
        for row in self.rows.values():
            for ref in row["member_refs"]:
                self._groups_of[ref].append(row["group_id"])

    def place(self, placements: Sequence[Placement]) -> Regrouping:
        """Put students into their groups and take them out of all others; those without a group stay."""
        wanted: defaultdict[str, list[Placement]] = defaultdict(list)
        leaving: defaultdict[str, set[str]] = defaultdict(set)
        for each in placements:
            if each.group_id is not None:
                wanted[each.group_id].append(each)
                for group_id in self._groups_of.get(each.person_ref, ()):
                    if group_id != each.group_id:
                        leaving[group_id].add(each.person_ref)
        losses = [self._without(group_id, refs) for group_id, refs in leaving.items()]
        self._keep(losses)
        groups = compare(
            group_table, [self._with(group_id, members) for group_id, members in wanted.items()], self.rows
        )
        self._keep(groups.fresh)
        return Regrouping(losses=losses, groups=groups, named=wanted, moves=len(set().union(*leaving.values())))

    def _without(self, group_id: str, refs: set[str]) -> Row:
        stored = self.rows[group_id]
        return {**stored, "member_refs": [ref for ref in stored["member_refs"] if ref not in refs]}

    def _with(self, group_id: str, placements: Sequence[Placement]) -> Row:
        empty: Row = {"tutor_ref": None, "member_refs": []}
        stored = self.rows.get(group_id, empty)
        named = (each.tutor_ref for each in placements if each.tutor_ref)
        return {
            "group_id": group_id,
            "presentation_id": self.presentation_id,
            "tutor_ref": next(named, stored["tutor_ref"]),
            "member_refs": list(dict.fromkeys([*stored["member_refs"], *(each.person_ref for each in placements)])),
        }

    def _keep(self, rows: Iterable[Row]) -> None:
        self.rows.update((row["group_id"], row) for row in rows)


class Fate(IntEnum):
    """What became of a group over all steps; the highest counts."""

    UNCHANGED = 0
    CHANGED = 1
    NEW = 2


class EnrolmentImport:
    """One import, step by step, each presentation's placements together. Taking the same in twice changes nothing.

    `compare…` says what a step would change; `take…` changes it and announces it. Memory: the groups of the
    presentations of one step, and a word for each group named or changed.
    """

    def __init__(self, store: CatalogueStore) -> None:
        self.store = store
        self._books: Mapping[str, GroupBook] = {}
        self._revision = 0
        self._fates: dict[str, Fate] = {}

    def compare_tutors(self, tutorships: Sequence[tuple[str, str]], connection: sa.Connection) -> Difference:
        """`tutorships` are pairs of a presentation and a tutor's person_ref."""
        rows: list[Row] = [
            {"tutor_id": f"{presentation_id}:{ref}", "presentation_id": presentation_id, "person_ref": ref}
            for presentation_id, ref in tutorships
        ]
        return compare(tutor_table, rows, self.store.known(tutor_table, [row["tutor_id"] for row in rows], connection))

    def take_tutors(self, tutorships: Sequence[tuple[str, str]], tx: Transaction) -> Difference:
        tx.lock("catalogue")
        difference = self.compare_tutors(tutorships, tx.connection)
        record(self.store, tutor_table, difference.fresh, tx)
        return difference

    def compare(self, placements: Sequence[Placement], connection: sa.Connection) -> Step:
        self._open_books({each.presentation_id for each in placements}, connection)
        rows = [_enrolment(each) for each in placements]
        known = self.store.known(enrolment_table, [row["enrolment_id"] for row in rows], connection)
        regroupings = [
            self._books[presentation_id].place(list(members))
            for presentation_id, members in groupby(placements, key=lambda each: each.presentation_id)
        ]
        for regrouping in regroupings:
            self._note(regrouping)
        return Step(enrolments=compare(enrolment_table, rows, known), regroupings=regroupings)

    def take(self, placements: Sequence[Placement], tx: Transaction) -> Step:
        """A student who moves is announced first as gone from the old group, then as a member of the new one."""
        tx.lock("catalogue")
        step = self.compare(placements, tx.connection)
        record(self.store, enrolment_table, step.enrolments.fresh, tx)
        record(self.store, group_table, [row for each in step.regroupings for row in each.losses], tx)
        record(self.store, group_table, [row for each in step.regroupings for row in each.groups.fresh], tx)
        self._revision = self.store.last_revision(tx.connection)
        return step

    def group_counts(self) -> Counts:
        """Every group named or changed so far, once."""
        fates = list(self._fates.values())
        new, changed, unchanged = (fates.count(fate) for fate in (Fate.NEW, Fate.CHANGED, Fate.UNCHANGED))
        return Counts(new=new, changed=changed, unchanged=unchanged)

    def _open_books(self, presentation_ids: set[str], connection: sa.Connection) -> None:
        """Have the groups of these presentations, and no others; all anew when somebody else changed the catalogue."""
        revision = self.store.last_revision(connection)
        kept = self._books if revision == self._revision else {}
        self._revision = revision
        missing = sorted(presentation_ids - kept.keys())
        groups: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self.store.groups_of(missing, connection):
            groups[str(row["presentation_id"])].append(row)
        self._books = {each: kept[each] if each in kept else GroupBook(each, groups[each]) for each in presentation_ids}

    def _note(self, regrouping: Regrouping) -> None:
        for group_id in regrouping.named:
            self._fates.setdefault(group_id, Fate.UNCHANGED)
        for fate, rows in (
            (Fate.CHANGED, regrouping.losses),
            (Fate.CHANGED, regrouping.groups.changed),
            (Fate.NEW, regrouping.groups.new),
        ):
            for row in rows:
                self._fates[row["group_id"]] = max(fate, self._fates.get(row["group_id"], fate))


def _enrolment(placement: Placement) -> Row:
    return {
        "enrolment_id": f"{placement.presentation_id}:{placement.person_ref}",
        "presentation_id": placement.presentation_id,
        "person_ref": placement.person_ref,
        "status": placement.status,
    }
