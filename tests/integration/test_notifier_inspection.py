"""What an auditor and the inbox read."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from services.notifier.channels.port import Fate, Outcome
from services.notifier.inspection import NotifierInspection
from services.notifier.obligations.views import InboxView
from services.notifier.preferences.domain import Way
from shared.errors import NotFound, Rejected
from tests.integration.notifier_house import House
from tests.unit.notifier_facts import allocated, assignment, not_taken, person, received


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.hear(assignment(), person("ada"), person("tom", email="tom@example.org"))
    return made


def test_every_obligation_is_shown_once_page_by_page(house: House) -> None:
    house.hear(*(received("ada", version=number + 1) for number in range(7)), received("eve"))
    inspection = NotifierInspection(house.database)
    seen: list[dict[str, object]] = []
    while page := inspection.facts("obligations", after=str(seen[-1]["position"]) if seen else "", limit=3):
        seen.extend(page)
    assert len(seen) == 8
    assert [row["position"] for row in seen] == sorted({str(row["position"]) for row in seen})
    (held,) = (row for row in seen if row["state"] == "held")
    assert (held["person_ref"], held["waits_for"], held["delivery_id"]) == ("eve", "person", None)


def test_a_delivery_is_shown_with_the_number_of_its_obligations(house: House) -> None:
    house.hear(allocated("ada"), allocated("bob"))
    house.clock.advance(timedelta(minutes=15))
    house.fire_digests()
    house.send()
    (row,) = NotifierInspection(house.database).facts("deliveries")
    assert (row["obligations"], row["state"], row["attempts"], row["person_ref"]) == (2, "sent", 1, "tom")
    assert row["message_id"] == f"<{row['delivery_id']}@etma.example>"


def test_an_unknown_kind_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        NotifierInspection(house.database).facts("secrets")


def test_the_status_counts_what_waits_and_says_since_when_something_waits(house: House) -> None:
    began = house.clock.now().isoformat()
    house.hear(received("ada"), received("eve"), allocated("ada"))
    house.clock.advance(timedelta(minutes=1))
    house.hear(received("ada", version=2))
    status = NotifierInspection(house.database, lambda: {"outbox": 0}).status()
    assert status["obligations"] == {"held": 1, "pending": 1}
    assert status["deliveries"] == {"queued": 2}
    assert (status["oldest_queued_at"], status["oldest_pending_at"], status["oldest_held_at"]) == (began,) * 3
    assert status["outbox"] == 0


def test_a_status_with_nothing_waiting_has_no_oldest(house: House) -> None:
    house.hear(received("ada"))
    house.send()
    status = NotifierInspection(house.database).status()
    assert (status["obligations"], status["deliveries"]) == ({}, {})
    assert (status["oldest_queued_at"], status["oldest_pending_at"]) == (None, None)


def test_what_failed_is_counted_until_it_went_out(house: House) -> None:
    house.hear(received("ada"))
    house.scripted.answers = [Outcome(Fate.REJECTED, "smtp_550")]
    house.send()
    assert NotifierInspection(house.database).status()["deliveries"] == {"failed": 1}
    house.desk.send_again(house.deliveries()[0]["delivery_id"], actor="operations:olga")
    assert NotifierInspection(house.database).status()["deliveries"] == {"queued": 1}


@pytest.mark.sqlite
def test_a_status_reads_no_more_rows_when_more_was_told(house: House) -> None:
    """The database's own plan: each count is of an index that has nothing else."""
    with house.counting() as statements:
        NotifierInspection(house.database).status()
    counts = [each for each in statements if "count(*)" in each]
    assert len(counts) == 3
    with house.database.reading() as connection:
        for statement in statements:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (0,) * statement.count("?"))
            steps = [row[3] for row in rows if row[3].startswith(("SCAN", "SEARCH"))]
            assert all(" INDEX ix_" in step for step in steps), (statement, steps)


def test_an_obligation_says_until_when_it_waits_and_what_its_person_chose(house: House) -> None:
    house.hear(allocated("ada"), received("ada"))
    house.choose("tom", Way.DAILY)
    house.hear(allocated("bob"))
    rows = NotifierInspection(house.database).facts("obligations")
    waiting = {(row["state"], row["way"], row["waits_until"]) for row in rows}
    due = house.digests_set()["tom"].isoformat()
    assert waiting == {("pending", "daily", due), ("assigned", None, None)}


def test_an_inbox_holds_ones_own_messages_newest_first(house: House) -> None:
    first = received("ada")
    house.hear(first, not_taken("bob", tutor_ref="tom"))
    house.clock.advance(timedelta(hours=1))
    house.hear(not_taken("ada", tutor_ref="tom"))
    page = InboxView(house.database, house.stores.directory).page("ada")
    assert [item.purpose for item in page.items] == ["version_not_taken", "receipt"]
    assert page.items[1].path == f"/receipts/{first.submission_id}"
    assert page.items[1].subject == "Work received: K827 TMA 01"
    assert page.next_before is None


def test_an_inbox_is_read_page_by_page_without_gaps_even_when_many_came_at_one_moment(house: House) -> None:
    house.hear(*(received("ada", version=number + 1) for number in range(7)))
    view = InboxView(house.database, house.stores.directory)
    seen, before = [], None
    while True:
        page = view.page("ada", before=before, size=3)
        seen.extend(item.item_id for item in page.items)
        before = page.next_before
        if before is None:
            break
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize("place", ["nonsense", "2026-11-02T12:00:00_x", "_", "' OR 1=1"])
def test_a_place_that_does_not_exist_is_rejected(house: House, place: str) -> None:
    with pytest.raises(Rejected):
        InboxView(house.database, house.stores.directory).page("ada", before=place)
