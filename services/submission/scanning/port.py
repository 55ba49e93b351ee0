"""The scanner port: what a file holds, as far as a scanner for malware knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from services.submission.scanning.domain import Verdict
from shared.errors import EtmaError, Unavailable


class ScannerAway(Unavailable):
    """The scanner does not answer. Files wait until it does."""

    code = "scanner_away"
    title = "The scanner for malware does not answer"


class ScanFailed(EtmaError):
    """The scanner answers, and could not come to an end with this file: it is tried again later."""

    code = "scan_failed"
    title = "The file could not be scanned"


class Scanner(Protocol):
    """Looks for malware. Every wait in it ends by itself."""

    def signatures(self) -> str:
        """Scanner and signatures in one line, which changes when they do; raises `ScannerAway`."""
        ...

    def scan(self, content: Iterable[bytes]) -> Verdict:
        """The verdict on a file, in constant memory; raises `ScannerAway`, `ScanFailed`, and what `content` raises."""
        ...
