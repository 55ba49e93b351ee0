"""Renders a letter as plain text and as HTML."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.notifier.deliveries.domain import Letter


class Letters:
    """The two forms of a letter, from `templates/`."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._text = environment.get_template("letter.txt")
        self._html = environment.get_template("letter.html")

    def text(self, letter: Letter) -> str:
        return self._text.render(letter=letter)

    def html(self, letter: Letter) -> str:
        return self._html.render(letter=letter)
