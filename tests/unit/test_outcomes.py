"""What a fault did to the order of facts, as the table of `make faults` counts it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.conformance.test_bus import a_message
from tests.support.outcomes import order_breaks


@pytest.mark.parametrize(
    ("sequences", "breaks"),
    [([1, 2, 3], 0), ([1, 2, 1, 2, 3], 0), ([2, 1, 3], 1), ([3, 2, 1], 2), ([1, 3, 3, 2], 1)],
    ids=["in order", "a batch comes again", "overtaken", "backwards", "overtaken and again"],
)
def test_a_fact_breaks_the_order_that_comes_first_after_a_later_one(sequences: list[int], breaks: int) -> None:
    facts = {number: replace(a_message("topic", "key"), sequence=number) for number in sequences}
    assert order_breaks(facts[number] for number in sequences) == breaks


def test_each_key_and_source_has_an_order_of_its_own() -> None:
    of_one, of_other = a_message("topic", "one"), a_message("topic", "other")
    later = replace(of_one, sequence=2)
    elsewhere = replace(of_one, id="elsewhere", source="marking")
    assert order_breaks([of_one, later, of_other, elsewhere]) == 0
