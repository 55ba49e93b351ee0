"""Facts by the thousand, as submission says them of many students' first versions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

from services.system import System
from shared.chunks import in_chunks
from shared.contracts import AssignmentKind, Band, Channel, SubmissionReceived, SubmissionStatus, work_id_of
from shared.messaging.relay import Relay

CHUNK = 500


def fill_outbox(system: System, count: int) -> None:
    """Write so many facts to submission's outbox, where they wait for a relay."""
    for chunk in in_chunks(_received(system, count), CHUNK):
        with system.submission.database.transaction() as tx:
            tx.publish_all(chunk)


def relay_of(system: System) -> Relay:
    """Submission's relay, as its process runs it."""
    return Relay(system.submission.database, system.platform.bus)


def received_of(assignment_id: str, presentation_id: str, person_ref: str, *, now: datetime) -> SubmissionReceived:
    """A student's first version, on time."""
    work_id = work_id_of(assignment_id, person_ref)
    return SubmissionReceived(
        work_id=work_id,
        submission_id=str(uuid.uuid4()),
        version=1,
        assignment_id=assignment_id,
        presentation_id=presentation_id,
        assignment_kind=AssignmentKind.TMA,
        scored=True,
        anonymous=False,
        person_ref=person_ref,
        submitted_by=person_ref,
        channel=Channel.API,
        upload_started_at=now,
        arrived_at=now,
        cut_off_at=now + timedelta(days=20),
        cut_off_revision=1,
        band=Band.ON_TIME,
        status=SubmissionStatus.ACCEPTED,
        object_key=f"{assignment_id}/{work_id}/{uuid.uuid4()}",
        object_version=str(uuid.uuid4()),
        size_bytes=100_000,
        sha256=uuid.uuid4().hex * 2,
        media_type="application/pdf",
        receipt_id=str(uuid.uuid4()),
    )


def _received(system: System, count: int) -> Iterator[SubmissionReceived]:
    now = system.platform.clock.now()
    for _ in range(count):
        yield received_of("B100-26J-TMA01", "B100-26J", str(uuid.uuid4()), now=now)
