"""Every named moment of the code at which a process may die is one at which the fault tests let it die."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.oulad import POINTS, SERVICES
from tests.support.persons import ERASURE_POINTS
from tests.support.scanning import SCAN_POINTS
from tests.support.uploading import UPLOAD_POINTS

KILLED_IN_ITS_OWN_TEST = {
    "migrations.applied",
    "objects.parts_stored",
    "audit.taken",
    *UPLOAD_POINTS,
    *ERASURE_POINTS,
    *SCAN_POINTS,
}
"""Passed only when a database is new or older than the code (`test_migrations.py`), by large files on their way to an
S3 server (`test_s3_store.py`), by an audit that somebody asked for (`test_operations_elsewhere.py`), by uploads that
can be resumed (`test_upload_kills.py`), by erasing a person (`test_erasure_kills.py`), and where there is a scanner
(`test_scan_kills.py`)."""

ROOT = Path(__file__).parents[2]
PASSING = re.compile(r'kill_point\(f?"([^"]+)"\)')


def test_the_fault_tests_know_every_kill_point() -> None:
    sources = [path for part in ("services", "shared") for path in (ROOT / part).rglob("*.py")]
    names = [name for path in sources for name in PASSING.findall(path.read_text(encoding="utf-8"))]
    found = {name.replace("{self.source}", service) for name in names for service in SERVICES}
    assert found == set(POINTS) | KILLED_IN_ITS_OWN_TEST
