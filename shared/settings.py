"""The settings of the whole system, one table; each is read from the environment with the prefix `ETMA_`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, TypeAdapter, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import Rejected
from shared.rate import RATE_PATTERN

MEANINGS = TypeAdapter(dict[str, str])


class BadSettings(Rejected):
    """The settings contradict one another, or one has a value that it cannot have."""

    code = "bad_settings"
    title = "The settings are not right"


def _address(description: str) -> Any:  # noqa: ANN401 - a field's default
    """An address; empty means a place under `data_dir`. It may hold a password, so that no traceback shows it."""
    return Field(default="", repr=False, description=description)


def _database_of(service: str) -> Any:  # noqa: ANN401 - as above
    return _address(f"the database of {service}: `sqlite:///PATH` or `postgresql+psycopg://USER:PASSWORD@HOST/NAME`")


def _place_of(service: str) -> Any:  # noqa: ANN401 - as above
    return Field(default="", description=f"where {service} answers, such as `http://127.0.0.1:8102`")


def _limit_of(what: str, rate: str) -> Any:  # noqa: ANN401 - as above
    """How often somebody may do something: so many in so many seconds."""
    return Field(
        default=rate, pattern=f"^({RATE_PATTERN})$", description=f"how often {what}: `NUMBER/SECONDS` or `off`"
    )


class Settings(BaseSettings):
    """Defaults are those of the embedded system: one process, no server, everything under `data_dir`."""

    model_config = SettingsConfigDict(env_prefix="ETMA_", extra="ignore", frozen=True)

    data_dir: Path = Field(default=Path("var"), description="where everything is kept that no address names")
    identity_database_url: str = _database_of("identity")
    submission_database_url: str = _database_of("submission")
    marking_database_url: str = _database_of("marking")
    notifier_database_url: str = _database_of("notifier")
    operations_database_url: str = _database_of("operations")
    objects_url: str = _address("the object store: `file:///PATH` or `s3://KEY:SECRET@HOST:PORT/BUCKET`")
    staging_url: str = _address("where uploads wait until they are whole: like the object store, and none of it")
    bus_url: str = _address("the bus: `local:///PATH` or `kafka://HOST:PORT,HOST:PORT`")
    mail_url: str = _address("where mail goes: `file:///PATH` or `smtp://[USER:PASSWORD@]HOST:PORT`")
    scanner_url: str = Field(
        default="", description="what looks for malware: `clamd://HOST:PORT` or `clamd+unix:///PATH`; empty: nothing"
    )
    collect: Literal["", "clean", "any"] = Field(
        default="",
        description="which versions tutors may collect: `clean` or `any`; empty: clean ones where there is a scanner",
    )
    rescan_days: int = Field(
        default=90, ge=0, description="for how many days after its arrival work is scanned anew when signatures change"
    )
    brand_name: str = Field(default="etma assignments", min_length=1, description="what pages call the service")
    brand_colour: str = Field(default="#123f5c", description="the colour of the pages' head, under white text")
    brand_help: str = Field(
        default="", description="where people get help: a web address or `mailto:` and a mail address; empty: none"
    )
    maintenance: str = Field(
        default="", description="why students and tutors are not served now, in words for them; empty: they are"
    )
    operations_mail: str = Field(default="", description="where operations staff get mail; empty: none")
    support_mail: str = Field(default="", description="where student support gets mail; empty: none")
    identity_url: str = _place_of("identity")
    submission_url: str = _place_of("submission")
    marking_url: str = _place_of("marking")
    notifier_url: str = _place_of("notifier")
    operations_url: str = _place_of("operations")
    keys_dir: str = Field(default="", description="the folder of keys; default: `keys` under the data folder")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=1, le=65535, description="port to listen on")
    demo: bool = Field(default=False, description="offer the demo sign-in, on the loopback address only")
    base_url: str = Field(default="", description="address for links in mail and receipts; default: host and port")
    clock_url: str = Field(default="system://", description="`system://`, or `stepped+file://PATH` for a replay")
    replay: bool = Field(default=False, description="allow a stepped clock; only for replays")
    digest_window_seconds: int = Field(
        default=900, ge=0, description="how long a tutor's mail gathers news; 0 = at once"
    )
    turnaround_days: int = Field(
        default=10, ge=1, le=250, description="how many working days a tutor has to give a script back marked"
    )
    more_time_days: int = Field(
        default=21, ge=1, le=366, description="how many days beyond the cut-off can be agreed in all, by any request"
    )
    more_time_asked_until: Literal["grace", "cut_off"] = Field(
        default="grace", description="until when more time can be asked for: the `cut_off`, or the end of `grace`"
    )
    tutor_answer_days: int = Field(
        default=3, ge=1, le=60, description="how many working days a tutor has to answer before support may as well"
    )
    student_answer_days: int = Field(
        default=5, ge=1, le=60, description="how many working days a student has to answer before a request lapses"
    )
    daily_digest_hour: int = Field(
        default=7, ge=0, le=23, description="at which full hour of UK time the daily mail goes to who chose it"
    )
    kept_days: int = Field(
        default=365,
        ge=0,
        description="how many days after the last cut-off of a presentation nobody who is in it may be erased",
    )
    oidc_issuer: str = Field(
        default="",
        description="the university's OpenID Connect provider, such as `https://sso.example.org/realms/staff`",
    )
    oidc_client_id: str = Field(default="etma", description="as what the provider knows etma")
    oidc_client_secret: str = Field(
        default="", repr=False, description="the secret that the provider gave; empty for a public client"
    )
    oidc_number_claim: str = Field(
        default="preferred_username", description="the claim that holds the PI or the staff number"
    )
    oidc_roles_claim: str = Field(
        default="", description="the claim that lists roles or groups, such as `realm_access.roles`; empty: none"
    )
    oidc_roles: str = Field(
        default="", description="what each word of that claim means, as JSON: a role, or `role@scope`"
    )
    session_fresh_seconds: int = Field(
        default=60,
        ge=1,
        le=300,
        description="how old the news may be that somebody is still signed in, before identity is asked",
    )
    limit_sign_in: str = _limit_of("one address may begin to sign in or come back from it", "600/60")
    limit_hand_in: str = _limit_of("one person may begin to hand in", "600/60")
    limit_verify: str = _limit_of("one address may have receipts checked", "300/60")
    limit_print: str = _limit_of("one person may have receipts made into a PDF", "60/60")
    quota_versions: int = Field(
        default=100, ge=1, le=100_000, description="how many versions one student may hand in for one assignment"
    )
    quota_bytes: int = Field(default=20 * 1024**3, ge=1, description="how many bytes these versions may have together")
    quota_uploads: int = Field(
        default=20, ge=1, le=1000, description="how many uploads of one student for one assignment may be under way"
    )
    trusted_proxies: str = Field(
        default="",
        description="proxies whose X-Forwarded-For is believed: addresses or networks with commas between them",
    )
    mail_domain: str = Field(default="etma.example.org", description="right side of Message-IDs and of the sender")
    settle_seconds: int = Field(
        default=60, ge=0, description="how young a fact may be to count as in flight in an audit"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR; commands other than serve: WARNING"
    )

    @field_validator("oidc_roles")
    @classmethod
    def _is_a_table(cls, text: str) -> str:
        if text:
            MEANINGS.validate_json(text)
        return text

    @property
    def kept(self) -> timedelta:
        """How long after the last cut-off of a presentation nobody who is in it may be erased."""
        return timedelta(days=self.kept_days)

    @property
    def oidc_meanings(self) -> dict[str, str]:
        """What each word of the roles claim means."""
        return MEANINGS.validate_json(self.oidc_roles) if self.oidc_roles else {}

    def database_of(self, service: str) -> str:
        """The URL of a service's database."""
        given: str = getattr(self, f"{service}_database_url")
        return given or f"sqlite:///{self.data_dir / service}.db"

    def place_of(self, service: str) -> str:
        """The address of a service's web process, without a slash at the end; empty where none was given."""
        given: str = getattr(self, f"{service}_url")
        return given.rstrip("/")

    @property
    def are_services_elsewhere(self) -> bool:
        """Whether commands ask the services that run elsewhere, instead of opening their databases."""
        return any(map(self.place_of, ("submission", "marking", "notifier", "operations")))

    @property
    def keys(self) -> Path:
        """The folder of keys and secrets."""
        return Path(self.keys_dir or self.data_dir / "keys")

    @property
    def objects(self) -> str:
        """The URL of the object store."""
        return self.objects_url or self._under("file", "objects")

    @property
    def staging(self) -> str:
        """The URL of the store of what has not arrived whole."""
        return self.staging_url or self._under("file", "staging")

    @property
    def bus(self) -> str:
        """The URL of the bus."""
        return self.bus_url or self._under("local", "bus.db")

    @property
    def mail(self) -> str:
        """The URL of the mail channel."""
        return self.mail_url or self._under("file", "mail")

    def _under(self, scheme: str, name: str) -> str:
        return f"{scheme}://{quote(str(self.data_dir.absolute() / name))}"

    @property
    def collects_only_clean(self) -> bool:
        """Whether tutors may collect only what was found to be without malware."""
        return (self.collect or ("clean" if self.scanner_url else "any")) == "clean"

    @property
    def address(self) -> str:
        """The public address, without a slash at the end."""
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def is_secure(self) -> bool:
        """Whether people reach it over HTTPS."""
        return self.address.startswith("https:")

    @property
    def command_log_level(self) -> str:
        """For commands whose output is for people: quiet, unless a level was asked for."""
        return self.log_level if "log_level" in self.model_fields_set else "WARNING"


def path_in(url: str) -> Path:
    """The path of a URL such as `file:///var/lib/etma/objects`."""
    return Path(unquote(urlsplit(url).path))


def load_settings(**given: Any) -> Settings:  # noqa: ANN401 - any setting's type
    """The settings as the environment has them, and those given here; raises `BadSettings` that names each."""
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = [f"ETMA_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()]
        raise BadSettings("; ".join(wrong)) from error
