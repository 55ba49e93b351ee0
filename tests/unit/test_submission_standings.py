"""What a student is told of each version is what is true of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from services.submission.submissions.domain import Standing, standings, summary_of

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    version: int
    ruling: str | None = None
    collected_at: datetime | None = None

    @property
    def submission_id(self) -> str:
        return f"s{self.version}"


RECEIVED, WAITING, WITH_TUTOR, REPLACED, KEPT = Standing


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([Version(1)], [RECEIVED]),
        ([Version(1, "taken")], [WAITING]),
        ([Version(1, "taken"), Version(2)], [WAITING, RECEIVED]),
        ([Version(1, "taken"), Version(2, "taken")], [REPLACED, WAITING]),
        ([Version(1, "taken"), Version(2, "taken", NOON)], [REPLACED, WITH_TUTOR]),
        ([Version(1, "taken", NOON), Version(2)], [WITH_TUTOR, RECEIVED]),
        ([Version(1), Version(2, None, NOON)], [RECEIVED, WITH_TUTOR]),
        ([Version(1, "taken"), Version(2, "taken", NOON), Version(3, "not_taken")], [REPLACED, WITH_TUTOR, KEPT]),
        ([], []),
    ],
)
def test_each_version_stands_as_it_was_ruled_and_collected(versions: list[Version], expected: list[Standing]) -> None:
    assert list(standings(versions).values()) == expected
    assert list(standings(versions[::-1]).values()) == expected[::-1]


@pytest.mark.parametrize(
    ("versions", "chosen", "with_tutor", "later"),
    [
        ([Version(1)], 1, False, []),
        ([Version(1, "taken"), Version(2)], 2, False, []),
        ([Version(1, "taken", NOON)], 1, True, []),
        ([Version(1, "taken"), Version(2, "taken", NOON), Version(3, "not_taken"), Version(4)], 2, True, [3, 4]),
    ],
)
def test_a_work_is_summed_up_by_what_the_tutor_has_else_by_the_latest(
    versions: list[Version], chosen: int, with_tutor: object, later: list[int]
) -> None:
    for order in (versions, versions[::-1]):
        summary = summary_of(order)
        assert (summary.chosen.version, summary.with_tutor) == (chosen, with_tutor)
        assert [each.version for each in summary.later] == later
