"""What every channel promises; a new adapter inherits the suite and gives its own fixture."""

from __future__ import annotations

import email
from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

import pytest

from services.notifier.channels.file_channel import FileChannel
from services.notifier.channels.port import Channel, Fate, Mail, Outcome
from shared.errors import Rejected, Unavailable


def a_mail(*, to: str = "ada@example.org", subject: str = "Your work was received") -> Mail:
    delivery_id = str(uuid4())
    return Mail(
        delivery_id=delivery_id,
        message_id=f"<{delivery_id}@etma.example>",
        sender="eTMA <no-reply@etma.example>",
        to=to,
        subject=subject,
        text="Dear Ada\n\nYour work was received \N{EN DASH} thank you.\n",
        html="<p>Dear Ada</p><p>Your work was received &ndash; thank you.</p>",
        date=datetime(2026, 11, 2, 12, 0, tzinfo=UTC),
    )


class ChannelConformance(ABC):
    """The suite."""

    channel: Channel

    @abstractmethod
    def arrived(self) -> list[EmailMessage]:
        """Return all mails at the far end."""

    @abstractmethod
    def close_the_way(self) -> None:
        """Make the channel unable to take anything."""

    @abstractmethod
    def open_the_way(self) -> None:
        """Undo `close_the_way`."""

    def test_what_is_forgotten_is_kept_no_more_and_no_other(self) -> None:
        gone, stays = a_mail(), a_mail()
        self.channel.send_all([gone, stays])
        for _ in range(2):
            self.channel.forget([gone.delivery_id])
        kept = self.channel.message_ids()
        assert kept is None or list(kept) == [stays.message_id]

    def test_a_mail_arrives_with_its_headers_and_both_forms(self) -> None:
        mail = a_mail()
        assert self.channel.send_all([mail]) == [Outcome.accepted()]
        (message,) = self.arrived()
        assert message["Message-ID"] == mail.message_id
        assert message["Date"].datetime == mail.date
        assert message["To"] == mail.to
        assert message["From"] == mail.sender
        assert message["Subject"] == mail.subject
        text, html = message.get_body(("plain",)), message.get_body(("html",))
        assert text is not None
        assert html is not None
        assert text.get_content().splitlines() == mail.text.splitlines()
        assert html.get_content().strip() == mail.html

    def test_there_is_one_outcome_for_each_mail_in_order(self) -> None:
        mails = [a_mail(), a_mail(to="nobody"), a_mail(to="eve@example.org\r\nBcc: all@example.org"), a_mail()]
        fates = [outcome.fate for outcome in self.channel.send_all(mails)]
        assert fates == [Fate.ACCEPTED, Fate.REJECTED, Fate.REJECTED, Fate.ACCEPTED]
        assert {message["Message-ID"] for message in self.arrived()} == {mails[0].message_id, mails[3].message_id}

    def test_nothing_to_send_is_fine(self) -> None:
        assert self.channel.send_all([]) == []
        assert self.arrived() == []

    def test_a_subject_cannot_bring_a_header_of_its_own(self) -> None:
        self.channel.send_all([a_mail(subject="Received\r\nBcc: all@example.org")])
        (message,) = self.arrived()
        assert message["Bcc"] is None
        assert message["Subject"] == "Received Bcc: all@example.org"

    def test_sent_again_it_has_the_same_message_id(self) -> None:
        mail = a_mail()
        self.channel.send_all([mail])
        self.channel.send_all([mail])
        assert {message["Message-ID"] for message in self.arrived()} == {mail.message_id}

    def test_a_closed_way_is_unavailable_and_takes_the_same_mail_later(self) -> None:
        mail = a_mail()
        self.close_the_way()
        with pytest.raises(Unavailable):
            self.channel.send_all([mail])
        self.open_the_way()
        assert self.channel.send_all([mail]) == [Outcome.accepted()]
        assert [message["Message-ID"] for message in self.arrived()] == [mail.message_id]


class TestFileChannel(ChannelConformance):
    @pytest.fixture(autouse=True)
    def in_a_folder(self, tmp_path: Path) -> None:
        self.root = tmp_path / "var" / "mail"
        self.file_channel = FileChannel(self.root)
        self.channel = self.file_channel

    def arrived(self) -> list[EmailMessage]:
        files = sorted(self.root.rglob("*.eml"))
        messages = [email.message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
        return [message for message in messages if isinstance(message, EmailMessage)]

    def close_the_way(self) -> None:
        self.root.parent.mkdir(parents=True)
        self.root.write_text("a file where the folder should be")

    def open_the_way(self) -> None:
        self.root.unlink()

    def test_sent_again_it_is_one_file_and_no_draft_is_left(self) -> None:
        mail = a_mail()
        self.channel.send_all([mail])
        self.channel.send_all([mail])
        files = [path for path in self.root.rglob("*") if path.is_file()]
        assert files == [self.root / mail.delivery_id[:2] / f"{mail.delivery_id}.eml"]

    def test_the_mails_that_lie_there_are_told_by_their_id_copies_too(self) -> None:
        mails = [a_mail(), a_mail()]
        self.channel.send_all(mails)
        path = self.file_channel.path_of(mails[0].delivery_id)
        path.with_name("copy.eml").write_bytes(path.read_bytes())
        found = sorted(self.file_channel.message_ids())
        assert found == sorted(mail.message_id for mail in (mails[0], *mails))

    def test_a_draft_left_by_a_crash_is_overwritten(self) -> None:
        mail = a_mail()
        path = self.file_channel.path_of(mail.delivery_id)
        path.parent.mkdir(parents=True)
        path.with_name(f".{path.name}.new").write_bytes(b"half a ma")
        self.channel.send_all([mail])
        assert [file.name for file in path.parent.iterdir()] == [path.name]
        assert path.read_bytes().startswith(b"Message-ID: ")

    def test_the_same_mail_gives_the_same_bytes(self) -> None:
        mail = a_mail()
        path = self.file_channel.path_of(mail.delivery_id)
        self.channel.send_all([mail])
        first = path.read_bytes()
        self.channel.send_all([mail])
        assert path.read_bytes() == first

    @pytest.mark.parametrize("delivery_id", ["../../etc/passwd", "a", "", "ab/cd", ".hidden"])
    def test_an_id_that_is_no_safe_file_name_is_rejected(self, delivery_id: str) -> None:
        with pytest.raises(Rejected):
            self.channel.send_all([replace(a_mail(), delivery_id=delivery_id)])
        assert self.arrived() == []
