"""What a student calls a file is data: it comes back as text, and no path, header or tutor's disk is made of it."""

from __future__ import annotations

import hashlib
import html
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.submission.catalogue.university import (
    AssignmentEntry,
    GroupEntry,
    ModuleEntry,
    PresentationEntry,
    StaffEntry,
    StudentEntry,
    University,
)
from services.submission.upload.names import UNNAMED, clean_name
from shared.contracts import AssignmentKind
from tests.support.university import TMA, TUTOR, Town, running_town, time_today
from tests.support.uploading import BYTES, PROTOCOL, UPLOADS, form_of, metadata_of

STUDENTS = [f"P{3_000_000 + number}" for number in range(400)]
MOST_CHARACTERS = 255
EXAMPLES = 12
NAMES = {
    "../../../../etc/passwd": "passwd",
    "..\\..\\windows\\win.ini": "win.ini",
    "C:\\Users\\uma\\essay.pdf": "essay.pdf",
    "..": "..",
    "../": UNNAMED,
    "CON": "CON",
    "aux.pdf": "aux.pdf",
    ".htaccess": ".htaccess",
    "essay\0.pdf": "essay.pdf",
    "essay\r\nSet-Cookie: a=b.pdf": "essaySet-Cookie: a=b.pdf",
    "essay\N{LINE SEPARATOR}.pdf": "essay.pdf",
    "essay\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe": "essayfdp.exe",
    'my "last" essay; filename=other.pdf': 'my "last" essay; filename=other.pdf',
    "<script>alert(1)</script>.pdf": "script>.pdf",
    "'; drop table version; --.pdf": "'; drop table version; --.pdf",
    "{{ 7 * 7 }} %s ${HOME}.pdf": "{{ 7 * 7 }} %s ${HOME}.pdf",
    "\N{ARABIC LETTER BEH}\N{CJK UNIFIED IDEOGRAPH-6587}\N{GRINNING FACE}.pdf": (
        "\N{ARABIC LETTER BEH}\N{CJK UNIFIED IDEOGRAPH-6587}\N{GRINNING FACE}.pdf"
    ),
    "\N{GRINNING FACE}" * MOST_CHARACTERS: "\N{GRINNING FACE}" * MOST_CHARACTERS,
    "e" * (MOST_CHARACTERS + 1): None,
}
"""What they are shown as; None where they are refused."""


def school() -> University:
    """As many students as the tests may need, each with a work of their own, all of one tutor."""
    essay = AssignmentEntry(
        number="TMA01",
        title="Open",
        kind=AssignmentKind.TMA,
        cut_off=time_today().replace(year=time_today().year + 1, day=1),
        max_name_length=MOST_CHARACTERS,
    )
    group = GroupEntry(number="G01", tutor=TUTOR, students=tuple(STUDENTS))
    presentation = PresentationEntry(code="26J", assignments=(essay,), enrolled=tuple(STUDENTS), groups=(group,))
    return University(
        students=tuple(
            StudentEntry(personal_id=number, name=number, email=f"{number}@example.org") for number in STUDENTS
        ),
        staff=(StaffEntry(staff_number=TUTOR, name="Tess", email="tess@example.org"),),
        modules=(ModuleEntry(code="K827", title="Names", presentations=(presentation,)),),
    )


