"""`etma serve --demo` as a newcomer runs it: it says where to go, stops cleanly, and goes on where it was."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import httpx2 as httpx

from tests.support.oulad import etma
from tests.support.serving import served

STUDENT, OPERATOR = "P4000001", "00009001"
STOP_SECONDS = 5


def hand_in(client: httpx.Client) -> str:
    """Hand in by the plain form; the address of the receipt."""
    client.post("/sign-in", data={"identifier": STUDENT, "role": "student"})
    page = client.get("/work", follow_redirects=True).text
    assignment = re.search(r'href="(/assignments/[^"]+TMA02)"', page)
    assert assignment
    form = re.search(r'action="([^"]+csrf_token[^"]+)"', client.get(assignment[1]).text)
    assert form
    answer = client.post(form[1].replace("&amp;", "&"), files={"file": ("answer.pdf", b"%PDF-1.4\nmine\n")})
    assert answer.status_code == 303
    return str(answer.headers["location"])


def test_a_newcomer_hands_in_stops_it_and_finds_the_receipt_after_the_next_start(tmp_path: Path) -> None:
    with served(tmp_path / "var") as house:
        assert "Ctrl-C stops it" in house.printed
        assert f"{STUDENT}, student" in house.printed
        receipt = hand_in(house.client)
    with served(tmp_path / "var", stop_by=signal.SIGTERM) as house:
        house.client.post("/sign-in", data={"identifier": STUDENT, "role": "student"})
        assert "Your work was received" in house.client.get(receipt).text


def test_a_second_process_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with served(tmp_path / "var"):
        second = etma("serve", data_dir=tmp_path / "var", environment={})
        assert second.returncode == 2
        assert "is running on" in second.stderr


def test_it_stops_while_somebody_watches_the_figures(tmp_path: Path) -> None:
    with served(tmp_path / "var", stop_by=signal.SIGTERM) as house:
        house.client.post("/sign-in", data={"identifier": OPERATOR, "role": "operations"})
        with house.client.stream("GET", "/operations/live") as answer:
            lines = answer.iter_lines()
            assert any(line.startswith("event: figures") for line in lines)
            began = time.monotonic()
            house.process.send_signal(signal.SIGTERM)
            house.process.wait(timeout=STOP_SECONDS)
            assert [line for line in lines if line.startswith("event: figures")] == []
        assert time.monotonic() - began < STOP_SECONDS
