"""Reads enrolments from CSV (RFC 4180, UTF-8) a line at a time; every mistake with its physical line and its column."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from pydantic import ValidationError

from services.submission.catalogue.reader import Mistake
from services.submission.catalogue.university import (
    Email,
    Entry,
    GroupNumber,
    ModuleCode,
    Name,
    PersonalId,
    PresentationCode,
    StaffNumber,
)
from shared.errors import Rejected

SHOWN: Final = 100
"""How many mistakes are told; beyond them only their number."""

COLUMNS: Final[Mapping[str, str]] = {
    "module": "be one to four capital letters and up to three digits, such as K827",
    "presentation": "be two to four digits and a letter from A to L, such as 26J",
    "personal_id": "be a capital letter and seven digits, such as P1234567",
    "name": "have 1 to 200 characters, no line break or other control character among them",
    "email": "be an address such as ann@example.org, of at most 254 characters",
    "status": "be active or withdrawn, or empty for active",
    "group": "be one to eight capital letters and digits, such as G01",
    "tutor": "be eight digits, such as 00001001 (a spreadsheet may have dropped leading zeros)",
}
"""Every column, and what its values must do."""

REQUIRED: Final = ("module", "presentation", "personal_id", "status")


class EnrolmentMistakes(Rejected):
    """The file has mistakes; nothing of it was taken in. `mistakes` are the first of `total`, by line."""

    code = "enrolment_mistakes"
    title = "The file of enrolments has mistakes; nothing was changed"

    def __init__(self, mistakes: Sequence[Mistake], total: int) -> None:
        more = f"\n… the first {len(mistakes)} of {total:,} mistakes." if total > len(mistakes) else ""
        super().__init__("".join(f"\n{mistake}" for mistake in mistakes) + more)
        self.mistakes = mistakes
        self.total = total


class Mistakes:
    """Counts all mistakes and keeps those of the first lines, so that a file of nothing else needs no memory."""

    def __init__(self) -> None:
        self.total = 0
        self._kept: list[Mistake] = []

    def add_all(self, mistakes: Iterable[Mistake]) -> None:
        for mistake in mistakes:
            self.total += 1
            self._kept.append(mistake)
            if len(self._kept) > 2 * SHOWN:
                self._kept = self.first()

    def first(self) -> list[Mistake]:
        return sorted(self._kept, key=lambda mistake: mistake.line)[:SHOWN]

    def stop_if_any(self) -> None:
        """Raises `EnrolmentMistakes`."""
        if self.total:
            raise EnrolmentMistakes(self.first(), self.total)


class EnrolmentEntry(Entry):
    """One row: a student on a presentation. None: as it is."""

    module: ModuleCode
    presentation: PresentationCode
    personal_id: PersonalId
    name: Name | None = None
    email: Email | None = None
    status: Literal["active", "withdrawn"] = "active"
    group: GroupNumber | None = None
    tutor: StaffNumber | None = None


class EnrolmentLine(NamedTuple):
    """A row as the questions about all rows together need it.

    `line` is the physical line at which it begins. What is wrong in a faulty row is None, but for the name and the
    address: that there is one matters to the student's other rows.
    """

    line: int
    presentation_id: str | None
    personal_id: str | None
    name: str | None
    email: str | None
    status: str
    group_number: str | None
    tutor: str | None


def read_enrolments(file: Iterable[bytes], mistakes: Mistakes) -> Iterator[EnrolmentLine]:
    """The rows of the file, faulty ones among them; what is wrong goes to `mistakes`."""
    records = _records(file, mistakes)
    _, header = next(records, (0, None))
    if header is None:
        mistakes.add_all(() if mistakes.total else [Mistake(line=1, field="the file", message="is empty")])
        return
    wrong = list(_wrong_in_header(header))
    mistakes.add_all(wrong)
    if not wrong:
        yield from _lines(header, records, mistakes)


def _records(file: Iterable[bytes], mistakes: Mistakes) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank with its first line; spaces around a value do not count."""
    rows = csv.reader(_decoded(file), strict=True)
    while True:
        line = rows.line_num + 1
        try:
            cells = [cell.strip() for cell in next(rows)]
        except StopIteration:
            return
        except csv.Error as error:
            message = f"the quoting is broken ({error}); the lines from here on were not read"
            mistakes.add_all([Mistake(line=line, field="the row", message=message)])
            return
        except UnicodeDecodeError as error:
            message = f"is not UTF-8 (byte 0x{error.object[error.start]:02x}); save it as UTF-8; the rest was not read"
            mistakes.add_all([Mistake(line=rows.line_num + 1, field="the file", message=message)])
            return
        if any(cells):
            yield line, cells


def _decoded(file: Iterable[bytes]) -> Iterator[str]:
    """The physical lines; decoded one by one, so that the line that is not UTF-8 is known."""
    encoding = "utf-8-sig"
    for raw in file:
        yield raw.decode(encoding)
        encoding = "utf-8"


def _wrong_in_header(header: Sequence[str]) -> Iterator[Mistake]:
    if len(header) == 1 and ";" in header[0]:
        yield Mistake(line=1, field="the header", message="the columns must be separated by commas, not by semicolons")
        return
    for name in dict.fromkeys(header):
        if name not in COLUMNS:
            yield Mistake(line=1, field=name, message=f"this column is not known; known are {', '.join(COLUMNS)}")
        elif header.count(name) > 1:
            yield Mistake(line=1, field=name, message="this column is named twice")
    for name in REQUIRED:
        if name not in header:
            yield Mistake(line=1, field=name, message="this column is missing")


def _lines(
    header: Sequence[str], records: Iterable[tuple[int, list[str]]], mistakes: Mistakes
) -> Iterator[EnrolmentLine]:
    line = 0
    for line, cells in records:
        if len(cells) == len(header):
            values = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
            wrong = _wrong_in_row(values)
            mistakes.add_all(Mistake(line=line, field=name, message=message) for name, message in wrong.items())
            yield _line(line, values, wrong)
        else:
            message = f"has {len(cells)} values; the header has {len(header)} columns"
            mistakes.add_all([Mistake(line=line, field="the row", message=message)])
    if not line and not mistakes.total:
        mistakes.add_all([Mistake(line=1, field="the file", message="has a header and no rows")])


def _wrong_in_row(values: Mapping[str, str]) -> dict[str, str]:
    """What is wrong, by column."""
    wrong: dict[str, str] = {}
    try:
        EnrolmentEntry.model_validate(values)
    except ValidationError as error:
        names = [str(item["loc"][0]) for item in error.errors(include_url=False, include_context=False)]
        wrong = {name: _words(name, values.get(name)) for name in names}
    if "tutor" in values and "group" not in values:
        wrong.setdefault("tutor", "is the tutor of a group, but the row names no group")
    return wrong


def _words(name: str, value: str | None) -> str:
    return "is empty" if value is None else f"must {COLUMNS[name]}; it is {value[:50]!r}"


def _line(line: int, values: Mapping[str, str], wrong: Mapping[str, str]) -> EnrolmentLine:
    good = {name: value for name, value in values.items() if name not in wrong}
    whole = "module" in good and "presentation" in good
    return EnrolmentLine(
        line=line,
        presentation_id=f"{good['module']}-{good['presentation']}" if whole else None,
        personal_id=good.get("personal_id"),
        name=values.get("name"),
        email=values.get("email"),
        status=good.get("status", "active"),
        group_number=good.get("group"),
        tutor=good.get("tutor"),
    )
