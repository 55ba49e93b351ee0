"""A mail as the standard wants it: RFC 5322 with a plain text and an HTML alternative."""

from __future__ import annotations

from email import policy
from email.errors import MessageError
from email.headerregistry import Address, BaseHeader, HeaderRegistry
from email.message import EmailMessage

from services.notifier.channels.port import Mail
from shared.errors import Rejected


class _CachedRegistry(HeaderRegistry):
    """Makes the class of a header once: the standard one makes it anew for every header, a quarter of all the time."""

    def __init__(self) -> None:
        super().__init__()
        self._classes: dict[str, type[BaseHeader]] = {}

    def __getitem__(self, name: str) -> type[BaseHeader]:
        if name not in self._classes:
            self._classes[name] = super().__getitem__(name)
        return self._classes[name]


_POLICY = policy.SMTP.clone(header_factory=_CachedRegistry(), cte_type="7bit")


class BadAddress(Rejected):
    """The address is not one, so that no mail will ever reach it."""

    code = "bad_address"
    title = "This is not a mail address"


def as_message(mail: Mail) -> EmailMessage:
    """Write `mail` as a message; the same mail gives the same headers and parts. Raises `BadAddress`."""
    message = EmailMessage(policy=_POLICY)
    message["Message-ID"] = mail.message_id
    message["Date"] = mail.date
    message["From"] = mail.sender
    message["To"] = _address(mail.to)
    message["Subject"] = " ".join(mail.subject.split())
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    message.set_boundary(f"=_{mail.delivery_id}")
    return message


def _address(text: str) -> Address:
    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError, MessageError) as failure:
        raise BadAddress from failure
    if not (address.username and address.domain):
        raise BadAddress
    return address
