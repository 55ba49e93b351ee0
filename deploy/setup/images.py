"""Has the images of `deploy/images.env`: those that are there stay, the others are pulled if asked for, else built.

A built image carries a digest of its recipe as a label, so that a changed recipe builds it anew.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy.servers.names import BUILT, RECIPES, ROOT, images_env
from deploy.setup import docker, programs
from deploy.setup.debian import CannotSetUp, exit_code, need

LABEL = "etma.recipe"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
"""Those that this machine trusts: its network may have one of its own."""

ENVIRONMENT = {**os.environ, "DOCKER_BUILDKIT": "0"}
"""Debian's engine has no BuildKit."""


@dataclass(frozen=True)
class Image:
    """Named by its folder in `deploy/images`: its program of `build/servers`, and what of this project goes in."""

    name: str
    program: str | None = None
    built: str | None = None
    sources: tuple[str, ...] = ()


IMAGES = (
    Image("kafka", program="kafka", built="kafka/libs"),
    Image("postgresql"),
    Image("minio", program="minio", built="bin/minio"),
    Image("versitygw", program="versitygw", built="bin/versitygw"),
    Image("mailpit", program="mailpit", built="bin/mailpit"),
    Image("gateway"),
    Image("etma", sources=("services", "shared", "requirements/runtime.txt", "deploy/topics.yaml")),
)


def have(image: Image, names: dict[str, str]) -> None:
    """Have this image in the engine; raises `CannotSetUp`."""
    tag = names[f"{image.name.upper()}_IMAGE"]
    recipe = _recipe(image, names)
    if _recipe_of(tag) in {recipe, ""} or _pulled(tag):
        return
    if _recipe_of(names["DEBIAN_IMAGE"]) is None and not _pulled(names["DEBIAN_IMAGE"]):
        _bootstrap(names["DEBIAN_IMAGE"], names["DEBIAN_SUITE"])
    if image.program:
        programs.make(image.program)
    _build(image, tag, recipe, names)


def _recipe_of(tag: str) -> str | None:
    """The digest on an image: empty when it was not built here, None when there is no such image."""
    template = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    command = ["docker", "image", "inspect", "--format", template, tag]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode else done.stdout.strip()


def _pulled(tag: str) -> bool:
    if os.environ.get("ETMA_IMAGES") != "pull":
        return False
    return subprocess.run(["docker", "pull", tag], stdout=sys.stderr, check=False).returncode == 0


def _bootstrap(tag: str, suite: str) -> None:
    """Debian's smallest system as an image, where no registry has one."""
    mmdebstrap = need("mmdebstrap", "mmdebstrap")
    sys.stdout.write(f"building {tag}\n")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "debian.tar")
        _run([mmdebstrap, "--quiet", "--variant=minbase", "--include=ca-certificates", suite, str(archive)])
        _run(["docker", "import", str(archive), tag])


def _build(image: Image, tag: str, recipe: str, names: dict[str, str]) -> None:
    sys.stdout.write(f"building {tag}\n")
    sys.stdout.flush()
    command = ["docker", "build", "--quiet", "--tag", tag, "--label", f"{LABEL}={recipe}"]
    if "ARG DEBIAN_IMAGE" in (RECIPES / image.name / "Dockerfile").read_text(encoding="utf-8"):
        command += ["--build-arg", f"DEBIAN_IMAGE={names['DEBIAN_IMAGE']}"]
    with tempfile.TemporaryFile() as context:
        with tarfile.open(fileobj=context, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path, name in _context(image):
                archive.add(path, name, filter=_source)
        context.seek(0)
        _run([*command, "-"], context)


def _context(image: Image) -> Iterator[tuple[Path, str]]:
    yield from ((path, path.name) for path in sorted((RECIPES / image.name).iterdir()))
    yield from ((ROOT / source, source) for source in image.sources)
    if image.built:
        yield BUILT / image.built, image.built
    if image.sources:
        yield AUTHORITIES, AUTHORITIES.name


def _source(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry


def _recipe(image: Image, names: dict[str, str]) -> str:
    digest = hashlib.sha256(names["DEBIAN_IMAGE"].encode())
    digest.update("".join(value for key, value in names.items() if key.startswith(image.name.upper())).encode())
    for place in (RECIPES / image.name, *(ROOT / source for source in image.sources)):
        for path in sorted(place.rglob("*")) or [place]:
            if path.is_file() and path.parent.name != "__pycache__":
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def _run(command: list[str], given: IO[bytes] | None = None) -> None:
    if subprocess.run(command, env=ENVIRONMENT, stdin=given, stdout=sys.stderr, check=False).returncode:
        raise CannotSetUp(f"{' '.join(command)} failed; what it said is above.")


def main() -> None:
    """Have all images."""
    names = images_env()
    docker.ensure()
    for image in IMAGES:
        have(image, names)


if __name__ == "__main__":
    sys.exit(exit_code(main))
