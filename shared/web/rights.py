"""Who may do what: every route of every service, and for each role that may use it, on whose things.

A route that is not here answers nobody: no application starts with one. A role that is not named at a route gets 403; a
thing that is not within the relation gets 404, as if it were not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person is signed in as; a process of ours is a `service`."""

    STUDENT = "student"
    TUTOR = "tutor"
    MONITOR = "monitor"
    """Looks at a sample of the marking of a presentation."""
    SUPPORT = "support"
    """Answers students: sees what they handed in, when, and their receipts."""
    POST_ROOM = "post_room"
    """Takes in work on paper."""
    PROXY = "proxy"
    """Hands in for a student, in a secure environment or on their behalf."""
    OPERATIONS = "operations"
    ADMIN = "admin"
    """Gives and withdraws roles."""
    SERVICE = "service"


class Relation(StrEnum):
    """On whose things somebody may do it."""

    OWN = "own"
    """What is one's own: a student's work, a tutor's scripts, everybody's messages."""
    SCOPE = "scope"
    """What lies within the scope of the role's grant (`shared/web/scopes.py`)."""
    ALL = "all"


Rights = Mapping[str, Relation]
"""Of each role that may, on whose things."""

PUBLIC: Final = None
"""In the place of rights: for everybody, also for who is not signed in."""

STAFF: Final = (
    Role.TUTOR,
    Role.MONITOR,
    Role.SUPPORT,
    Role.POST_ROOM,
    Role.PROXY,
    Role.OPERATIONS,
    Role.ADMIN,
)
PEOPLE: Final = (Role.STUDENT, *STAFF)

_OWN_OF_ALL: Final[Rights] = dict.fromkeys(PEOPLE, Relation.OWN)
_STUDENT: Final[Rights] = {Role.STUDENT: Relation.OWN}
_HANDING_IN: Final[Rights] = {Role.STUDENT: Relation.OWN, Role.PROXY: Relation.SCOPE}
_RECEIPT: Final[Rights] = {Role.STUDENT: Relation.OWN, Role.PROXY: Relation.OWN, Role.SUPPORT: Relation.SCOPE}
_TUTOR: Final[Rights] = {Role.TUTOR: Relation.OWN}
_REQUESTS: Final[Rights] = {Role.STUDENT: Relation.OWN, Role.TUTOR: Relation.OWN, Role.SUPPORT: Relation.SCOPE}
_FINDING: Final[Rights] = {Role.PROXY: Relation.SCOPE, Role.SUPPORT: Relation.SCOPE}
_OPERATIONS: Final[Rights] = {Role.OPERATIONS: Relation.ALL}
_ADMIN: Final[Rights] = {Role.ADMIN: Relation.ALL}
_SERVICE: Final[Rights] = {Role.SERVICE: Relation.ALL}

Table = Mapping[str, Rights | None]
"""Rights by method and address, as routes are written."""

