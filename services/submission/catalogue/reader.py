"""Reads a university from YAML; every error at once, each with its line and field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from services.submission.catalogue.university import PresentationEntry, University
from shared.errors import Rejected


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """What is wrong, where; `line` counts from 1."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.field}: {self.message}"


class CatalogueMistakes(Rejected):
    """The file has mistakes; nothing of it was taken in."""

    code = "catalogue_mistakes"
    title = "The catalogue file has mistakes; nothing was changed"

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


def read_university(content: bytes | str) -> University:
    """The university that the YAML describes (bytes in UTF-8); raises `CatalogueMistakes`."""
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        root, data = _parsed(text)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise CatalogueMistakes([Mistake(line=line, field="the file", message="is not text in UTF-8")]) from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        message = f"holds a character that YAML does not allow: {error.character!r}"
        raise CatalogueMistakes([Mistake(line=line, field="the file", message=message)]) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CatalogueMistakes([Mistake(line=line, field="the file", message=str(error.problem))]) from error
    if root is None or not isinstance(data, dict):
        message = "must hold the fields students, staff and modules"
        raise CatalogueMistakes([Mistake(line=1, field="the file", message=message)])
    try:
        university = University.model_validate(data)
    except ValidationError as error:
        raise CatalogueMistakes([_mistake(root, item) for item in error.errors()]) from error
    mistakes = [
        Mistake(line=_line(root, path), field=_dotted(path), message=why) for path, why in _contradictions(university)
    ]
    if mistakes:
        raise CatalogueMistakes(mistakes)
    return university


def _parsed(text: str) -> tuple[yaml.Node | None, object]:
    """The nodes, which know their lines, and the data made of them: parsing is what takes the time, so only once."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, None
        mistakes = list(_unreadable(root, loader, (), set()))
        if mistakes:
            raise CatalogueMistakes(mistakes)
        return root, loader.construct_document(root)
    finally:
        loader.dispose()


Path = tuple[str | int, ...]

_NO_VALUE = (ValueError, KeyError, AttributeError, OverflowError)
"""What the library lets through from where it makes values of words, such as a day that no calendar has."""


def _unreadable(node: yaml.Node, loader: yaml.SafeLoader, path: Path, seen: set[int]) -> Iterator[Mistake]:
    """Fields that stand twice in one place, of which the last would win, and words that are no value of their type."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield from _twice(node, path)
    elif isinstance(node, yaml.ScalarNode) and not _is_value(node, loader):
        message = f"{node.value!r} is no valid {node.tag.rpartition(':')[2]}"
        yield Mistake(line=node.start_mark.line + 1, field=_dotted(path), message=message)
    for part, child in _parts(node):
        yield from _unreadable(child, loader, (*path, *part), seen)


def _twice(node: yaml.MappingNode, path: Path) -> Iterator[Mistake]:
    known: set[str] = set()
    for key, _value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in known:
                line = key.start_mark.line + 1
                yield Mistake(line=line, field=_dotted((*path, key.value)), message="stands here a second time")
            known.add(key.value)


def _is_value(node: yaml.ScalarNode, loader: yaml.SafeLoader) -> bool:
    try:
        loader.construct_object(node)
    except _NO_VALUE:
        return False
    except yaml.constructor.ConstructorError:  # a merge key is none by itself; all else is told when the whole is made
        return True
    return True


def _parts(node: yaml.Node) -> Iterator[tuple[Path, yaml.Node]]:
    """What a node holds, each with what it adds to the path; a key stands where its mapping does."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (index,), item
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (), key
            yield (str(key.value),), value


def _mistake(root: yaml.Node, item: Any) -> Mistake:  # noqa: ANN401 - pydantic's error details
    message = "this field is not known" if item["type"] == "extra_forbidden" else item["msg"]
    return Mistake(line=_line(root, item["loc"]), field=_dotted(item["loc"]), message=message)


def _dotted(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or "the file"


def _line(node: yaml.Node, path: Path) -> int:
    """The line of the deepest part of `path` that the file has."""
    line = node.start_mark.line + 1
    for part in path:
        found = _child(node, part)
        if found is None:
            return line
        line, node = found
    return line


def _child(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        return node.value[part].start_mark.line + 1, node.value[part]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    return None


def _contradictions(university: University) -> Iterator[tuple[Path, str]]:
    yield from _doubles(("students",), [student.personal_id for student in university.students])
    yield from _doubles(("staff",), [member.staff_number for member in university.staff])
    yield from _doubles(("modules",), [module.code for module in university.modules])
    for at, module in enumerate(university.modules):
        path: Path = ("modules", at, "presentations")
        yield from _doubles(path, [presentation.code for presentation in module.presentations])
        for index, presentation in enumerate(module.presentations):
            yield from _of_presentation((*path, index), presentation)


def _of_presentation(path: Path, presentation: PresentationEntry) -> Iterator[tuple[Path, str]]:
    yield from _doubles((*path, "assignments"), [assignment.number for assignment in presentation.assignments])
    yield from _doubles((*path, "groups"), [group.number for group in presentation.groups])
    members = Counter(student for group in presentation.groups for student in group.students)
    for student, times in members.items():
        if times > 1:
            yield (*path, "groups"), f"{student} is in {times} groups; a student has one group in a presentation"
    for student in set(presentation.enrolled) & set(presentation.withdrawn):
        yield (*path, "withdrawn"), f"{student} is enrolled and withdrawn; name one"


def _doubles(path: Path, keys: list[str]) -> Iterator[tuple[Path, str]]:
    seen: set[str] = set()
    for index, key in enumerate(keys):
        if key in seen:
            yield (*path, index), f"{key} is named twice"
        seen.add(key)
