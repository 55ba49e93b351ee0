"""A university as YAML: every mistake at once, each with its line and field."""

from __future__ import annotations

import pytest

from services.submission.catalogue.reader import CatalogueMistakes, read_university

WHOLE = """\
students:
  - &ann {personal_id: P1234567, name: Ann}
  - {<<: *ann, personal_id: P1234568}
modules:
  - code: K827
    title: Communities
    presentations:
      - code: 26J
        assignments:
          - {number: TMA01, title: Describing, kind: tma, cut_off: 2026-12-01}
        enrolled: [P1234567]
        withdrawn: [P1234568]
        groups:
          - {number: G01, students: [P1234567]}
"""


def mistakes_in(text: str) -> list[tuple[int, str]]:
    with pytest.raises(CatalogueMistakes) as refused:
        read_university(text)
    return [(mistake.line, mistake.field) for mistake in refused.value.mistakes]


def test_a_whole_file_is_read_with_its_anchors() -> None:
    university = read_university(WHOLE)
    assert [(each.personal_id, each.name) for each in university.students] == [("P1234567", "Ann"), ("P1234568", "Ann")]
    (presentation,) = university.modules[0].presentations
    assert presentation.assignments[0].cut_off.isoformat() == "2026-12-01"


def test_each_second_mention_is_a_mistake_and_no_first_one() -> None:
    text = WHOLE.replace("P1234568}", "P1234567}").replace(
        "          - {number: G01, students: [P1234567]}\n", "          - {number: G01}\n" * 3
    )
    assert mistakes_in(text) == [
        (3, "students[1]"),
        (15, "modules[0].presentations[0].groups[1]"),
        (16, "modules[0].presentations[0].groups[2]"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("code: K827", "code: k827", (5, "modules[0].code")),
        ("name: Ann", "nam: Ann", (2, "students[0].nam")),
        ("name: Ann", 'name: "Ann\\nBcc: everybody"', (2, "students[0].name")),
        ("P1234567, name", "P\N{FULLWIDTH DIGIT ONE}234567, name", (2, "students[0].personal_id")),
        ("2026-12-01", "soon", (10, "modules[0].presentations[0].assignments[0].cut_off")),
        ("2026-12-01", "9999-12-31", (10, "modules[0].presentations[0].assignments[0].cut_off")),
        ("withdrawn: [P1234568]", "withdrawn: [P1234567]", (12, "modules[0].presentations[0].withdrawn")),
    ],
)
def test_a_mistake_has_its_line_and_field(old: str, new: str, where: tuple[int, str]) -> None:
    assert where in mistakes_in(WHOLE.replace(old, new))


@pytest.mark.parametrize("day", ["2026-02-30", "2026-13-01", "2026-12-01 25:00:00", "!!timestamp soon"])
def test_a_day_that_is_not_in_the_calendar_is_told_with_its_place(day: str) -> None:
    assert mistakes_in(WHOLE.replace("2026-12-01", day)) == [(10, "modules[0].presentations[0].assignments[0].cut_off")]


@pytest.mark.parametrize("value", ["!!int many", "!!bool perhaps", "0x_", "!!float x"])
def test_a_value_that_is_not_of_its_type_is_told_with_its_place(value: str) -> None:
    assert mistakes_in(WHOLE.replace("P1234567, name: Ann", f"P1234567, name: {value}"))[0] == (2, "students[0].name")


def test_a_field_that_stands_twice_is_a_mistake_and_not_the_last_one() -> None:
    text = WHOLE.replace("        withdrawn:", "        enrolled: []\n        withdrawn:") + "students: []\n"
    assert mistakes_in(text) == [(16, "students"), (12, "modules[0].presentations[0].enrolled")]


def test_all_that_cannot_be_read_is_told_at_once() -> None:
    text = WHOLE.replace("2026-12-01", "2026-02-30").replace("name: Ann", "name: Ann, name: Anne")
    assert mistakes_in(text) == [(2, "students[0].name"), (10, "modules[0].presentations[0].assignments[0].cut_off")]


def test_a_list_that_holds_itself_is_no_catalogue() -> None:
    assert mistakes_in("students: &all [*all]\n")


@pytest.mark.parametrize(("text", "line"), [("", 1), ("- a list", 1), ("students:\n  - {name: Ann", 2)])
def test_what_is_no_catalogue_is_said_to_be_none(text: str, line: int) -> None:
    assert mistakes_in(text)[0] == (line, "the file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("students:\n  - {name: Élodie}\n".encode("latin-1"), "line 2, the file: is not text in UTF-8"),
        (b'students:\n\n  - {name: "A\x07"}\n', "line 3, the file: holds a character that YAML does not allow"),
    ],
)
def test_bytes_that_are_no_text_are_told_with_their_line(content: bytes, words: str) -> None:
    with pytest.raises(CatalogueMistakes, match=words):
        read_university(content)