RIGHTS: Final[Table] = {
    # every service
    "GET /healthz": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /favicon.ico": PUBLIC,
    "GET /accessibility": PUBLIC,
    "GET /internal/v1/facts": _SERVICE,
    "GET /internal/v1/status": _SERVICE,
    "GET /internal/v1/dead-letters": _SERVICE,
    "GET /internal/v1/dead-letters/{letter_id}": _SERVICE,
    "GET /internal/v1/dead-letters/{letter_id}/behind": _SERVICE,
    "POST /internal/v1/dead-letters/{letter_id}/rehearsal": _SERVICE,
    "POST /internal/v1/dead-letters/{letter_id}/replay": _SERVICE,
    "POST /internal/v1/dead-letters/{letter_id}/discard": _SERVICE,
    "GET /internal/v1/persons/{person_ref}/rows": _SERVICE,
    "GET /internal/v1/persons/{person_ref}/holds": _SERVICE,
    "GET /internal/v1/persons/{person_ref}/progress": _SERVICE,
    # identity
    "GET /internal/v1/person/{reference}": _SERVICE,
    "POST /internal/v1/person/{person_ref}/looks": _SERVICE,
    "POST /internal/v1/person/{person_ref}/erasure": _SERVICE,
    "GET /sign-in": PUBLIC,
    "POST /sign-in": PUBLIC,
    "GET /sign-in/university": PUBLIC,
    "GET /sign-in/return": PUBLIC,
    "POST /sign-in/role": PUBLIC,
    "POST /sign-out": PUBLIC,
    "GET /sessions": _OWN_OF_ALL,
    "POST /sessions/end": _OWN_OF_ALL,
    "GET /.well-known/session-keys.json": PUBLIC,
    "POST /internal/v1/sessions/{session_id}/renewal": _SERVICE,
    "GET /api/v1/people": _FINDING,
    "GET /roles": _ADMIN,
    "GET /roles/{person_ref}": _ADMIN,
    "POST /roles/{person_ref}/give": _ADMIN,
    "POST /roles/{person_ref}/withdraw": _ADMIN,
    # submission
    "GET /": PUBLIC,
    "GET /verify": PUBLIC,
    "GET /verify/{receipt_id}": PUBLIC,
    "POST /verify": PUBLIC,
    "GET /.well-known/jwks.json": PUBLIC,
    "GET /work": _STUDENT,
    "GET /assignments/{assignment_id}": _STUDENT,
    "POST /assignments/{assignment_id}": _STUDENT,
    "GET /api/v1/students/{person_ref}/submissions": _FINDING,
    "POST /api/v1/assignments/{assignment_id}/submissions": _HANDING_IN,
    "OPTIONS /api/v1/uploads": PUBLIC,
    "POST /api/v1/uploads": _STUDENT,
    "OPTIONS /api/v1/uploads/{upload_id}": PUBLIC,
    "GET /api/v1/uploads/{upload_id}": _STUDENT,
    "HEAD /api/v1/uploads/{upload_id}": _STUDENT,
    "PATCH /api/v1/uploads/{upload_id}": _STUDENT,
    "POST /api/v1/uploads/{upload_id}": _STUDENT,
    "DELETE /api/v1/uploads/{upload_id}": _STUDENT,
    "POST /api/v1/uploads/{upload_id}/confirm": _STUDENT,
    "POST /uploads/{upload_id}/confirm": _STUDENT,
    "POST /uploads/{upload_id}/end": _STUDENT,
    "GET /assignments/{assignment_id}/more-time": _STUDENT,
    "POST /assignments/{assignment_id}/more-time": _STUDENT,
    "GET /requests": _REQUESTS,
    "GET /requests/{request_id}": _REQUESTS,
    "POST /requests/{request_id}": _REQUESTS,
    "POST /api/v1/assignments/{assignment_id}/requests": _STUDENT,
    "GET /api/v1/requests": _REQUESTS,
    "GET /api/v1/requests/{request_id}": _REQUESTS,
    "POST /api/v1/requests/{request_id}/answers": _REQUESTS,
    "GET /receipts/{submission_id}": _STUDENT,
    "GET /api/v1/submissions/{submission_id}/receipt": _RECEIPT,
    "GET /api/v1/submissions/{submission_id}/receipt.pdf": _RECEIPT,
    "GET /api/v1/submissions/{submission_id}/ruling": _RECEIPT,
    # marking
    "GET /tutor": _TUTOR,
    "GET /tutor/scripts/{work_id}": _TUTOR,
    "POST /tutor/scripts/{work_id}/collect": _TUTOR,
    "GET /tutor/scripts/{work_id}/file": _TUTOR,
    "GET /api/v1/scripts": _TUTOR,
    "POST /api/v1/scripts/{work_id}/collection": _TUTOR,
    "GET /api/v1/scripts/{work_id}/content": _TUTOR,
    "GET /tutor/later-versions": _TUTOR,
    "GET /tutor/later-versions/{submission_id}": _TUTOR,
    "POST /tutor/later-versions/{submission_id}": _TUTOR,
    "GET /api/v1/later-versions": _TUTOR,
    "GET /api/v1/later-versions/{submission_id}": _TUTOR,
    "POST /api/v1/later-versions/{submission_id}/answer": _TUTOR,
    # notifier
    "GET /inbox": _OWN_OF_ALL,
    "GET /api/v1/inbox": _OWN_OF_ALL,
    "GET /preferences": _OWN_OF_ALL,
    "POST /preferences": _OWN_OF_ALL,
    "GET /api/v1/preferences": _OWN_OF_ALL,
    "PUT /api/v1/preferences": _OWN_OF_ALL,
    "GET /deliveries": _OPERATIONS,
    "POST /deliveries/{delivery_id}/resend": _OPERATIONS,
    # operations
    "GET /operations": _OPERATIONS,
    "GET /operations/live": _OPERATIONS,
    "GET /operations/dead-letters": _OPERATIONS,
    "GET /operations/dead-letters/{service}/{letter_id}": _OPERATIONS,
    "POST /operations/dead-letters/{service}/{letter_id}/rehearsal": _OPERATIONS,
    "POST /operations/dead-letters/{service}/{letter_id}/replay": _OPERATIONS,
    "POST /operations/dead-letters/{service}/{letter_id}/discard": _OPERATIONS,
    "GET /operations/trail": _OPERATIONS,
    "GET /operations/audit": _OPERATIONS,
    "POST /operations/audit": _OPERATIONS,
    "GET /api/v1/operations/pipeline": _OPERATIONS,
    "GET /api/v1/operations/trail/{reference}": _OPERATIONS,
}
