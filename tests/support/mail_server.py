"""A mail server in this process that keeps what it takes, and refuses, waits or dies when a test says so."""

from __future__ import annotations

import asyncio
import email
import ipaddress
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.servers.ports import HOST, free_port

TAKEN = "250 OK"
USER, PASSWORD = "etma", "a secret"


@dataclass
class MailServer:
    """Takes everything, unless its fields say otherwise; `dies_with` ends a connection in place of an answer."""

    port: int = field(default_factory=free_port)
    mails: list[bytes] = field(default_factory=list)
    connections: int = 0
    sender_answer: str = TAKEN
    recipient_answers: dict[str, str] = field(default_factory=dict)
    content_answers: list[str] = field(default_factory=list)
    dies_with: Literal["nothing", "recipient", "content"] = "nothing"
    answers_after_seconds: float = 0.0
    tls: ssl.SSLContext | None = None
    passwords: list[bytes] = field(default_factory=list)

    def start(self) -> None:
        self._controller = Controller(
            self,
            hostname=HOST,
            port=self.port,
            tls_context=self.tls,
            authenticator=self._authenticate,
            auth_require_tls=False,
        )
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    def arrived(self) -> list[EmailMessage]:
        messages = [email.message_from_bytes(mail, policy=policy.default) for mail in self.mails]
        return [message for message in messages if isinstance(message, EmailMessage)]

    async def handle_EHLO(  # noqa: N802 - the names here are the server's
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address if self.sender_answer == TAKEN else None
        return self.sender_answer

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.dies_with == "recipient":
            _abort(server)
        envelope.rcpt_tos.append(address)
        return self.recipient_answers.get(address, TAKEN)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.answers_after_seconds)
        answer = self.content_answers.pop(0) if self.content_answers else TAKEN
        if answer == TAKEN:
            assert isinstance(envelope.content, bytes)
            self.mails.append(envelope.content)
        if self.dies_with == "content":
            _abort(server)
        return answer

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.passwords.append(data.password)
        return AuthResult(success=data == LoginPassword(USER.encode(), PASSWORD.encode()))


def _abort(server: SMTP) -> None:
    assert server.transport is not None
    server.transport.abort()


def certificate_in(folder: Path) -> Path:
    """A certificate of this machine, signed by itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    file = folder / "server.pem"
    file.write_bytes(pem)
    return file


def tls_of(certificate: Path) -> ssl.SSLContext:
    """The server's side of TLS with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
