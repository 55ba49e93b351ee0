"""What the university's provider says of somebody, and what that makes them here. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.identity.grants.domain import Grant, checked_grant
from shared.errors import Forbidden, Rejected
from shared.web.scopes import EVERYTHING


class SignInFailed(Rejected):
    """The way to the provider and back did not come to its end; beginning again helps."""

    code = "sign_in_failed"
    status = 400
    title = "You were not signed in"


class Misunderstood(Forbidden):
    """The provider vouches for somebody, but not in the way that was agreed."""

    code = "sign_in_misunderstood"
    title = "The university's sign-in does not tell who you are here"


class NotKnownHere(Forbidden):
    """The provider vouches for somebody of whom nothing is known here, or who has no role."""

    code = "not_known_here"
    title = "You are signed in at the university, but not known here"


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How the provider's claims are read.

    `number_claim` holds the PI or the staff number. `roles_claim` is a path such as `realm_access.roles` to a list of
    words, and `roles` says what each means: a role, or a role and its scope as `support@presentation:K827-26J`.
    Without `roles_claim` the provider says nothing of roles.
    """

    number_claim: str
    roles_claim: str = ""
    roles: Mapping[str, str]


def number_of(claims: Mapping[str, Any], agreement: Agreement) -> str:
    """The PI or staff number; raises `Misunderstood`."""
    number = _at(claims, agreement.number_claim)
    if not isinstance(number, str) or not number:
        raise Misunderstood(
            f"The university's sign-in did not send your number (the claim {agreement.number_claim}). "
            "Please tell the help desk; signing in again does not help."
        )
    return number


def grants_of(claims: Mapping[str, Any], person_ref: str, agreement: Agreement) -> list[Grant] | None:
    """The roles that the provider gives; None when it says nothing of roles. Raises `BadGrant` and `BadScope`."""
    if not agreement.roles_claim:
        return None
    said = _at(claims, agreement.roles_claim)
    words: Iterable[object] = said if isinstance(said, list) else [said]
    meant = {agreement.roles[word] for word in words if isinstance(word, str) and word in agreement.roles}
    return [_grant(person_ref, each) for each in sorted(meant)]


def _grant(person_ref: str, meant: str) -> Grant:
    role, _, scope = meant.partition("@")
    return checked_grant(Grant(person_ref=person_ref, role=role, scope=scope or EVERYTHING))


def _at(claims: Mapping[str, Any], path: str) -> object:
    found: object = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
