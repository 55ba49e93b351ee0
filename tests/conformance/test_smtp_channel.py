"""The suite of all channels by SMTP, and what only a server can do to a mail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from services.notifier.channels.port import Fate, Mail, Outcome
from services.notifier.channels.smtp_channel import SmtpAddress, SmtpChannel
from shared.errors import Unavailable
from shared.settings import BadSettings
from tests.conformance.test_channel import ChannelConformance, a_mail
from tests.support.mail_server import PASSWORD, TAKEN, USER, MailServer, certificate_in, tls_of

HOST = "127.0.0.1"


class TestSmtpChannel(ChannelConformance):
    @pytest.fixture(autouse=True)
    def _to_a_server(self) -> Iterator[None]:
        self.server = MailServer()
        self.server.start()
        self.channel = SmtpChannel(SmtpAddress(host=HOST, port=self.server.port))
        yield
        self.server.stop()

    def arrived(self) -> list[EmailMessage]:
        return self.server.arrived()

    def close_the_way(self) -> None:
        self.server.stop()

    def open_the_way(self) -> None:
        self.server.start()

    def fates(self, *mails: Mail) -> list[tuple[Fate, str]]:
        return [(outcome.fate, outcome.reason) for outcome in self.channel.send_all(mails)]

    def ids(self) -> list[str]:
        return [message["Message-ID"] for message in self.arrived()]

    def test_many_mails_go_on_one_connection(self) -> None:
        mails = [a_mail() for _ in range(20)]
        assert self.channel.send_all(mails) == [Outcome.accepted()] * 20
        assert self.ids() == [mail.message_id for mail in mails]
        assert self.server.connections == 1

    def test_mails_that_are_none_ask_no_server(self) -> None:
        self.close_the_way()
        assert self.fates(a_mail(to="nobody")) == [(Fate.REJECTED, "bad_address")]
        self.open_the_way()

    @pytest.mark.parametrize(("answer", "fate"), [("550 unknown", Fate.REJECTED), ("451 not now", Fate.UNAVAILABLE)])
    def test_a_refused_recipient_touches_no_other(self, answer: str, fate: Fate) -> None:
        self.server.recipient_answers["eve@example.org"] = answer
        first, refused, last = a_mail(), a_mail(to="eve@example.org"), a_mail()
        outcomes = self.fates(first, refused, last)
        assert outcomes == [(Fate.ACCEPTED, ""), (fate, f"smtp_{answer[:3]}"), (Fate.ACCEPTED, "")]
        assert self.ids() == [first.message_id, last.message_id]

    @pytest.mark.parametrize(("answer", "fate"), [("554 spam", Fate.REJECTED), ("452 no room", Fate.UNAVAILABLE)])
    def test_a_refused_content_touches_no_other(self, answer: str, fate: Fate) -> None:
        self.server.content_answers = [answer]
        refused, last = a_mail(), a_mail()
        assert self.fates(refused, last) == [(fate, f"smtp_{answer[:3]}"), (Fate.ACCEPTED, "")]
        assert self.ids() == [last.message_id]

    def test_a_sender_whom_the_server_does_not_want_is_nothing_that_ends_a_mail(self) -> None:
        self.server.sender_answer = "553 not you"
        mail = a_mail()
        assert self.fates(mail) == [(Fate.UNAVAILABLE, "smtp_553")]
        self.server.sender_answer = TAKEN
        assert self.fates(mail) == [(Fate.ACCEPTED, "")]

    def test_a_connection_that_dies_after_the_content_leaves_uncertain_what_may_have_left(self) -> None:
        self.server.dies_with = "content"
        mail, waiting = a_mail(), a_mail()
        assert self.fates(mail, waiting) == [(Fate.UNCERTAIN, "connection_lost"), (Fate.UNAVAILABLE, "next_batch")]
        self.server.dies_with = "nothing"
        assert self.fates(mail, waiting) == [(Fate.ACCEPTED, ""), (Fate.ACCEPTED, "")]
        assert self.ids() == [mail.message_id, mail.message_id, waiting.message_id]

    def test_a_connection_that_dies_before_the_content_has_taken_nothing(self) -> None:
        self.server.dies_with = "recipient"
        assert self.fates(a_mail(), a_mail()) == [
            (Fate.UNAVAILABLE, "connection_lost"),
            (Fate.UNAVAILABLE, "next_batch"),
        ]
        assert self.ids() == []

    def test_a_slow_server_gets_the_rest_in_the_next_batch(self) -> None:
        self.server.answers_after_seconds = 0.3
        self.channel = SmtpChannel(SmtpAddress(host=HOST, port=self.server.port), batch_seconds=0.2)
        assert self.fates(a_mail(), a_mail()) == [(Fate.ACCEPTED, ""), (Fate.UNAVAILABLE, "next_batch")]

    def test_lines_that_begin_with_a_dot_arrive_whole(self) -> None:
        mail = replace(a_mail(), text="Dear Ada\n.\n..two dots\n.one\n")
        self.channel.send_all([mail])
        (message,) = self.arrived()
        text = message.get_body(("plain",))
        assert text is not None
        assert text.get_content().splitlines() == mail.text.splitlines()

    def test_what_goes_over_the_line_is_seven_bit(self) -> None:
        self.channel.send_all([a_mail(subject="Zażółć")])
        assert all(mail.isascii() for mail in self.server.mails)

    def test_an_address_that_no_plain_server_takes_is_refused(self) -> None:
        assert self.fates(a_mail(to="zażółć@example.org")) == [(Fate.REJECTED, "bad_address")]

    def test_it_keeps_no_mail(self) -> None:
        assert self.channel.message_ids() is None

    def test_a_password_is_not_shown_to_a_server_without_encryption(self) -> None:
        self.channel = SmtpChannel(SmtpAddress(host=HOST, port=self.server.port, user=USER, password=PASSWORD))
        with pytest.raises(Unavailable, match="SMTPNotSupportedError"):
            self.channel.send_all([a_mail()])
        assert self.server.passwords == []


class TestEncryptedSmtp:
    @pytest.fixture(autouse=True)
    def _to_a_server(self, tmp_path: Path) -> Iterator[None]:
        self.certificate = certificate_in(tmp_path)
        self.server = MailServer(tls=tls_of(self.certificate))
        self.server.start()
        yield
        self.server.stop()

    def channel(self, password: str = PASSWORD) -> SmtpChannel:
        return SmtpChannel(SmtpAddress(host=HOST, port=self.server.port, user=USER, password=password))

    def test_a_server_that_can_prove_itself_gets_the_password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(self.certificate))
        assert self.channel().send_all([a_mail()]) == [Outcome.accepted()]
        assert self.server.passwords == [PASSWORD.encode()]

    def test_without_a_user_the_line_is_encrypted_all_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(self.certificate))
        channel = SmtpChannel(SmtpAddress(host=HOST, port=self.server.port))
        assert channel.send_all([a_mail()]) == [Outcome.accepted()]

    def test_a_wrong_password_is_an_outage_that_a_person_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(self.certificate))
        with pytest.raises(Unavailable, match="cannot be used"):
            self.channel("wrong").send_all([a_mail()])

    def test_a_server_that_nobody_vouches_for_gets_nothing(self) -> None:
        with pytest.raises(Unavailable, match="SSLCertVerificationError"):
            self.channel().send_all([a_mail()])
        assert self.server.passwords == []
        assert self.server.mails == []


def test_an_address_says_where_and_who() -> None:
    url = "smtp://etma:s%2Fcret@mail.example:587"
    assert SmtpAddress.from_url(url) == SmtpAddress(host="mail.example", port=587, user="etma", password="s/cret")
    assert "s/cret" not in repr(SmtpAddress.from_url(url))
    assert SmtpAddress.from_url("smtp://mail.example:25") == SmtpAddress(host="mail.example", port=25)


@pytest.mark.parametrize("url", ["smtp://mail.example", "smtp://:25", "smtp://a:hush@mail.example:x", "smtp://[a:25"])
def test_what_is_not_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadSettings, match="ETMA_MAIL_URL") as raised:
        SmtpAddress.from_url(url)
    assert "hush" not in str(raised.value)
