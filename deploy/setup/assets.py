"""Has what pages load and others wrote in `shared/web/fetched`: the component system, the client of uploads,
and SHA-256.

The licence of govuk-frontend covers its code, but neither the crown, the crest nor the font: they are taken out, and
what is left names no other file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.servers.names import ROOT
from deploy.setup.debian import CannotSetUp, exit_code
from deploy.setup.npm import install

FOLDER = ROOT / "deploy" / "assets"
FETCHED = ROOT / "shared" / "web" / "fetched"

_FONT_FACE = re.compile(r"@font-face\{[^}]*\}")
_CREST = re.compile(r"[a-z-]+:[^;{}]*govuk-crest[^;{}]*;?")
_MAP = re.compile(r"\n?/[/*]# sourceMappingURL=\S+(?: \*/)?\n?")
_OURS = "Helvetica Neue,Arial,Liberation Sans"
_NOT_OURS = ("GDS Transport", "@font-face", "url(")


def neutral_style(text: str) -> str:
    """The style sheet without font and crest; raises `CannotSetUp` when something of them is left."""
    style = _CREST.sub("", _FONT_FACE.sub("", _MAP.sub("", text))).replace("GDS Transport,arial", _OURS)
    left = [word for word in _NOT_OURS if word in style]
    if left:
        raise CannotSetUp(f"The style sheet still has {', '.join(left)}: deploy/setup/assets.py has to take it out.")
    return style


def without_map(text: str) -> str:
    """A script that asks for no source map, which is not there."""
    return _MAP.sub("\n", text)


FILES: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "govuk.css": ("govuk-frontend/dist/govuk/govuk-frontend.min.css", neutral_style),
    "govuk.js": ("govuk-frontend/dist/govuk/govuk-frontend.min.js", without_map),
    "sha256.js": ("js-sha256/build/sha256.min.mjs", without_map),
    "tus.js": ("tus-js-client/dist/tus.min.js", without_map),
}
"""What is fetched: its name here, its place in the package, what is done to it."""


def main() -> None:
    """Fetch and write all of them; raises `CannotSetUp`."""
    modules = install(FOLDER, "the look of the pages")
    FETCHED.mkdir(exist_ok=True)
    for name, (source, change) in FILES.items():
        _write(FETCHED / name, change((modules / source).read_text(encoding="utf-8")))


def _write(file: Path, text: str) -> None:
    draft = file.with_suffix(".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)


if __name__ == "__main__":
    sys.exit(exit_code(main))
