"""Enrolments as CSV: what is read, and every mistake with its physical line and its column."""

from __future__ import annotations

import codecs
import io
from contextlib import closing

import pytest

from services.submission.catalogue.enrolments_csv import (
    COLUMNS,
    SHOWN,
    EnrolmentLine,
    EnrolmentMistakes,
    Mistakes,
    read_enrolments,
)
from services.submission.catalogue.sheet import MOST_MEMBERS, Sheet
from shared.errors import StorageFull

HEADER = "module,presentation,personal_id,name,email,status,group,tutor\n"
ANN = "K827,26J,P1000001,Ann,ann@example.org,active,G01,00000001\n"


def read(text: str | bytes) -> list[EnrolmentLine]:
    mistakes = Mistakes()
    content = text if isinstance(text, bytes) else text.encode()
    lines = list(read_enrolments(io.BytesIO(content), mistakes))
    mistakes.stop_if_any()
    return lines


def mistakes_in(text: str | bytes) -> list[tuple[int, str, str]]:
    with pytest.raises(EnrolmentMistakes) as refused:
        read(text)
    return [(mistake.line, mistake.field, mistake.message) for mistake in refused.value.mistakes]


def contradictions_in(*rows: str) -> list[tuple[int, str, str]]:
    with closing(Sheet()) as sheet:
        list(sheet.fill(read(HEADER + "\n".join(rows)), step=2))
        found = [*sheet.contradictions(), *sheet.crowds()]
    return [(mistake.line, mistake.field, mistake.message) for mistake in found]


def test_a_row_is_read_whatever_the_order_of_its_columns() -> None:
    (line,) = read(HEADER + ANN)
    assert line == EnrolmentLine(
        line=2,
        presentation_id="K827-26J",
        personal_id="P1000001",
        name="Ann",
        email="ann@example.org",
        status="active",
        group_number="G01",
        tutor="00000001",
    )
    assert read("status,personal_id,presentation,module\n,P1000001,26J,K827\n") == [
        line._replace(name=None, email=None, group_number=None, tutor=None)
    ]


@pytest.mark.parametrize(
    "content",
    [
        (HEADER + ANN).encode(),
        codecs.BOM_UTF8 + (HEADER + ANN).encode(),
        (HEADER + ANN).replace("\n", "\r\n").encode(),
        (HEADER + ANN).rstrip("\n").encode(),
        ("\n" + HEADER + "\n,,,,,,,\n" + ANN).encode(),
        (HEADER + ANN).replace(",", " , ").encode(),
        (HEADER + ANN.replace("Ann", '"Ann"')).encode(),
    ],
    ids=["plain", "BOM", "CRLF", "no last newline", "blank lines", "spaces", "quoted"],
)
def test_files_that_differ_in_form_say_the_same(content: bytes) -> None:
    (line,) = read(content)
    assert (line.presentation_id, line.name, line.tutor) == ("K827-26J", "Ann", "00000001")


def test_a_quoted_value_holds_commas_and_quotation_marks() -> None:
    (line,) = read(HEADER + ANN.replace("Ann", '"Ann, ""the"" Ängström"'))
    assert line.name == 'Ann, "the" Ängström'


def test_lines_are_physical_ones_though_a_value_goes_over_several() -> None:
    rows = ANN.replace("Ann", '"Ann\nthe\nfirst"') + "K827,26J,P1000002,Ben,ben,active,,\n"
    assert [(line, field) for line, field, _ in mistakes_in(HEADER + rows)] == [(2, "name"), (5, "email")]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("module", "k827"),
        ("module", ""),
        ("presentation", "26Z"),
        ("presentation", ""),
        ("personal_id", "1000001"),
        ("personal_id", "P\N{FULLWIDTH DIGIT ONE}000001"),
        ("personal_id", ""),
        ("name", "x" * 201),
        ("name", "Ann\x07"),
        ("email", "ann"),
        ("status", "Active"),
        ("group", "g01"),
        ("tutor", "1"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_must_be(column: str, value: str) -> None:
    names = HEADER.strip().split(",")
    cells = ANN.strip().split(",")
    cells[names.index(column)] = value
    words = f"must {COLUMNS[column]}; it is {value[:50]!r}" if value else "is empty"
    assert mistakes_in(HEADER + ANN + ",".join(cells)) == [(3, column, words)]


def test_a_tutor_without_a_group_is_a_mistake_beside_others() -> None:
    row = "K827,26J,P1000001,Ann,ann,active,,00000001\n"
    assert [field for _, field, _ in mistakes_in(HEADER + row)] == ["email", "tutor"]


def test_all_mistakes_are_found_in_one_run() -> None:
    text = HEADER + ANN + "k827,26J,1,Ann,ann,gone,,\n" + "K827,26J\n" + "K827,26J,,,,,,\n"
    assert [(line, field) for line, field, _ in mistakes_in(text)] == [
        (3, "module"),
        (3, "personal_id"),
        (3, "email"),
        (3, "status"),
        (4, "the row"),
        (5, "personal_id"),
    ]


def test_beyond_a_hundred_mistakes_only_their_number_is_told() -> None:
    text = HEADER + "K827,26J,wrong,,,,,\n" * 1234
    with pytest.raises(EnrolmentMistakes) as refused:
        read(text)
    assert [mistake.line for mistake in refused.value.mistakes] == list(range(2, 2 + SHOWN))
    assert refused.value.total == 1234
    assert "the first 100 of 1,234 mistakes" in refused.value.detail


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("module,presentation,personal_id", ["status"]),
        ("module,presentation,personal_id,status,colour,shoe", ["colour", "shoe"]),
        ("module,presentation,personal_id,status,name,name", ["name"]),
        ("Module,presentation,status", ["Module", "module", "personal_id"]),
        ("module,presentation,personal_id,status,", [""]),
        ("module;presentation;personal_id;status", ["the header"]),
    ],
)
def test_columns_that_are_unknown_missing_or_named_twice_are_named(header: str, columns: list[str]) -> None:
    found = mistakes_in(f"{header}\nK827,26J\n")
    assert [(line, field) for line, field, _ in found] == [(1, column) for column in columns]


