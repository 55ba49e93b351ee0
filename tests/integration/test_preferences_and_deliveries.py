"""Preferences and deliveries through the running system: pages, API, forms, the audit, the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from typer.testing import CliRunner

from services.cli import app
from services.notifier.channels.port import Channel, Fate, Mail, Outcome
from tests.support.persons import ref_of
from tests.support.university import ANN, BEN, OPERATOR, TUTOR, Town, running_town, settled_audit

ADDRESS = "/api/v1/preferences"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with running_town(tmp_path) as town:
        yield town


class Refusing:
    """A channel whose server takes nothing for a while."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.refuses = True

    def send_all(self, mails: list[Mail]) -> list[Outcome]:
        return [Outcome(Fate.REJECTED, "smtp_550") for _ in mails] if self.refuses else self.channel.send_all(mails)


def put(town: Town, way: str, role: str = "student", person: str = ANN) -> httpx.Response:
    return town.client.put(ADDRESS, json={"way": way}, headers=town.token(role, person))


def browser(town: Town, role: str, person: str) -> dict[str, str]:
    """Signed in by a cookie, as pages are."""
    return {"cookie": f"etma_session={town.token(role, person)['authorization'].removeprefix('Bearer ')}"}


def form_token(page: str) -> str:
    (token, *_) = re.findall(r'name="csrf_token" value="([0-9a-f]+)"', page)
    return str(token)


def test_a_program_reads_and_changes_how_it_is_told(town: Town) -> None:
    assert town.get(ADDRESS, "student", ANN).json() == {"way": "at_once", "chosen_at": None}
    chosen = put(town, "daily").json()
    assert chosen["way"] == "daily"
    assert put(town, "daily").json() == town.get(ADDRESS, "student", ANN).json() == chosen
    assert town.get(ADDRESS, "student", BEN).json()["way"] == "at_once"


@pytest.mark.parametrize("body", [{}, {"way": "by pigeon"}, {"way": None}, []])
def test_a_way_that_there_is_not_is_refused_with_words(town: Town, body: object) -> None:
    answer = town.client.put(ADDRESS, json=body, headers=town.token("student", ANN))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert town.get(ADDRESS, "student", ANN).json()["way"] == "at_once"


def test_a_page_cannot_be_made_to_choose_by_another_site(town: Town) -> None:
    cookie = browser(town, "student", ANN)
    assert town.client.post("/preferences", data={"way": "daily"}, headers=cookie).status_code == 403
    assert town.client.put(ADDRESS, json={"way": "daily"}, headers=cookie).status_code == 403
    assert town.get(ADDRESS, "student", ANN).json()["way"] == "at_once"


def test_the_page_saves_says_so_and_complains_when_nothing_is_chosen(town: Town) -> None:
    cookie = browser(town, "student", ANN)
    token = form_token(town.client.get("/preferences", headers=cookie).text)
    saved = town.client.post("/preferences", data={"way": "daily", "csrf_token": token}, headers=cookie)
    assert (saved.status_code, saved.headers["location"]) == (303, "/preferences?saved=yes")
    page = town.client.get("/preferences?saved=yes", headers=cookie).text
    assert "You are told from now on: once a day." in page
    assert re.search(r'value="daily" checked', page)
    for nothing in ({}, {"way": "by pigeon"}):
        wrong = town.client.post("/preferences", data={"csrf_token": token, **nothing}, headers=cookie)
        assert wrong.status_code == 422
        assert "<title>Problem: How you are told" in wrong.text
        assert wrong.text.count("Choose how you want to be told") == 2
    assert town.get(ADDRESS, "student", ANN).json()["way"] == "daily"


def test_the_page_says_that_receipts_come_in_any_case_and_is_found(town: Town) -> None:
    for role, person in (("student", ANN), ("tutor", TUTOR), ("operations", OPERATOR)):
        assert "Receipt for work handed in" in town.get("/preferences", role, person).text
        assert town.get("/inbox", role, person).text.count('href="/preferences"') == 2


