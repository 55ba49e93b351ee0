"""clamd's protocol: what is sent, what its answers mean, and that no wait is without end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.servers.clamd import EICAR
from services.submission.scanning.clamd import Clamd, verdict_of
from services.submission.scanning.port import ScanFailed, ScannerAway
from shared.contracts import ScanOutcome
from shared.settings import BadSettings
from tests.support.clamd import FakeClamd, client_of, fake_clamd

PIECE = 64 * 1024


@pytest.fixture
def clamd() -> Iterator[FakeClamd]:
    with fake_clamd() as fake:
        yield fake


def test_a_file_arrives_whole_in_whatever_pieces_it_is_read(clamd: FakeClamd) -> None:
    pieces = [b"a", b"", b"b" * PIECE, b"c"]
    assert client_of(clamd).scan(pieces).outcome is ScanOutcome.CLEAN
    assert clamd.scanned == [b"".join(pieces)]


def test_malware_that_lies_across_two_pieces_is_found(clamd: FakeClamd) -> None:
    verdict = client_of(clamd).scan([b"x" + EICAR[:30], EICAR[30:]])
    assert (verdict.outcome, verdict.finding) == (ScanOutcome.BLOCKED, "Eicar-Test-Signature")


def test_an_empty_file_is_clean(clamd: FakeClamd) -> None:
    assert client_of(clamd).scan([]).outcome is ScanOutcome.CLEAN


def test_the_signatures_are_what_the_scanner_says(clamd: FakeClamd) -> None:
    assert client_of(clamd).signatures() == clamd.version


def test_a_file_above_the_scanners_limit_is_unscannable_though_it_stops_reading(clamd: FakeClamd) -> None:
    clamd.limit_bytes = 10
    verdict = client_of(clamd).scan(b"x" * PIECE for _ in range(500))
    assert (verdict.outcome, verdict.finding) == (ScanOutcome.UNSCANNABLE, "StreamMaxLength")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("stream: OK", ScanOutcome.CLEAN),
        ("stream: Win.Test.EICAR_HDB-1 FOUND", ScanOutcome.BLOCKED),
        ("stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND", ScanOutcome.UNSCANNABLE),
        ("stream: Heuristics.Encrypted.Zip FOUND", ScanOutcome.UNSCANNABLE),
        ("INSTREAM size limit exceeded. ERROR", ScanOutcome.UNSCANNABLE),
    ],
)
def test_what_an_answer_means(answer: str, outcome: ScanOutcome) -> None:
    assert verdict_of(answer).outcome is outcome


@pytest.mark.parametrize("answer", ["", "stream: Can't allocate memory ERROR", "UNKNOWN COMMAND", "stream: OKAY"])
def test_what_is_no_verdict_is_never_taken_for_clean(answer: str) -> None:
    with pytest.raises(ScanFailed):
        verdict_of(answer)


def test_a_scanner_that_is_away_is_away(clamd: FakeClamd) -> None:
    with clamd.away():
        for ask in (client_of(clamd).signatures, lambda: client_of(clamd).scan([b"x"])):
            with pytest.raises(ScannerAway):
                ask()


def test_a_scanner_that_hangs_is_given_up(clamd: FakeClamd) -> None:
    clamd.hanging.set()
    began = time.monotonic()
    with pytest.raises(ScanFailed):
        client_of(clamd, quiet_seconds=0.2).scan([b"x"])
    assert time.monotonic() - began < 3


def test_a_file_that_takes_too_long_is_given_up(clamd: FakeClamd) -> None:
    with pytest.raises(ScanFailed):
        Clamd(("127.0.0.1", clamd.port), scan_seconds=0.0).scan([b"x"])


@pytest.mark.parametrize(
    "url",
    ["clamd://", "clamd://host", "clamd://host:x", "clamd://host:99999", "clamd://host:1/path", "clamd+unix://a/b"],
)
def test_an_address_that_is_none_is_refused_with_the_forms_that_there_are(url: str) -> None:
    with pytest.raises(BadSettings, match="clamd://HOST:PORT"):
        Clamd.from_url(url)


def test_both_forms_of_address_are_understood(tmp_path: Path) -> None:
    assert Clamd.from_url("clamd://127.0.0.1:3310").place == ("127.0.0.1", 3310)
    assert Clamd.from_url(f"clamd+unix://{tmp_path}/clamd.ctl").place == f"{tmp_path}/clamd.ctl"
