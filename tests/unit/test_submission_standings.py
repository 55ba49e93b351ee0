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
    decision: str | None = None
    reason: str = "collected"

    @property
    def submission_id(self) -> str:
        return f"s{self.version}"

    @property
    def ruling_reason(self) -> str | None:
        return self.reason if self.ruling == "not_taken" else None


RECEIVED, WAITING, WITH_TUTOR, REPLACED, ASKED, PASSED_OVER, TAKEN_INSTEAD, DECLINED, KEPT = Standing


def late(version: int, *, decision: str | None = None, collected_at: datetime | None = None) -> Version:
    """One that came after the tutor had collected an earlier one."""
    return Version(version, "not_taken", collected_at, decision)


FIRST = Version(1, "taken", NOON)
"""The version that the tutor collected."""


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([Version(1)], [RECEIVED]),
        ([Version(1, "taken")], [WAITING]),
        ([Version(1, "taken"), Version(2)], [WAITING, RECEIVED]),
        ([Version(1, "taken"), Version(2, "taken")], [REPLACED, WAITING]),
        ([Version(1, "taken"), Version(2, "taken", NOON)], [REPLACED, WITH_TUTOR]),
        ([FIRST, Version(2)], [WITH_TUTOR, RECEIVED]),
        ([Version(1), Version(2, None, NOON)], [RECEIVED, WITH_TUTOR]),
        ([Version(1, "taken"), Version(2, "taken", NOON), late(3)], [REPLACED, WITH_TUTOR, ASKED]),
        ([FIRST, late(2), late(3)], [WITH_TUTOR, PASSED_OVER, ASKED]),
        ([FIRST, late(2), Version(3)], [WITH_TUTOR, ASKED, RECEIVED]),
        ([FIRST, late(2, decision="declined")], [WITH_TUTOR, DECLINED]),
        ([FIRST, late(2, decision="declined"), late(3)], [WITH_TUTOR, DECLINED, ASKED]),
        ([FIRST, late(2, decision="taken")], [REPLACED, TAKEN_INSTEAD]),
        ([FIRST, late(2, decision="taken", collected_at=NOON)], [REPLACED, WITH_TUTOR]),
        ([FIRST, late(2, decision="taken"), Version(3, "taken")], [REPLACED, REPLACED, WAITING]),
        ([FIRST, late(2), late(3, decision="taken")], [REPLACED, PASSED_OVER, TAKEN_INSTEAD]),
        ([FIRST, late(2, decision="taken", collected_at=NOON), late(3)], [REPLACED, WITH_TUTOR, ASKED]),
        ([FIRST, Version(2, "not_taken", reason="returned")], [WITH_TUTOR, KEPT]),
        ([FIRST, Version(2, "not_taken", reason="unknown")], [WITH_TUTOR, KEPT]),
        ([], []),
    ],
)
def test_each_version_stands_as_it_was_ruled_chosen_and_collected(
    versions: list[Version], expected: list[Standing]
) -> None:
    assert list(standings(versions).values()) == expected
    assert list(standings(versions[::-1]).values()) == expected[::-1]


@pytest.mark.parametrize(
    ("versions", "chosen", "with_tutor", "later"),
    [
        ([Version(1)], 1, False, []),
        ([Version(1, "taken"), Version(2)], 2, False, []),
        ([FIRST], 1, True, []),
        ([Version(1, "taken"), Version(2, "taken", NOON), late(3), Version(4)], 2, True, [3, 4]),
        ([FIRST, late(2, decision="declined")], 1, True, [2]),
        ([FIRST, late(2, decision="taken")], 2, False, []),
        ([FIRST, late(2, decision="taken"), Version(3, "taken"), Version(4)], 3, False, [4]),
    ],
)
def test_a_work_is_summed_up_by_what_the_tutor_has_else_by_the_latest(
    versions: list[Version], chosen: int, with_tutor: object, later: list[int]
) -> None:
    for order in (versions, versions[::-1]):
        summary = summary_of(order)
        assert (summary.chosen.version, summary.with_tutor) == (chosen, with_tutor)
        assert [each.version for each in summary.later] == later


@pytest.mark.parametrize("standing", Standing)
def test_every_standing_has_words(standing: Standing) -> None:
    assert standing.words.endswith(".")
