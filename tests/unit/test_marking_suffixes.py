"""A tutor's file has the end of the name that its type has, for every type that may be handed in."""

from __future__ import annotations

import pytest

from services.marking.scripts.views import suffix_of
from shared.contracts import MEDIA_TYPES


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_what_may_be_handed_in_is_downloaded_under_its_own_suffix(name: str) -> None:
    assert suffix_of(MEDIA_TYPES[name]) == f".{name}"


def test_what_a_newer_version_may_take_in_has_no_suffix_of_another_type() -> None:
    assert suffix_of("application/x-later") == ".bin"


def test_no_two_names_are_one_type() -> None:
    assert len(set(MEDIA_TYPES.values())) == len(MEDIA_TYPES)
