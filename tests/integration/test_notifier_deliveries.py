"""What operations staff see of mail that did not go out, and that they have it sent again."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.notifier.channels.port import Fate, Outcome
from services.notifier.deliveries.resending import CannotBeSent, NotFailed
from services.notifier.deliveries.store import resendings
from services.notifier.deliveries.views import DeliveryViews, Trouble
from shared.contracts import DeliveryFailed, DeliverySent
from shared.errors import NotFound, Unavailable
from tests.integration.notifier_house import House
from tests.unit.notifier_facts import assignment, person, received

GO = threading.Event()
REFUSED = Outcome(Fate.REJECTED, "smtp_550")
UNSURE = Outcome(Fate.UNCERTAIN, "connection_lost")
OLGA = "operations:olga"


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.hear(assignment(), person("ada"))
    return made


@pytest.fixture
def views(house: House) -> DeliveryViews:
    return DeliveryViews(house.database, house.stores.directory)


def fail(house: House, person_ref: str = "ada") -> str:
    """Have a receipt to this person fail; returns its delivery."""
    house.hear(received(person_ref))
    house.scripted.answers = [REFUSED]
    house.send()
    (delivery_id,) = [row["delivery_id"] for row in house.deliveries() if row["state"] == "failed"]
    return str(delivery_id)


def resent(house: House) -> list[tuple[str, str]]:
    with house.database.reading() as connection:
        rows = connection.execute(sa.select(resendings).order_by(resendings.c.resent_at))
        return [(row.resent_by, row.reason) for row in rows]


def test_a_failed_one_goes_out_again_under_its_message_id_and_it_is_noted_by_whom(house: House) -> None:
    delivery_id = fail(house)
    before = house.deliveries()[0]["message_id"]
    house.scripted.mails.clear()
    assert house.desk.send_again(delivery_id, actor=OLGA) == "queued"
    house.send()
    (mail,), (row,) = house.scripted.mails, house.deliveries()
    assert (mail.message_id, row["message_id"], row["state"], row["attempts"]) == (before, before, "sent", 2)
    assert resent(house) == [(OLGA, "smtp_550")]
    assert [type(fact) for fact in house.published()] == [DeliveryFailed, DeliverySent]


def test_who_presses_twice_sends_once(house: House) -> None:
    delivery_id = fail(house)
    house.scripted.mails.clear()
    for _ in range(2):
        house.desk.send_again(delivery_id, actor=OLGA)
    house.send()
    assert house.desk.send_again(delivery_id, actor=OLGA) == "sent"
    house.send()
    assert (len(house.scripted.mails), len(resent(house))) == (1, 1)


def test_one_that_fails_again_can_be_sent_again(house: House) -> None:
    delivery_id = fail(house)
    house.desk.send_again(delivery_id, actor=OLGA)
    house.scripted.answers = [REFUSED]
    house.send()
    house.clock.advance(timedelta(minutes=1))
    assert house.desk.send_again(delivery_id, actor="operations:otto") == "queued"
    assert [who for who, _ in resent(house)] == [OLGA, "operations:otto"]


def test_what_did_not_fail_is_not_sent_again(house: House) -> None:
    house.hear(received("ada"))
    delivery_id = house.deliveries()[0]["delivery_id"]
    for _ in range(2):
        with pytest.raises(NotFailed):
            house.desk.send_again(delivery_id, actor=OLGA)
        house.send()
    assert (len(house.scripted.mails), resent(house)) == (1, [])


def test_one_that_would_fail_again_is_not_sent_and_it_is_said_why(house: House) -> None:
    delivery_id = fail(house)
    house.hear(person("ada", email=None, revision=2))
    with pytest.raises(CannotBeSent, match="No mail address of this person is known"):
        house.desk.send_again(delivery_id, actor=OLGA)
    assert house.deliveries()[0]["state"] == "failed"
    house.hear(person("ada", email="new@example.org", revision=3))
    house.scripted.mails.clear()
    house.desk.send_again(delivery_id, actor=OLGA)
    house.send()
    assert [mail.to for mail in house.scripted.mails] == ["new@example.org"]


def test_a_delivery_that_there_is_not_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        house.desk.send_again("nobody knows it", actor=OLGA)


def test_the_page_shows_what_failed_what_may_have_left_and_what_waits_for_long(
    house: House, views: DeliveryViews
) -> None:
    fail(house)
    house.clock.advance(timedelta(milliseconds=1))
    house.hear(received("ada", version=2))
    house.scripted.answers = [UNSURE]
    house.send()
    house.clock.advance(timedelta(milliseconds=1))
    house.hear(received("ada", version=3))
    house.scripted.answers = [Unavailable()]
    house.send()
    assert [line.state for line in views.page(Trouble.ANY).lines] == ["failed", "uncertain"]
    house.clock.advance(timedelta(minutes=15))
    lines = views.page(Trouble.ANY).lines
    assert [(line.state, line.kinds) for line in lines] == [
        ("failed", ("Receipt for work handed in",)),
        ("uncertain", ("Receipt for work handed in",)),
        ("queued", ("Receipt for work handed in",)),
    ]
    assert lines[0].reason == "The mail server answered with code 550."
    for trouble, states in [
        (Trouble.FAILED, ["failed"]),
        (Trouble.UNCERTAIN, ["uncertain"]),
        (Trouble.LONG, ["queued"]),
    ]:
        assert [line.state for line in views.page(trouble).lines] == states


def test_a_line_says_who_had_it_sent_again_and_what_is_in_the_way(house: House, views: DeliveryViews) -> None:
    delivery_id = fail(house)
    house.desk.send_again(delivery_id, actor=OLGA)
    house.scripted.answers = [REFUSED]
    house.send()
    (line,) = views.page(Trouble.FAILED).lines
    assert (line.resent_by, line.obstacle, line.attempts) == (OLGA, None, 2)
    house.hear(person("ada", email=None, revision=2))
    (line,) = views.page(Trouble.FAILED).lines
    assert line.obstacle == "No mail address of this person is known."


def test_pages_have_no_gap_and_nothing_twice_over_all_states(house: House, views: DeliveryViews) -> None:
    house.hear(*(received("ada", version=number + 1) for number in range(12)))
    house.scripted.answers = [REFUSED] * 4 + [UNSURE] * 4 + [Unavailable()] * 4
    sender = house.sender(batch_size=1)
    for _ in range(12):
        sender.step(GO)
    house.clock.advance(timedelta(minutes=20))
    seen: list[str] = []
    after = None
    while True:
        page = views.page(Trouble.ANY, after=after, size=5)
        seen += [line.delivery_id for line in page.lines]
        after = page.next_after
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 12


@pytest.mark.sqlite
@pytest.mark.parametrize("trouble", list(Trouble))
def test_a_page_looks_at_nothing_that_went_out(house: House, views: DeliveryViews, trouble: Trouble) -> None:
    """The database's own plan: only indexes that have no row for what was sent."""
    with house.counting() as statements:
        views.page(trouble)
    found = [each for each in statements if "FROM delivery" in each and "resending" not in each]
    assert found
    with house.database.reading() as connection:
        for statement in found:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (0,) * statement.count("?"))
            steps = [row[3] for row in plan]
            assert any("ix_delivery_" in step for step in steps), (statement, steps)
