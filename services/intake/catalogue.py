"""Taking a university in: who its people are goes to identity, what they study and teach to submission."""

from __future__ import annotations

from collections.abc import Iterator

from services.identity.people.handlers import PersonEntry
from services.submission.catalogue.changes import Counts
from services.submission.catalogue.demo import demo_university
from services.submission.catalogue.university import University
from services.system import System
from shared.clock import LONDON
from shared.errors import Rejected


class UnknownPeople(Rejected):
    """A catalogue names people whom nobody described."""

    code = "unknown_people"
    title = "The file names people whom nobody described; nothing of the catalogue was changed"


def load_demo(system: System) -> None:
    """Load the demo university into an empty system; an existing catalogue stays as it is."""
    with system.submission.database.reading() as connection:
        empty = system.submission.catalogue.is_empty(connection)
    if empty:
        today = system.platform.clock.now().astimezone(LONDON).date()
        take_in(system, demo_university(today))


def take_in(system: System, university: University) -> dict[str, Counts]:
    """Record the people with identity, then the catalogue with submission; both idempotent.

    Raises `UnknownPeople` when it names somebody who is neither described in it nor known.
    """
    with system.identity.database.transaction() as tx:
        people = system.identity.people.record(list(_people(university)), tx)
    people |= person_refs(system, _named(university) - people.keys())
    with system.submission.database.transaction() as tx:
        return system.submission.catalogue_import.apply(university, people, tx)


def person_refs(system: System, identifiers: set[str]) -> dict[str, str]:
    """The person_ref of each PI and staff number; raises `UnknownPeople`."""
    with system.identity.database.reading() as connection:
        known = system.identity.people.store.by_identifier(sorted(identifiers), connection)
    missing = sorted(identifiers - known.keys())
    if missing:
        raise UnknownPeople(f"{', '.join(missing[:10])}: add them under students or staff.")
    return {identifier: str(row["person_ref"]) for identifier, row in known.items()}


def _named(university: University) -> set[str]:
    presentations = [presentation for module in university.modules for presentation in module.presentations]
    groups = [group for presentation in presentations for group in presentation.groups]
    return {
        *(student for each in presentations for student in (*each.enrolled, *each.withdrawn)),
        *(student for group in groups for student in group.students),
        *(group.tutor for group in groups if group.tutor),
    }


def _people(university: University) -> Iterator[PersonEntry]:
    for student in university.students:
        yield PersonEntry(name=student.name, email=student.email, roles=("student",), personal_id=student.personal_id)
    for member in university.staff:
        yield PersonEntry(name=member.name, email=member.email, roles=member.roles, staff_number=member.staff_number)
