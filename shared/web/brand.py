"""Whose pages these are: a name, a colour and where to get help, by settings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.settings import BadSettings, Settings

LEAST_CONTRAST = 4.5
"""Of text against its ground, for everybody to read it (WCAG 2.2, success criterion 1.4.3)."""

_HELP = re.compile(r"(https?://|mailto:)\S+")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LINEAR_BELOW = 0.04045


def contrast_with_white(colour: str) -> float:
    """The contrast ratio of `#rrggbb` (WCAG 2.2, relative luminance)."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def _linear(share: float) -> float:
    return share / 12.92 if share <= _LINEAR_BELOW else ((share + 0.055) / 1.055) ** 2.4


@dataclass(frozen=True)
class Brand:
    """White text stands on `colour`; raises `BadSettings` when it could not be read there. `help` may be empty."""

    name: str = "etma assignments"
    colour: str = "#123f5c"
    help: str = ""

    def __post_init__(self) -> None:
        if not _COLOUR.fullmatch(self.colour):
            raise BadSettings(f"ETMA_BRAND_COLOUR is {self.colour!r}: write it as #123f5c.")
        if contrast_with_white(self.colour) < LEAST_CONTRAST:
            raise BadSettings(
                f"ETMA_BRAND_COLOUR is {self.colour}: white text on it has a contrast of less than "
                f"{LEAST_CONTRAST} to 1. Choose a darker colour."
            )

        if self.help and not _HELP.fullmatch(self.help):
            raise BadSettings(
                f"ETMA_BRAND_HELP is {self.help!r}: write an address that begins with https:// or mailto:."
            )

    @property
    def style(self) -> str:
        """The style sheet that has the component system use it."""
        return f":root{{--govuk-brand-colour:{self.colour}}}\n"


BRAND = Brand()
"""Of who sets none."""


def brand_of(settings: Settings) -> Brand:
    """As the settings say; raises `BadSettings`."""
    return Brand(name=settings.brand_name, colour=settings.brand_colour, help=settings.brand_help)
