"""tuspy, as a program would use it."""

from __future__ import annotations

from pathlib import Path

from tusclient.client import TusClient

from tests.support.uploading import FILM, UPLOADS, Uploader, path_of


def upload(address: str, student: Uploader, file: Path, **options: object) -> str:
    """Upload; the upload's path. `options` are those of tuspy's uploader."""
    client = TusClient(address + UPLOADS, headers=student.authorization)
    metadata = {"assignment": FILM, "filename": file.name, "filetype": "text/plain"}
    with file.open("rb") as stream:
        uploader = client.uploader(file_stream=stream, metadata=metadata, **options)
        uploader.upload()
    return path_of(uploader.url)
