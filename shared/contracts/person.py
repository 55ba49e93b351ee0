"""Topic `etma.person.v1`: the only facts that hold personal data, so that one tombstone erases it."""

from __future__ import annotations

from shared.contracts.base import Fact, Topic

PERSON = Topic(name="etma.person.v1", producer="identity", compacted=True)


class PersonRecorded(Fact):
    """Who a person is, as full state. `personal_id` is a student's PI, `staff_number` a member of staff's."""

    topic = PERSON
    key_field = "person_ref"

    person_ref: str
    revision: int
    name: str
    email: str | None
    personal_id: str | None
    staff_number: str | None


class PersonErased(Fact):
    """The person was erased: whoever keeps what PersonRecorded said deletes it, and takes no more of it."""

    topic = PERSON
    key_field = "person_ref"
    tombstone = True

    person_ref: str