class House:
    """A town whose every file has another student; keeps what was handed in, for the tutor to fetch."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.handed_in: dict[str, bytes] = {}
        self._students = iter(STUDENTS)

    def next_student(self) -> str:
        return next(self._students)

    def content(self) -> bytes:
        return b"%PDF-1.4\n" + uuid.uuid4().bytes


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_town(tmp_path_factory.mktemp("names"), school()) as town:
        yield House(town)


def by_api(town: Town, student: str, name: str, content: bytes) -> httpx.Response:
    body, said = form_of(name, content)
    headers = {**town.token("student", student), **said, "idempotency-key": str(uuid.uuid4())}
    return town.client.post(f"/api/v1/assignments/{TMA}/submissions", content=body, headers=headers)


def by_form(town: Town, student: str, name: str, content: bytes) -> httpx.Response:
    client = town.client
    client.post("/sign-in", data={"identifier": student, "role": "student"})
    address = re.search(r'action="([^"]+)"[^>]*enctype', client.get(f"/assignments/{TMA}").text)
    assert address
    body, said = form_of(name, content)
    answer = client.post(html.unescape(address[1]), content=body, headers=said)
    client.cookies.clear()
    return answer


def by_upload(town: Town, student: str, name: str, content: bytes) -> httpx.Response:
    token = town.token("student", student)
    said = {"upload-length": str(len(content)), "upload-metadata": metadata_of(assignment=TMA, filename=name)}
    begun = town.client.post(UPLOADS, content=content, headers={**PROTOCOL, **BYTES, **said, **token})
    return begun if begun.is_error else town.client.post(f"{begun.headers['location']}/confirm", headers=token)


_NAME = re.compile(r"<bdi>(.*?)</bdi>", re.DOTALL)
_PLAIN_KEY = re.compile(r"[0-9a-zA-Z/_.-]+")

Channel = Callable[[Town, str, str, bytes], httpx.Response]
CHANNELS = pytest.mark.parametrize("channel", [by_api, by_form, by_upload])


def shown_to(house: House, channel: Channel, name: str) -> str | None:
    """Hand in a file of this name; what it is called on the pages of its student, None when it is refused."""
    town, student, content = house.town, house.next_student(), house.content()
    answer = channel(town, student, name, content)
    if answer.is_error:
        assert answer.status_code == 422, answer.text
        assert "shorter name" in answer.text
        return None
    house.handed_in[hashlib.sha256(content).hexdigest()] = content
    token = town.token("student", student)
    page = town.client.get(f"/assignments/{TMA}", headers=token).text
    (receipt,) = set(re.findall(r"/receipts/([0-9a-f-]{36})", page))
    printed = town.client.get(f"/api/v1/submissions/{receipt}/receipt.pdf", headers=token)
    assert (printed.status_code, printed.content[:5]) == (200, b"%PDF-")
    names = _NAME.findall(page) + _NAME.findall(town.client.get(f"/receipts/{receipt}", headers=token).text)
    assert len(names) == 2
    assert names[0] == names[1]
    return html.unescape(names[0])


@CHANNELS
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_what_is_left_of_it(house: House, channel: Channel, name: str) -> None:
    assert shown_to(house, channel, name) == NAMES[name]


@CHANNELS
@given(name=st.text(min_size=1, max_size=MOST_CHARACTERS))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_is_called_it_is_shown_and_nothing_else_happens(
    house: House, channel: Channel, name: str
) -> None:
    assert shown_to(house, channel, name) == (clean_name(name) or UNNAMED)


def test_no_object_is_called_as_a_file_was_and_nothing_lies_beside_them(house: House) -> None:
    """Runs after those above, as the next one does."""
    platform = house.town.system.platform
    keys = [entry.key for entry in platform.objects.walk()]
    assert len(keys) == len(house.handed_in)
    assert all(_PLAIN_KEY.fullmatch(key) for key in keys)
    assert {path.name for path in platform.settings.data_dir.parent.iterdir()} == {platform.settings.data_dir.name}


def test_a_tutor_gets_every_file_by_a_name_of_ours(house: House) -> None:
    town, token, fetched = house.town, house.town.token("tutor", TUTOR), {}
    town.settle()
    page: dict[str, Any] = {"next_after": ""}
    while page["next_after"] is not None:
        page = town.client.get("/api/v1/scripts", params={"after": page["next_after"]}, headers=token).json()
        for script in page["scripts"]:
            collected = town.client.post(f"/api/v1/scripts/{script['work_id']}/collection", headers=token).json()
            content = town.client.get(collected["content_url"], headers=token)
            assert content.headers["content-disposition"] == f'attachment; filename="{collected["file_name"]}"'
            assert re.fullmatch(rf"{TMA}-[0-9a-f]{{8}}-v1\.pdf", collected["file_name"])
            fetched[collected["sha256"]] = content.content
    assert fetched == house.handed_in
