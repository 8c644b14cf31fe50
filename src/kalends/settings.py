"""Every setting, from the environment (`KALENDS_…`) or a `.env` file in the working directory."""

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kalends.core.proxies import Proxies
from kalends.vault import Vault, read_key

PREFIX = "KALENDS_"
_FILE = ".env"
_ORIGIN = r"\*|null|[a-z][a-z0-9+.-]*://[^/\s]+"


class Settings(BaseSettings):
    """The description of each field is its documentation: `.env.example` repeats it, and a test compares."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=_FILE, env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    database_url: str = Field(
        default="sqlite:///kalends.db",
        description="Where the data lives: sqlite:///relative.db, sqlite:////absolute.db, "
        "or postgresql://user:password@host/database (libpq form, ?host=/socket/dir included).",
    )
    database_pool_size: int = Field(
        default=8,
        ge=1,
        le=500,
        description="Connections to PostgreSQL, or reader connections to SQLite, per server process.",
    )
    rate_limit_storage: str = Field(
        default="memory://",
        description="Where requests are counted: memory:// (per process), "
        "or redis://host:6379 when several processes must share the counters (pip install kalends[redis]).",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose pages may call the API from a browser, separated by commas; * for all.",
    )
    public_url: str = Field(
        default="",
        description="How clients reach this server, such as https://book.example, or "
        "https://clinic.example/booking below a path: links for clients begin with it. "
        "Where left out, they begin with the address the request came to.",
    )
    public_cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose pages may call the public booking API (/v1/public) from a browser, "
        "besides the origins above; * for all.",
    )
    public_requests_per_hour: int = Field(
        default=1_000,
        ge=1,
        description="Requests per hour to the public booking API from one address (IPv6: one /64 network). "
        "What writes counts as ten. As many wrong keys, and a tenth as many unknown links, are answered as "
        "such.",
    )
    trusted_proxies: str = Field(
        default="127.0.0.1,::1",
        description="The proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses and "
        "networks, separated by commas, or how many there are, one behind the other; 0 to believe nobody.",
    )
    connections: int = Field(
        default=1_000,
        ge=1,
        le=100_000,
        description="Connections of clients that one server process keeps, as far as its limit of open files "
        "(ulimit -n) allows. A further one takes the place of the one that has waited longest for a request.",
    )
    public_holds_per_address: int = Field(
        default=5,
        ge=1,
        description="Holds that may stand at once in one organization without a key from one address "
        "(IPv6: one /64 network). Bookings that wait for their client's confirmation by mail count, too.",
    )
    worker: bool = Field(
        default=True,
        description="Whether servers work off what happens without a request; "
        "false where `kalends worker` does.",
    )
    webhooks_allow_private: bool = Field(
        default=False,
        description="Whether webhooks may go to private, loopback and link-local addresses: for development.",
    )
    events_kept_days: int = Field(
        default=30, ge=1, le=3_650, description="How long events and their deliveries are kept."
    )
    smtp_host: str = Field(
        default="",
        description="The mail server that takes mails to clients and staff; without one, none are sent.",
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    smtp_user: str = Field(default="", description="The user there, if it wants one.")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="The user's password.")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the connection is secured: starttls, tls (from the start) or none.",
    )
    smtp_from: str = Field(
        default="",
        description="The address mails come from, such as booking@clinic.example; goes with the host.",
    )
    secrets_key: SecretStr = Field(
        default=SecretStr(""),
        description="Encrypts the secrets of webhooks in the database: 32 bytes in base64, such as "
        "`kalends secrets-key` prints. Keep a copy apart from the database; without a key they stand there "
        "in clear.",
    )
    secrets_key_before: SecretStr = Field(
        default=SecretStr(""),
        description="The key of before, while the worker encrypts everything anew; several are separated by "
        "commas.",
    )
    metrics: bool = Field(
        default=False,
        description="Whether /metrics tells Prometheus how the server does; to anybody who asks.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="The least severe log line that is written: debug, info, warning or error.",
    )

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> Self:
        if self.smtp_host and not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", self.smtp_from):
            raise ValueError("KALENDS_SMTP_FROM must be an e-mail address where KALENDS_SMTP_HOST is set")
        return self

    @property
    def vault(self) -> Vault:
        """What encrypts and decrypts secrets in the database."""
        keys = _keys(self.secrets_key)
        return Vault(keys[0] if keys else None, _keys(self.secrets_key_before))

    @field_validator("secrets_key")
    @classmethod
    def _one_key(cls, value: SecretStr) -> SecretStr:
        if len(_keys(value)) > 1:
            raise ValueError("must be one key; those of before go into KALENDS_SECRETS_KEY_BEFORE")
        return value

    @field_validator("secrets_key_before")
    @classmethod
    def _all_keys(cls, value: SecretStr) -> SecretStr:
        _keys(value)
        return value

    @property
    def mail(self) -> bool:
        """Whether mails are sent."""
        return bool(self.smtp_host)

    @field_validator("smtp_host")
    @classmethod
    def _host_alone(cls, value: str) -> str:
        if re.search(r"[/\s@]|^[^:]*:[^:]*$", value.strip()):
            raise ValueError("must be a name or an address alone; the port is KALENDS_SMTP_PORT")
        return value.strip()

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_that_can_be(cls, value: str) -> str:
        Proxies.read(value)
        return value

    @field_validator("log_level", "smtp_tls", mode="before")
    @classmethod
    def _in_any_letters(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        if value and not _is_address(value):
            raise ValueError(
                "must be an http or https address such as https://book.example or "
                "https://clinic.example/booking, without user, query and fragment"
            )
        return value.rstrip("/")

    @field_validator("cors_origins", "public_cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        origins = tuple(origin.strip().rstrip("/") for origin in value.split(",") if origin.strip())
        if not all(re.fullmatch(_ORIGIN, origin) for origin in origins):
            raise ValueError("must be * or origins such as https://book.example, separated by commas")
        return origins


def _keys(value: SecretStr) -> list[bytes]:
    """The keys that are separated by commas. Raises ValueError if one is none."""
    return [read_key(each) for each in value.get_secret_value().split(",") if each.strip()]


def _is_address(text: str) -> bool:
    if not re.fullmatch(r"https?://[^/\s@?#]+(/[^\s?#]*)?", text, re.IGNORECASE):
        return False
    try:
        return urlsplit(text).port != 0
    except ValueError:  # no number, or too large
        return False


def wrong_values(error: ValidationError) -> str:
    """What is wrong with settings: for each its name, and what it may be, but not what it is."""
    return "; ".join(_wrong(each["loc"], each["type"], each["msg"]) for each in error.errors())


def _wrong(location: tuple[int | str, ...], kind: str, message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not location:  # it is about several settings, and names them itself
        return message
    name = str(location[0])
    if kind.startswith("int_") or kind in ("greater_than_equal", "less_than_equal"):
        limits = Settings.model_json_schema()["properties"][name]
        upwards = f" to {limits['maximum']}" if "maximum" in limits else " upwards"
        message = f"must be a whole number from {limits['minimum']}{upwards}"
    elif kind.startswith("bool_"):
        message = "must be true or false"
    return f"{PREFIX}{name.upper()}: {message.replace('Input should be', 'must be')}"


_FORMER = "FORWARDED_ALLOW_IPS"
"""Of uvicorn: what servers read before there was a setting."""
_OPTIONS = ("DEMO", "HOST", "PORT", "WORKERS")
"""What `kalends serve` has an option for, and no setting."""
_OTHERS = re.compile(r"TEST_\w+|UPDATE_SNAPSHOTS|SERVICE_HOST|SERVICE_PORT\w*|PORT_[0-9]+_\w+")
"""Of the tests, and what Kubernetes tells of a service by the name of kalends."""


def unknown_names() -> list[str]:
    """A sentence for each name in the environment or in `.env` that looks like a setting and is none. Their
    values are never told."""
    known = [name.upper() for name in Settings.model_fields]
    found = {**(dotenv_values(_FILE, interpolate=False) if Path(_FILE).is_file() else {}), **os.environ}
    names = {name.upper(): value for name, value in found.items() if name.upper().startswith(PREFIX)}
    told = []
    if found.get(_FORMER) and f"{PREFIX}TRUSTED_PROXIES" not in names:
        told = [
            f"{_FORMER} is read no longer: write its addresses and networks to {PREFIX}TRUSTED_PROXIES; in "
            "place of * write how many proxies there are, one behind the other, such as 1"
        ]
    return told + [
        f"{name} is not a setting, so it changes nothing: {_instead(name.removeprefix(PREFIX), known)}"
        for name, value in sorted(names.items())
        if (short := name.removeprefix(PREFIX)) not in known
        and not _OTHERS.fullmatch(short)
        and not (short == "PORT" and "://" in (value or ""))  # Kubernetes, as above
    ]


def _instead(name: str, known: list[str]) -> str:
    if name in _OPTIONS:
        return f"use `kalends serve --{name.lower()}`"
    nearest = difflib.get_close_matches(name, known, 1, 0.5)
    return f"is it {PREFIX}{nearest[0]}?" if nearest else "the README lists all there are"
