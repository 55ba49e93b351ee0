"""One zip with all that is kept on a person: what each service has, the files, the receipts.

Rows are written as they come and files in pieces, so that memory does not grow with what there is.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from shared.errors import Conflict
from shared.persons import Persons, Row
from shared.storage.port import ObjectMissing, ObjectStore

PrintReceipt = Callable[[Mapping[str, Any], str | None], bytes]
"""A receipt on paper, of the row of a version and the statement of the ruling that corrected it last."""

README = """All that etma keeps on {person_ref}, as of {moment}.

{services}
    What each service keeps: one JSON object a line; `kind` says what it is, times are UTC.
    `looks` says who of the staff looked at what of this person's, and when.
files/
    What the person handed in, under the names that they gave.
receipts/
    The receipts: .jws is the signed text, which anybody can check; .pdf is the same on paper.

Not in it: copies on their way between services, and backups, which are overwritten in time (docs/privacy.md).
What is kept by reference alone, such as the hash of a file, is told with the row that it belongs to.
{missing}"""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What went into a zip."""

    rows: Mapping[str, int]
    files: int
    missing: Sequence[str]


class Export:
    """Writes the zip of one person."""

    def __init__(self, services: Mapping[str, Persons], objects: ObjectStore, print_receipt: PrintReceipt) -> None:
        self.services = services
        self.objects = objects
        self.print_receipt = print_receipt

    def write(self, person_ref: str, place: Path, *, moment: str) -> Exported:
        """Write it whole or not at all; raises `Conflict` when there is something at that place, and `Unavailable`."""
        with _new_file(place) as draft, ZipFile(draft, "w", ZIP_DEFLATED) as archive:
            rows: dict[str, int] = {}
            versions: list[Row] = []
            rulings: dict[str, str] = {}
            for name, service in self.services.items():
                rows[name] = 0
                with _entry(archive, f"{name}.ndjson") as lines:
                    for row in service.rows(person_ref):
                        lines.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
                        rows[name] += 1
                        if name == "submission" and row["kind"] == "versions":
                            versions.append(row)
                        elif name == "submission" and row["kind"] == "corrections":
                            rulings[str(row["receipt_id"])] = str(row["statement"])
            missing = [path for row in versions for path in self._add_version(row, rulings, archive)]
            archive.writestr("README.txt", _readme(person_ref, moment, list(rows), missing))
        return Exported(rows=rows, files=len(versions) - len(missing), missing=missing)

    def _add_version(self, row: Row, rulings: Mapping[str, str], archive: ZipFile) -> Iterator[str]:
        """Add a file and its receipt; gives the path of a file that is not in the store."""
        name = f"{row['assignment_id']}-v{row['version']}"
        archive.writestr(f"receipts/{name}.jws", f"{row['receipt']}\n")
        archive.writestr(f"receipts/{name}.pdf", self.print_receipt(row, rulings.get(str(row["receipt_id"]))))
        path = f"files/{name}-{row['file_name']}"
        try:
            content = self.objects.read(str(row["object_key"]), str(row["object_version"]))
        except ObjectMissing:
            yield path
            return
        with _entry(archive, path) as file:
            for piece in content:
                file.write(piece)


def _entry(archive: ZipFile, path: str) -> IO[bytes]:
    """A file of the archive that is written piece by piece, of this moment: else it is one of 1980."""
    entry = ZipInfo(path, date_time=time.localtime()[:6])
    entry.compress_type = ZIP_DEFLATED
    return archive.open(entry, "w", force_zip64=True)


def _readme(person_ref: str, moment: str, services: Sequence[str], missing: Sequence[str]) -> str:
    listed = "\n".join(f"{name}.ndjson" for name in services)
    gone = "".join(f"\nNot in the object store any more: {path}" for path in missing)
    return README.format(person_ref=person_ref, moment=moment, services=listed, missing=gone)


@contextmanager
def _new_file(place: Path) -> Iterator[Path]:
    """A draft beside `place`, for its owner's eyes only, that takes the place when all went well."""
    if place.exists():
        raise Conflict(f"{place} is there already. Give another place by --to.")
    draft = place.with_name(f".{place.name}.part")
    os.close(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    try:
        yield draft
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
