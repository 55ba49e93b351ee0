"""Decides, once and with a reason, which version counts and who marks it; holds what it cannot place yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.marking.allocation.domain import Decision, Script, place_again, take_in
from services.marking.allocation.store import ScriptStore
from services.marking.later_versions.handlers import Asking
from services.marking.tutors.store import TutorStore, group_table
from shared.contracts import LatenessCorrected, SubmissionReceived, TutorGroupRecorded, VersionNotTaken
from shared.database import Transaction
from shared.messaging.consumer import HandlerTable
from shared.projections import newest


class Allocation:
    """Every interleaving of submissions and group facts ends with the same tutor for the same script.

    Locks are taken before anything is read: groups, then students, then works.
    """

    def __init__(self, scripts: ScriptStore, tutors: TutorStore, asking: Asking) -> None:
        self.scripts = scripts
        self.tutors = tutors
        self.asking = asking

    def table(self) -> HandlerTable:
        return {
            SubmissionReceived: self.take_in,
            LatenessCorrected: self.correct,
            TutorGroupRecorded: self.regroup,
        }

    def take_in(self, received: Sequence[SubmissionReceived], tx: Transaction) -> None:
        """Rule on each version; give each new script to its group's tutor, or hold it and say what it waits for.

        About a version that came after collection, the tutor is asked.
        """
        _lock_students(((fact.presentation_id, fact.person_ref) for fact in received), tx)
        tx.lock(*(fact.work_id for fact in received))
        scripts = self.scripts.of_works([fact.work_id for fact in received], tx)
        places = self.tutors.places_of([fact.person_ref for fact in received], tx)
        decisions = []
        for fact in received:
            place = places.get((fact.presentation_id, fact.person_ref))
            decision = take_in(fact, scripts.get(fact.work_id), place, now=tx.now)
            scripts[fact.work_id] = decision.script
            decisions.append((fact, decision))
        self.scripts.save_all(scripts.values(), tx)
        self.scripts.add_rulings([(fact, *_ruling(decision)) for fact, decision in decisions], tx)
        self.asking.ask(_not_taken(decision for _, decision in decisions), scripts, tx)
        tx.publish_each((said, fact) for fact, decision in decisions for said in decision.facts)

    def regroup(self, recorded: Sequence[TutorGroupRecorded], tx: Transaction) -> None:
        """Take the groups' new state; release, move or hold the scripts of everybody it touches."""
        tx.lock(*(fact.group_id for fact in recorded))
        news = self._news(recorded, tx)
        if not news:
            return
        before = self.tutors.members_of([fact.group_id for fact in news], tx)
        after = {fact.group_id: fact.member_refs for fact in news}
        _lock_students(
            ((f.presentation_id, ref) for f in news for ref in (*before.get(f.group_id, ()), *f.member_refs)), tx
        )
        self.tutors.replace_members(after, tx)
        touched = {ref for members in (before, after) for refs in members.values() for ref in refs}
        scripts = self.scripts.open_of_persons(sorted(touched), tx)
        tx.lock(*(script.work_id for script in scripts))
        scripts = self.scripts.open_of_persons(sorted(touched), tx)
        places = self.tutors.places_of(sorted(touched), tx)
        decisions = [
            place_again(script, places.get((script.presentation_id, script.person_ref)), now=tx.now)
            for script in scripts
        ]
        self.scripts.save_all(_changed(scripts, decisions), tx)
        tx.publish_all(fact for decision in decisions for fact in decision.facts)

    def correct(self, corrected: Sequence[LatenessCorrected], tx: Transaction) -> None:
        """Show tutors the ruling on lateness that holds now; it changes nothing of who marks what."""
        tx.lock(*(fact.work_id for fact in corrected))
        self.scripts.correct(corrected, tx)

    def _news(self, recorded: Sequence[TutorGroupRecorded], tx: Transaction) -> list[TutorGroupRecorded]:
        names = {"group_id", "revision", "presentation_id", "tutor_ref"}
        rows = newest(group_table, [fact.model_dump(include=names) for fact in recorded], tx)
        revisions = {(row["group_id"], row["revision"]) for row in rows}
        return [fact for fact in recorded if (fact.group_id, fact.revision) in revisions]


def _lock_students(students: Iterable[tuple[str, str]], tx: Transaction) -> None:
    """Lock what a version and a group both turn on: where a student is, in a presentation.

    Else a version that reads "no group", while the fact that brings the group finds no script, would be held for ever.
    """
    tx.lock(*(f"{presentation_id}/{person_ref}" for presentation_id, person_ref in students))


def _ruling(decision: Decision) -> tuple[str, str | None]:
    first = decision.facts[0]
    return ("not_taken", str(first.reason)) if isinstance(first, VersionNotTaken) else ("taken", None)


def _not_taken(decisions: Iterable[Decision]) -> list[VersionNotTaken]:
    return [fact for decision in decisions for fact in decision.facts if isinstance(fact, VersionNotTaken)]


def _changed(before: Sequence[Script], decisions: Sequence[Decision]) -> list[Script]:
    return [decision.script for script, decision in zip(before, decisions, strict=True) if decision.script != script]
