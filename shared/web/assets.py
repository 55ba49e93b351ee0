"""What pages load: style sheets and scripts, at addresses that change with their content.

Ours are in `static`; what others wrote is in `fetched`, where `make setup` puts it.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fastapi import HTTPException, Request, Response

from shared.errors import EtmaError
from shared.web.brand import Brand

HERE = Path(__file__).parent
FOLDERS = (HERE / "static", HERE / "fetched")
FOR_EVER = "public, max-age=31536000, immutable"
NEEDED = (
    "etma.css",
    "start.js",
    "upload.js",
    "live.js",
    "same-file.js",
    "govuk.css",
    "govuk.js",
    "tus.js",
    "sha256.js",
)

_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}


class AssetsMissing(EtmaError):
    """The look of the pages was never fetched."""

    code = "assets_missing"


@dataclass(frozen=True)
class Asset:
    """A file as it is served."""

    name: str
    content: bytes

    @cached_property
    def address(self) -> str:
        stem, dot, ending = self.name.rpartition(".")
        return f"/static/{stem}-{hashlib.sha256(self.content).hexdigest()[:12]}{dot}{ending}"

    @cached_property
    def packed(self) -> bytes:
        """By gzip; the same bytes each time."""
        return gzip.compress(self.content, mtime=0)

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[Path(self.name).suffix]


class Assets:
    """All of them; raises `AssetsMissing` when one that every page needs is not there."""

    def __init__(self, brand: Brand) -> None:
        files = {file.name: file for folder in FOLDERS for file in folder.glob("*.*") if file.suffix in _MEDIA_TYPES}
        missing = [name for name in NEEDED if name not in files]
        if missing:
            raise AssetsMissing(f"{', '.join(missing)} is not in shared/web: run `make setup`, which fetches it.")
        contents = {name: file.read_bytes() for name, file in files.items()}
        contents["brand.css"] = brand.style.encode()
        self._by_name: Mapping[str, Asset] = {name: Asset(name, content) for name, content in contents.items()}
        self._by_address = {asset.address: asset for asset in self._by_name.values()}

    def address(self, name: str) -> str:
        """Where a page finds it."""
        return self._by_name[name].address

    async def answer(self, request: Request) -> Response:
        """Serve one; to a page of an earlier release what there is now, which nobody keeps."""
        asset = self._by_address.get(request.url.path)
        kept = FOR_EVER if asset else "no-cache"
        asset = asset or self._by_name.get(_unhashed(request.path_params["file"]))
        if asset is None:
            raise HTTPException(404)
        headers = {"cache-control": kept, "vary": "accept-encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.packed, media_type=asset.media_type, headers=headers | {"content-encoding": "gzip"})
        return Response(asset.content, media_type=asset.media_type, headers=headers)


def _unhashed(file: str) -> str:
    stem, dot, ending = file.rpartition(".")
    return f"{stem.rpartition('-')[0]}{dot}{ending}"
