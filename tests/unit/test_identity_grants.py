"""Roles and sessions: what holds now, how far it reaches, and when a session is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.identity.grants.domain import BadGrant, Grant, Holding, checked_grant, end_of, holding_of
from services.identity.sessions.domain import Session
from shared.web.scopes import BadScope, checked_scope, covers

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN = "0d1f2a3b-0000-4000-8000-000000000001"


def grant(scope: str = "*", *, begins: timedelta | None = None, ends: timedelta | None = None) -> Grant:
    return Grant(
        person_ref=ANN,
        role="support",
        scope=scope,
        valid_from=None if begins is None else NOW + begins,
        valid_until=None if ends is None else NOW + ends,
    )


def test_a_role_without_times_holds_for_good() -> None:
    assert holding_of([grant()], now=NOW) == Holding(person_ref=ANN, scopes=("*",), until=None)


def test_a_role_holds_from_its_beginning_on_and_before_its_end() -> None:
    assert holding_of([grant(begins=timedelta(0), ends=HOUR)], now=NOW) is not None
    assert holding_of([grant(begins=timedelta(microseconds=1))], now=NOW) is None
    assert holding_of([grant(ends=timedelta(0))], now=NOW) is None


def test_what_holds_of_several_grants_is_put_together_and_lasts_as_long_as_the_last() -> None:
    grants = [
        grant("presentation:A", ends=HOUR),
        grant("presentation:B", ends=2 * HOUR),
        grant("presentation:C", ends=-HOUR),
    ]
    held = Holding(person_ref=ANN, scopes=("presentation:A", "presentation:B"), until=NOW + 2 * HOUR)
    assert holding_of(grants, now=NOW) == held
    assert holding_of([*grants, grant("presentation:D")], now=NOW) == Holding(
        person_ref=ANN, scopes=("presentation:A", "presentation:B", "presentation:D"), until=None
    )


def test_a_grant_that_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(BadGrant, match="before it begins"):
        checked_grant(grant(begins=HOUR, ends=HOUR))
    with pytest.raises(BadGrant, match="no role emperor"):
        checked_grant(Grant(person_ref=ANN, role="emperor"))
    with pytest.raises(BadGrant, match="no role service"):
        checked_grant(Grant(person_ref=ANN, role="service"))


@pytest.mark.parametrize("scope", ["", "**", "presentation:", "presentation:a b", "person:ann", "module:K827", "* "])
def test_a_scope_that_is_none_is_refused(scope: str) -> None:
    with pytest.raises(BadScope, match="presentation:ID"):
        checked_scope(scope)


@pytest.mark.parametrize(
    ("scopes", "reached"),
    [
        (("*",), True),
        (("presentation:K827-26J",), True),
        ((f"person:{ANN}",), True),
        (("presentation:K828-26J", f"person:{ANN}"), True),
        (("presentation:K828-26J",), False),
        (("person:0d1f2a3b-0000-4000-8000-000000000002",), False),
        ((), False),
    ],
)
def test_a_scope_reaches_what_it_names(scopes: tuple[str, ...], *, reached: bool) -> None:
    assert covers(scopes, presentation_id="K827-26J", person_ref=ANN) is reached


def test_the_end_of_a_day_is_that_of_the_university() -> None:
    assert end_of("2026-07-01") == datetime(2026, 7, 1, 23, tzinfo=UTC)
    assert end_of("2026-12-01") == datetime(2026, 12, 2, tzinfo=UTC)
    assert end_of("") is None
    for day in ("tomorrow", "9999-12-31", "2026-02-30"):
        with pytest.raises(BadGrant, match="is no day"):
            end_of(day)


def session(**changed: object) -> Session:
    usual = {
        "session_id": "s",
        "person_ref": ANN,
        "role": "student",
        "created_at": NOW,
        "expires_at": NOW + 12 * HOUR,
        "seen_at": NOW,
        "idle": HOUR,
    }
    return Session(**{**usual, **changed})  # type: ignore[arg-type]


def test_a_session_ends_when_it_is_too_old_unused_or_signed_out() -> None:
    assert session().is_open(NOW + HOUR - timedelta(seconds=1))
    assert not session().is_open(NOW + HOUR)
    used = session(seen_at=NOW + 11 * HOUR + timedelta(minutes=30))
    assert used.is_open(NOW + 12 * HOUR - timedelta(seconds=1))
    assert not used.is_open(NOW + 12 * HOUR)
    assert not session(ended_at=NOW).is_open(NOW)


def test_the_use_of_a_session_is_noted_once_a_minute() -> None:
    assert not session().is_news(NOW + timedelta(seconds=59))
    assert session().is_news(NOW + timedelta(minutes=1))
