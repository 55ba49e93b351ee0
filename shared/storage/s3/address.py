"""The address of a bucket: `s3://KEY:SECRET@HOST:PORT/BUCKET?tls=1&region=us-east-1&worm=preferred&retention_days=365`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from shared.settings import BadSettings

DEFAULTS = {"tls": "1", "region": "us-east-1", "worm": "preferred", "retention_days": "365"}


class Worm(StrEnum):
    """Whether the store must keep everybody from deleting: written once, read many times."""

    OFF = "off"
    PREFERRED = "preferred"
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True)
class S3Address:
    """Where a bucket is, who asks, and how long what is handed in must stay there."""

    host: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    tls: bool
    region: str
    worm: Worm
    retention: timedelta

    @classmethod
    def from_url(cls, url: str) -> S3Address:
        """Raises `BadSettings`, which repeats nothing of the address: it holds a secret."""
        try:
            return cls._parsed(urlsplit(url))
        except (KeyError, ValueError, OverflowError):
            raise BadSettings(f"ETMA_OBJECTS_URL or ETMA_STAGING_URL: this is not {_FORM}") from None

    @classmethod
    def _parsed(cls, parts: SplitResult) -> S3Address:
        options = DEFAULTS | dict(parse_qsl(parts.query, keep_blank_values=True))
        if options.keys() != DEFAULTS.keys():
            raise KeyError
        return cls(
            host=_full(_HOST, parts.netloc.rpartition("@")[2]),
            bucket=_full(_NAME, parts.path.strip("/")),
            access_key=_full(_ANYTHING, unquote(parts.username or "")),
            secret_key=_full(_ANYTHING, unquote(parts.password or "")),
            tls={"0": False, "1": True}[options["tls"]],
            region=_full(_NAME, options["region"]),
            worm=Worm(options["worm"]),
            retention=timedelta(days=int(_full(_DAYS, options["retention_days"]))),
        )


_FORM = (
    "s3://KEY:SECRET@HOST:PORT/BUCKET?tls=0|1&region=NAME&worm=off|preferred|required&retention_days=NUMBER,"
    " with %XX for other characters than letters and digits in KEY and SECRET"
)
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_ANYTHING = re.compile(r".+")
_DAYS = re.compile(r"[1-9][0-9]*")


def _full(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError
    return text
