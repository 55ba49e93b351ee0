"""Renders pages: one layout, one look, everything escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.web.assets import Assets
from shared.web.brand import BRAND, Brand
from shared.web.moments import describe_day, describe_exact_moment, describe_moment
from shared.web.sessions import form_token, quiet_principal_of

HERE = Path(__file__).parent
KILOBYTE = 1024

_STATES = {
    "on_time": "On time",
    "grace": "After noon, within grace",
    "late": "Late",
    "penalised": "Late, with a penalty",
    "refused": "Too late",
    "held": "Waiting for a tutor",
    "allocated": "To collect",
    "collected": "Collected",
}


class Pages:
    """Templates of the shell and of each service; a template is named `<service>/<page>.html`.

    What they load is read when it is first needed: a process without a web has no use for it.
    """

    def __init__(self, folders: Sequence[Path], *, demo: bool, brand: Brand = BRAND) -> None:
        self.brand = brand
        self.environment = Environment(
            loader=FileSystemLoader([HERE / "templates", *folders]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters["moment"] = describe_moment
        self.environment.filters["day"] = describe_day
        self.environment.filters["exact_moment"] = describe_exact_moment
        self.environment.filters["since"] = lambda text: describe_moment(datetime.fromisoformat(text))
        self.environment.filters["size"] = describe_size
        self.environment.filters["exact_size"] = describe_exactly
        self.environment.filters["state"] = describe_state
        self.environment.globals["demo"] = demo
        self.environment.globals["brand"] = brand
        self.environment.globals["asset"] = self._address

    @cached_property
    def assets(self) -> Assets:
        """The style sheets and scripts; raises `AssetsMissing`."""
        return Assets(self.brand)

    def _address(self, name: str) -> str:
        return self.assets.address(name)

    def render(self, request: Request, name: str, *, status_code: int = 200, **context: object) -> HTMLResponse:
        """The page as an answer; templates always have `principal` and `csrf_token`."""
        principal = quiet_principal_of(request)
        token = form_token(principal, request.app.state.form_secret) if principal else ""
        html = self.environment.get_template(name).render(
            principal=principal, csrf_token=token, path=request.url.path, **context
        )
        return HTMLResponse(html, status_code=status_code)

    def fragment(self, name: str, **context: object) -> str:
        """A part of a page, for one that is shown already."""
        return self.environment.get_template(name).render(**context)


def describe_size(size_bytes: int) -> str:
    """A size for people, for example `58 KB`."""
    if size_bytes < KILOBYTE:
        return f"{size_bytes} bytes"
    if size_bytes < KILOBYTE**2:
        return f"{size_bytes / KILOBYTE:.0f} KB"
    if size_bytes < KILOBYTE**3:
        return f"{size_bytes / KILOBYTE**2:.1f} MB"
    return f"{size_bytes / KILOBYTE**3:.1f} GB"


def describe_exactly(size_bytes: int) -> str:
    """A size for people who compare it, for example `58 KB (58213 bytes)`."""
    about = describe_size(size_bytes)
    return about if size_bytes < KILOBYTE else f"{about} ({size_bytes} bytes)"


def describe_state(state: str | datetime | None) -> str:
    """A state in words."""
    return _STATES.get(str(state), str(state).replace("_", " ").capitalize())