@pytest.mark.parametrize(
    ("content", "line", "field", "words"),
    [
        (b"", 1, "the file", "is empty"),
        (b"\n\n", 1, "the file", "is empty"),
        (codecs.BOM_UTF8, 1, "the file", "is empty"),
        (HEADER.encode(), 1, "the file", "has a header and no rows"),
        (HEADER.encode("utf-16"), 1, "the file", "is not UTF-8 (byte 0xff)"),
        ((HEADER + ANN + ANN.replace("Ann", "Zoë")).encode("latin-1"), 3, "the file", "is not UTF-8 (byte 0xeb)"),
        ((HEADER + ANN + ANN.replace("Ann", '"Ann')).encode(), 3, "the row", "the quoting is broken"),
        ((HEADER + ANN.replace("Ann", '"A"nn') + ANN).encode(), 2, "the row", "the quoting is broken"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_clearly(content: bytes, line: int, field: str, words: str) -> None:
    ((found_line, found_field, message),) = mistakes_in(content)
    assert (found_line, found_field) == (line, field)
    assert words in message


def test_a_full_folder_of_temporary_files_is_told_as_such() -> None:
    with closing(Sheet()) as sheet:
        sheet._connection.exec_driver_sql("PRAGMA max_page_count=1")
        with pytest.raises(StorageFull, match="TMPDIR"):
            list(sheet.fill(read(HEADER + ANN * 100), step=100))


def test_the_same_student_twice_names_both_lines() -> None:
    rows = ("K827,26J,P1000001,,,,,", "K827,26B,P1000001,,,,,", "K827,26J,P1000001,,,withdrawn,,")
    assert contradictions_in(*rows) == [(4, "personal_id", "P1000001 is on K827-26J in line 2 already")]


def test_two_names_or_addresses_of_a_student_name_both_lines() -> None:
    rows = ("K827,26J,P1000001,,,,,", "K827,26B,P1000001,Ann,a@b,,,", "K828,26B,P1000001,Anna,b@b,,,")
    assert contradictions_in(*rows) == [
        (4, "name", "is another one than P1000001 has in line 3"),
        (4, "email", "is another one than P1000001 has in line 3"),
    ]


def test_two_tutors_of_a_group_name_both_lines() -> None:
    rows = (
        "K827,26J,P1000001,,,,G01,",
        "K827,26J,P1000002,,,,G01,00000001",
        "K827,26B,P1000002,,,,G01,00000003",
        "K827,26J,P1000003,,,,G01,00000002",
    )
    assert contradictions_in(*rows) == [(5, "tutor", "00000002 is another one than K827-26J-G01 has in line 3")]


def test_a_group_that_no_fact_could_hold_is_a_mistake() -> None:
    rows = [f"K827,26J,P{1000000 + number},,,,G01," for number in range(MOST_MEMBERS + 1)]
    assert contradictions_in(*rows[:MOST_MEMBERS]) == []
    assert contradictions_in(*rows) == [(2, "group", "K827-26J-G01 gets 5,001 students; 5,000 are the most")]


def test_a_faulty_row_still_counts_where_other_rows_speak_of_the_same() -> None:
    mistakes = Mistakes()
    rows = "K827,26J,P1000001,Ann,wrong,,,\nK827,26J,P1000001,,,,,\n"
    with closing(Sheet()) as sheet:
        list(sheet.fill(read_enrolments(io.BytesIO((HEADER + rows).encode()), mistakes), step=100))
        assert [(each.line, each.field) for each in sheet.contradictions()] == [(3, "personal_id")]
        (student,) = sheet.students()
    assert (student.name, student.email) == ("Ann", "wrong")
    assert mistakes.total == 1


def test_steps_cut_no_group_in_two_and_keep_presentations_together() -> None:
    rows = [f"K827,26J,P{1000000 + n},,,,{'' if n % 4 == 3 else f'G0{n % 4}'}," for n in range(40)]
    rows += [f"K828,26J,P{1000000 + n},,,,G01," for n in range(3)]
    with closing(Sheet()) as sheet:
        list(sheet.fill(read(HEADER + "\n".join(rows)), step=10))
        sheet.keep_refs({f"P{1000000 + n}": f"ref-{n}" for n in range(40)})
        steps = list(sheet.placements(step=7))
    assert [len(step) for step in steps] == [7, 13, 10, 10, 3]
    places = [{(each.presentation_id, each.group_id) for each in step} for step in steps]
    grouped = [place for step in places for place in step if place[1]]
    assert len(grouped) == len(set(grouped))
    assert sum(map(len, steps)) == 43
