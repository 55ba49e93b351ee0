"""Mails by SMTP (RFC 5321) to a mail server that carries them on: one connection for all that go at once.

Keeps nothing. What the server has answered with 250 is its to deliver. A refusal of one mail or of its recipient by 5xx
is final, by 4xx it is not; a refusal of the sender is ours to mend and never a mail's end. When the connection ends
after the content began to go, nobody knows whether the mail has left.
"""

from __future__ import annotations

import re
import smtplib
import ssl
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

from services.notifier.channels.letter import BadAddress, as_message
from services.notifier.channels.port import Fate, Mail, Outcome
from shared.errors import Unavailable
from shared.settings import BadSettings

ANSWER_SECONDS = 10.0
BATCH_SECONDS = 5.0
"""Mails that did not get their turn in this time get it in the next batch: a sender holds none for long."""

_DONE, _GO_ON, _NOT_NOW, _NEVER = 250, 354, 400, 500
_FOR_THERE = (250, 251)
"""The server takes mail for this recipient, who may be elsewhere."""

_DOT_AT_START = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, kw_only=True)
class SmtpAddress:
    """Where the mail server is; without a user nobody signs in."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def from_url(cls, url: str) -> SmtpAddress:
        """The address of `smtp://[USER:PASSWORD@]HOST:PORT`; raises `BadSettings`, which repeats nothing of it."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            port = None
        if port is None or not parts.hostname:
            raise BadSettings("ETMA_MAIL_URL: this is not smtp://[USER:PASSWORD@]HOST:PORT")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(host=parts.hostname, port=port, user=user, password=password)


class SmtpChannel:
    """See the module. Encrypts when the server offers it, and shows a password to no other."""

    def __init__(self, address: SmtpAddress, *, batch_seconds: float = BATCH_SECONDS) -> None:
        self.address = address
        self.batch_seconds = batch_seconds

    @classmethod
    def from_url(cls, url: str) -> SmtpChannel:
        """The channel of `smtp://[USER:PASSWORD@]HOST:PORT`."""
        return cls(SmtpAddress.from_url(url))

    def send_all(self, mails: Sequence[Mail]) -> list[Outcome]:
        envelopes = [_envelope_of(mail) for mail in mails]
        if not any(isinstance(each, _Envelope) for each in envelopes):
            return [each for each in envelopes if isinstance(each, Outcome)]
        server = self._connect()
        try:
            batch = _Batch(server, seconds=self.batch_seconds)
            return [each if isinstance(each, Outcome) else batch.send(each) for each in envelopes]
        finally:
            with suppress(OSError):
                server.quit()
            server.close()

    def forget(self, delivery_ids: Collection[str]) -> None:
        """Nothing: it keeps none."""

    def message_ids(self) -> None:
        """None: it hands mails on, and keeps none."""

    def _connect(self) -> smtplib.SMTP:
        """All failures of `smtplib` are `OSError`s."""
        try:
            server = smtplib.SMTP(self.address.host, self.address.port, timeout=ANSWER_SECONDS)
        except OSError as error:
            raise _closed(error) from error
        try:
            self._introduce(server)
        except OSError as error:
            server.close()
            raise _closed(error) from error
        return server

    def _introduce(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        encrypted = server.has_extn("starttls")
        if encrypted:
            server.starttls(context=ssl.create_default_context())
            server.ehlo_or_helo_if_needed()
        if not self.address.user:
            return
        if not encrypted:
            message = "it would get the password in the clear"
            raise smtplib.SMTPNotSupportedError(message)
        server.login(self.address.user, self.address.password)


@dataclass(frozen=True, kw_only=True)
class _Envelope:
    """What goes over the line: two addresses, and the message with CRLF at the end of each line."""

    sender: str
    to: str
    content: bytes


class _Batch:
    """One mail after the other, as long as the connection and the time last."""

    def __init__(self, server: smtplib.SMTP, *, seconds: float) -> None:
        self._server = server
        self._until = time.monotonic() + seconds
        self._lost = False

    def send(self, envelope: _Envelope) -> Outcome:
        if self._lost or time.monotonic() > self._until:
            return Outcome(Fate.UNAVAILABLE, "next_batch")
        try:
            refused = self._offer(envelope)
        except OSError:
            return self._broken(Fate.UNAVAILABLE)
        if refused is not None:
            return refused
        try:
            return self._hand_over(envelope.content)
        except OSError:
            return self._broken(Fate.UNCERTAIN)

    def _offer(self, envelope: _Envelope) -> Outcome | None:
        """None when the server waits for the content."""
        code, _ = self._server.mail(envelope.sender)
        if code != _DONE:
            return self._refused(Fate.UNAVAILABLE, code)
        code, _ = self._server.rcpt(envelope.to)
        if code not in _FOR_THERE:
            return self._refused(_fate_of(code), code)
        code, _ = self._server.docmd("DATA")
        if code != _GO_ON:
            return self._refused(_fate_of(code), code)
        return None

    def _hand_over(self, content: bytes) -> Outcome:
        self._server.send(_DOT_AT_START.sub(b"..", content) + b".\r\n")
        code, _ = self._server.getreply()
        if code == _DONE:
            return Outcome.accepted()
        return Outcome(_fate_of(code), f"smtp_{code}")

    def _refused(self, fate: Fate, code: int) -> Outcome:
        self._server.rset()
        return Outcome(fate, f"smtp_{code}")

    def _broken(self, fate: Fate) -> Outcome:
        self._lost = True
        return Outcome(fate, "connection_lost")


def _envelope_of(mail: Mail) -> _Envelope | Outcome:
    try:
        message = as_message(mail)
    except BadAddress as failure:
        return Outcome(Fate.REJECTED, failure.code)
    if not mail.to.isascii():
        return Outcome(Fate.REJECTED, BadAddress.code)
    return _Envelope(sender=parseaddr(mail.sender)[1], to=mail.to, content=message.as_bytes())


def _fate_of(code: int) -> Fate:
    """What a refusal means (RFC 5321, 4.2.1); an answer that is no code is none."""
    if code < _NOT_NOW:
        return Fate.UNCERTAIN
    return Fate.REJECTED if code >= _NEVER else Fate.UNAVAILABLE


def _closed(error: OSError) -> Unavailable:
    return Unavailable(f"The mail server cannot be used ({type(error).__name__}).")
