"""How often something may be done: so many times in so many seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

NO_LIMIT: Final = "off"
RATE_PATTERN: Final = r"([1-9][0-9]{0,5})/([1-9][0-9]{0,4})|off"
"""So many in so many seconds, or `off`."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """So many requests in a period; all of them may come at once, and then one in each of its shares."""

    requests: int
    period: timedelta

    @property
    def share(self) -> timedelta:
        """What one request spends of the period."""
        return max(timedelta(microseconds=1), self.period / self.requests)


def rate_in(text: str) -> Rate | None:
    """The rate that a setting such as `60/60` means; None for `off`. Raises `ValueError`."""
    matched = re.fullmatch(RATE_PATTERN, text)
    if matched is None:
        message = f"{text!r} is no rate; write so many in so many seconds, such as 60/60, or off"
        raise ValueError(message)
    if text == NO_LIMIT:
        return None
    return Rate(requests=int(matched[1]), period=timedelta(seconds=int(matched[2])))
