"""The command line of receipts: `etma receipt …`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from services.submission.receipts.domain import BadReceipt, ReceiptKey, Trust, read_statement
from services.submission.receipts.handlers import BadRevocation, KeyRing, Verdict, Verification, verdict_without_record
from services.submission.receipts.reading import OFFERED_BYTES, statement_in
from shared.errors import Rejected
from shared.keys import new_key, put_key
from shared.listing import print_rows
from shared.web.moments import describe_moment

FALSE = 1

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


class BadKeys(Rejected):
    """The file with public keys cannot be read, so that nothing can be said about the receipt."""

    code = "bad_keys"
    title = "The public keys cannot be read"


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the commands work with."""

    key_ring: KeyRing
    verification: Verification


OpenTools = Callable[[], AbstractContextManager[Tools]]


def add_receipts(app: typer.Typer, open_tools: OpenTools) -> None:
    """Put `receipt` on the command line; `open_tools` is entered once a command that needs the system."""
    receipts = typer.Typer(no_args_is_help=True, help="Check receipts, and look after the keys that sign them.")
    app.add_typer(receipts, name="receipt")
    _add_verifying(receipts, open_tools)
    _add_looking(receipts, open_tools)
    _add_changing(receipts, open_tools)


def _add_verifying(receipts: typer.Typer, open_tools: OpenTools) -> None:
    @receipts.command()
    def verify(
        file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A saved receipt: .jws or PDF.")],
        *,
        content: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="The file handed in.")] = None,
        jwks: Annotated[Path | None, typer.Option(exists=True, help="Public keys; else those of this system.")] = None,
        as_json: Json = False,
    ) -> None:
        """Check a receipt's signature, and with --content that it speaks of this very file. Exit 1 when not."""
        with file.open("rb") as opened:
            offered = opened.read(OFFERED_BYTES + 1)
        try:
            verdict = _verdict(offered, jwks, open_tools)
        except BadReceipt as error:
            _fail(f"Not genuine: {error.detail}", as_json=as_json)
        claims = verdict.statement.claims
        if not as_json:
            _print_facts(claims)
        if verdict.trust is Trust.NOTHING:
            _fail(_doubt(verdict), as_json=as_json)
        if verdict.ruling and not as_json:
            typer.echo(
                f"ruling in force: {verdict.ruling.claims['ruling']}, since {verdict.ruling.claims['corrected_at']}"
            )
        if content is not None and _digest(content) != claims.get("sha256"):
            _fail(f"The receipt is genuine, but {content} is not the file that it speaks of.", as_json=as_json)
        if as_json:
            ruling = dict(verdict.ruling.claims) if verdict.ruling else None
            said = {"genuine": True, "because_of": verdict.trust, "claims": dict(claims), "ruling": ruling}
            typer.echo(json.dumps(said))
        else:
            typer.echo(_praise(verdict, with_content=content is not None))


def _add_looking(receipts: typer.Typer, open_tools: OpenTools) -> None:
    @receipts.command()
    def keys(*, as_json: Json = False) -> None:
        """List the keys that ever signed a receipt, the oldest first."""
        with open_tools() as tools:
            found = [_shown(key) for key in tools.key_ring.all_keys()]
        print_rows(found, as_json=as_json)


def _add_changing(receipts: typer.Typer, open_tools: OpenTools) -> None:
    @receipts.command(name="rotate-key")
    def rotate_key(*, as_json: Json = False) -> None:
        """Let a new key sign from now on; the one from before signs no more, and all that it signed stays genuine.

        A key that waits in the folder of keys is taken, else one is made there. Running processes notice at once.
        """
        with open_tools() as tools:
            rotation = tools.key_ring.rotate()
        if as_json:
            typer.echo(json.dumps({"key_id": rotation.key_id, "retired": list(rotation.retired)}))
        else:
            typer.echo(f"{rotation.key_id} signs from now on.")
            typer.echo(f"Retired: {', '.join(rotation.retired) or 'none'}.")

    @receipts.command(name="make-key")
    def make_key(
        folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Where its file is put.")],
    ) -> None:
        """Make a key for a folder of keys that only a person can write; `rotate-key` takes it when it is there."""
        typer.echo(put_key(new_key(), folder, "receipt"))

    @receipts.command(name="revoke-key")
    def revoke_key(
        key_id: str,
        *,
        since: Annotated[str, typer.Option(help="The moment, with its zone, such as 2026-11-24T12:00:00Z.")],
        reason: Annotated[str, typer.Option(help="Why; is kept.")],
        as_json: Json = False,
    ) -> None:
        """Say that others may have had a key: alone it proves nothing of what claims to be from `since` or later."""
        moment = _moment(since)
        with open_tools() as tools:
            revoked = _shown(tools.key_ring.revoke(key_id, since=moment, reason=reason))
        if as_json:
            typer.echo(json.dumps(revoked))
        else:
            _print_facts(revoked)


_NAMES = ("key_id", "state", "first_used_at", "retired_at", "revoked_at", "revoked_since", "revocation_reason")


def _shown(key: ReceiptKey) -> dict[str, str | None]:
    values = {name: getattr(key, name) for name in _NAMES}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRevocation(f"{text!r} is no moment. Write it like 2026-11-24T12:00:00Z.") from error
    if moment.tzinfo is None:
        raise BadRevocation(f"{text!r} has no zone. Write it like 2026-11-24T12:00:00Z or 2026-07-24T12:00:00+01:00.")
    return moment


def _verdict(offered: bytes, jwks: Path | None, open_tools: OpenTools) -> Verdict:
    if jwks is not None:
        return _by_keys_in(jwks, offered)
    with open_tools() as tools:
        return tools.verification.check(offered)


def _by_keys_in(jwks: Path, offered: bytes) -> Verdict:
    try:
        keys: Sequence[Mapping[str, Any]] = json.loads(jwks.read_bytes())["keys"]
        return verdict_without_record(read_statement(statement_in(offered), keys))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        detail = f"{jwks} is no JSON Web Key Set. The university publishes it at /.well-known/jwks.json."
        raise BadKeys(detail) from error


def _digest(content: Path) -> str:
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _doubt(verdict: Verdict) -> str:
    return (
        f"It is signed, but its key was revoked: since {_since(verdict)} others than the university may have had it. "
        "No record of the university confirms this receipt here."
    )


def _praise(verdict: Verdict, *, with_content: bool) -> str:
    genuine = "Genuine, and the file is the one that was handed in." if with_content else "Genuine."
    if verdict.trust is Trust.SIGNATURE:
        return genuine
    return (
        f"Its key was revoked: since {_since(verdict)} others than the university may have had it. "
        f"The university's own record has this very receipt, and confirms it. {genuine}"
    )


def _since(verdict: Verdict) -> str:
    return describe_moment(verdict.statement.doubted_since) if verdict.statement.doubted_since else ""


def _print_facts(facts: Mapping[str, object]) -> None:
    for name, value in facts.items():
        typer.echo(f"{name}: {'' if value is None else value}")


def _fail(words: str, *, as_json: bool) -> NoReturn:
    typer.echo(json.dumps({"genuine": False, "error": words}) if as_json else words, err=not as_json)
    raise typer.Exit(FALSE)