@pytest.mark.parametrize("way", ["at_once", "daily", "inbox_only"])
def test_the_audit_is_clean_and_everything_is_in_the_inbox_whatever_was_chosen(town: Town, way: str) -> None:
    put(town, way)
    put(town, way, "tutor", TUTOR)
    town.hand_in()
    town.settle()
    assert settled_audit(town.system).violations == []
    purposes = [item["purpose"] for item in town.get("/api/v1/inbox", "tutor", TUTOR).json()["items"]]
    assert purposes == ["new_script"]
    states = {
        (row["purpose"], row["state"], row["delivery_id"] is None) for row in town.rows("notifier", "obligations")
    }
    assert ("receipt", "assigned", False) in states
    assert (("new_script", "pending", True) in states) == (way == "daily")
    put(town, "at_once", "tutor", TUTOR)
    town.settle()
    report = settled_audit(town.system)
    assert report.violations == []
    assert report.counts["deliveries_suppressed"] == (way == "inbox_only")


def failed_delivery(town: Town) -> tuple[str, Refusing]:
    sender = town.system.notifier.service.loops[0]
    sender.channel = refusing = Refusing(sender.channel)
    town.hand_in()
    town.settle()
    refusing.refuses = False
    (row,) = [row for row in town.rows("notifier", "deliveries") if row["person_ref"] == ref_of(town, ANN)]
    return str(row["delivery_id"]), refusing


def test_a_failed_message_is_seen_by_reference_alone_and_sent_again_once(town: Town) -> None:
    delivery_id, _ = failed_delivery(town)
    assert "delivery_failed" in {violation.code for violation in settled_audit(town.system).violations}
    cookie = browser(town, "operations", OPERATOR)
    page = town.client.get("/deliveries?state=failed", headers=cookie).text
    assert f'href="/operations/trail?q={ref_of(town, ANN)}"' in page
    assert "The mail server answered with code 550." in page
    assert not re.search(r"Ann|ann@|@example", page)
    form = {"csrf_token": form_token(page.partition("/resend")[2]), "state": "failed"}
    for _ in range(2):
        sent = town.client.post(f"/deliveries/{delivery_id}/resend", data=form, headers=cookie)
        assert (sent.status_code, sent.headers["location"]) == (303, "/deliveries?state=failed&again=yes")
    town.settle()
    (row,) = [row for row in town.rows("notifier", "deliveries") if row["delivery_id"] == delivery_id]
    assert row["state"] == "sent"
    told = [violation for violation in settled_audit(town.system).violations if delivery_id in str(violation.ids)]
    assert told == []


def test_no_form_no_sending_and_what_did_not_fail_is_told(town: Town) -> None:
    delivery_id, _ = failed_delivery(town)
    cookie = browser(town, "operations", OPERATOR)
    assert town.client.post(f"/deliveries/{delivery_id}/resend", headers=cookie).status_code == 403
    olga = town.token("operations", OPERATOR)
    assert town.client.post("/deliveries/nobody-knows-it/resend", headers=olga).status_code == 404
    town.hand_in(BEN)
    town.settle()
    (bens,) = [row for row in town.rows("notifier", "deliveries") if row["person_ref"] == ref_of(town, BEN)]
    refused = town.client.post(f"/deliveries/{bens['delivery_id']}/resend", headers=olga)
    assert (refused.status_code, "This message did not fail" in refused.text) == (409, True)


@pytest.mark.parametrize("query", ["state=lost", "after=nowhere", "after=2026-02-30T00:00:00Z_x"])
def test_a_list_that_there_is_not_is_refused(town: Town, query: str) -> None:
    assert town.get(f"/deliveries?{query}", "operations", OPERATOR).status_code == 422


def test_the_command_line_lists_and_sends_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery_id, _ = failed_delivery(town)
    monkeypatch.setenv("ETMA_DATA_DIR", str(town.system.platform.settings.data_dir))
    runner = CliRunner()
    (listed, *_) = json.loads(runner.invoke(app, ["deliveries", "list", "--state", "failed", "--json"]).stdout)
    assert listed["state"] == "failed"
    assert "@" not in runner.invoke(app, ["deliveries", "list"]).stdout
    answer = runner.invoke(app, ["deliveries", "resend", delivery_id, "--json"])
    assert json.loads(answer.stdout) == {"delivery_id": delivery_id, "state": "queued"}
    town.settle()
    states = {row["delivery_id"]: row["state"] for row in town.rows("notifier", "deliveries")}
    assert states[delivery_id] == "sent"


def test_what_somebody_chose_is_handed_out(town: Town) -> None:
    put(town, "inbox_only")
    rows = [row for row in town.system.notifier.service.persons.rows(ref_of(town, ANN)) if row["kind"] == "preference"]
    assert [row["way"] for row in rows] == ["inbox_only"]
