"""Rows as the command line prints them: a table for people, JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import typer
from rich.console import Console
from rich.table import Table


def print_rows(rows: Sequence[Mapping[str, object]], *, as_json: bool, nothing: str = "There are none.") -> None:
    """Print rows that have the same names each; `nothing` says to people that there is none."""
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    if not rows:
        typer.echo(nothing)
        return
    table = Table()
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")  # an id that is cut off cannot be used
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)
