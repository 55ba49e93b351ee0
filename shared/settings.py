"""The settings of the whole system, one table; each is read from the environment with the prefix `ETMA_`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import Rejected


class BadSettings(Rejected):
    """The settings contradict one another, or one has a value that it cannot have."""

    code = "bad_settings"
    title = "The settings are not right"


class Settings(BaseSettings):
    """Defaults are those of the embedded system: one process, no server, everything under `data_dir`."""

    model_config = SettingsConfigDict(env_prefix="ETMA_", extra="ignore", frozen=True)

    data_dir: Path = Field(default=Path("var"), description="where databases, objects, keys and mail are kept")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=1, le=65535, description="port to listen on")
    demo: bool = Field(default=False, description="offer the demo sign-in, on the loopback address only")
    base_url: str = Field(default="", description="address for links in mail and receipts; default: host and port")
    clock_url: str = Field(default="system://", description="`system://`, or `stepped+file://PATH` for a replay")
    replay: bool = Field(default=False, description="allow a stepped clock; only for replays")
    digest_window_seconds: int = Field(
        default=900, ge=0, description="how long a tutor's mail gathers news; 0 = at once"
    )
    mail_domain: str = Field(default="etma.example.org", description="right side of Message-IDs and of the sender")
    settle_seconds: int = Field(
        default=60, ge=0, description="how young a fact may be to count as in flight in an audit"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR; commands other than serve: WARNING"
    )

    @property
    def address(self) -> str:
        """The public address, without a slash at the end."""
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def command_log_level(self) -> str:
        """For commands whose output is for people: quiet, unless a level was asked for."""
        return self.log_level if "log_level" in self.model_fields_set else "WARNING"


def load_settings(**given: Any) -> Settings:  # noqa: ANN401 - any setting's type
    """The settings as the environment has them, and those given here; raises `BadSettings` that names each."""
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = [f"ETMA_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()]
        raise BadSettings("; ".join(wrong)) from error
