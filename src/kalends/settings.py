"""Every setting, from the environment (`KALENDS_…`) or from a file `.env` in the working directory."""

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kalends.core.addresses import is_plain
from kalends.core.proxies import Proxies
from kalends.vault import Vault, read_key

PREFIX = "KALENDS_"
_FILE = ".env"
_ORIGIN = r"\*|null|[a-z][a-z0-9+.-]*://[^/\s]+"


class Settings(BaseSettings):
    """All settings. A field's description is its documentation: a test compares `.env.example` with it."""

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
        description="Where requests are counted: memory:// (by each process for itself), or "
        "redis://host:6379 if several processes share the counters (pip install kalends[redis]).",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose pages may call the API from a browser, separated by commas; * for all.",
    )
    public_url: str = Field(
        default="",
        description="The address by which clients reach this server, such as https://book.example, or "
        "https://clinic.example/booking if it is below a path. Links for clients begin with it; if it is not "
        "set, they begin with the address of the request.",
    )
    public_cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose pages may call the public booking API (/v1/public) from a browser, "
        "in addition to KALENDS_CORS_ORIGINS; * for all.",
    )
    public_requests_per_hour: int = Field(
        default=1_000,
        ge=1,
        description="Requests per hour to the pages and the public booking API from one address (IPv6: one "
        "/64 network). A request that writes counts as ten. After as many wrong keys, or a tenth as many "
        "unknown links, further ones from that address are answered 429.",
    )
    public_holds_per_address: int = Field(
        default=5,
        ge=1,
        description="How many holds without a key one address (IPv6: one /64 network) may have in one "
        "organization at the same time. Bookings that wait for confirmation by mail count, too.",
    )
    trusted_proxies: str = Field(
        default="127.0.0.1,::1",
        description="The proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses and "
        "networks, separated by commas, or the number of proxies, one behind the other; 0 for none.",
    )
    connections: int = Field(
        default=1_000,
        ge=1,
        le=100_000,
        description="The most client connections that each server process keeps open; fewer if its limit of "
        "open files (ulimit -n) is low. A further one replaces the one that has waited longest.",
    )
    worker: bool = Field(
        default=True,
        description="Run the background worker (webhooks, mails, expiry) inside each server; false if "
        "`kalends worker` runs it.",
    )
    webhooks_allow_private: bool = Field(
        default=False,
        description="Allow webhooks to private, loopback and link-local addresses; for development.",
    )
    sources_minutes: int = Field(
        default=5,
        ge=1,
        le=1_440,
        description="Minutes until a source (a calendar elsewhere whose busy times are kept) is read again.",
    )
    sources_allow_private: bool = Field(
        default=False,
        description="Allow sources at private, loopback and link-local addresses, such as a server of your "
        "own network. Whoever has a key that writes can then have any address there asked.",
    )
    events_kept_days: int = Field(
        default=30, ge=1, le=3_650, description="Days for which events and their deliveries are kept."
    )
    smtp_host: str = Field(
        default="",
        description="The mail server for mails to clients and staff; if it is not set, no mails are sent.",
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="The mail server's port.")
    smtp_user: str = Field(default="", description="The user at the mail server, if it asks for one.")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="That user's password.")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the connection to the mail server is encrypted: starttls, tls (from the start) or "
        "none.",
    )
    smtp_from: str = Field(
        default="",
        description="The sender's address of all mails, such as booking@clinic.example; required with "
        "KALENDS_SMTP_HOST.",
    )
    oidc_issuer: str = Field(
        default="",
        description="The identity provider (OpenID Connect) by which staff may sign in, by the address that "
        "it calls itself, such as https://login.example/realms/clinic (pip install kalends[oidc]).",
    )
    oidc_client_id: str = Field(
        default="",
        description="What the identity provider calls this server; required with KALENDS_OIDC_ISSUER. It "
        "leads people back to /staff/oidc/callback.",
    )
    oidc_client_secret: SecretStr = Field(
        default=SecretStr(""), description="The secret that it gave this server, if it gave one."
    )
    secrets_key: SecretStr = Field(
        default=SecretStr(""),
        description="The key that encrypts the secrets of webhooks and sources in the database: 32 bytes in "
        "base64; `kalends secrets-key` makes one. Keep a copy apart from the database. Without a key the "
        "secrets are stored in clear text.",
    )
    secrets_key_before: SecretStr = Field(
        default=SecretStr(""),
        description="The former key, until the worker has encrypted everything again; several are separated "
        "by commas.",
    )
    metrics: bool = Field(
        default=False,
        description="Serve /metrics for Prometheus, to anybody who can reach the port.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="The lowest level of log lines that are written: debug, info, warning or error.",
    )

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> Self:
        if self.smtp_host and not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", self.smtp_from):
            raise ValueError("KALENDS_SMTP_FROM must be an e-mail address if KALENDS_SMTP_HOST is set")
        return self

    @model_validator(mode="after")
    def _provider_knows_us(self) -> Self:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("KALENDS_OIDC_CLIENT_ID must be set if KALENDS_OIDC_ISSUER is")
        return self

    @property
    def vault(self) -> Vault:
        """Encrypts and decrypts the secrets in the database."""
        keys = _keys(self.secrets_key)
        return Vault(keys[0] if keys else None, _keys(self.secrets_key_before))

    @field_validator("secrets_key")
    @classmethod
    def _one_key(cls, value: SecretStr) -> SecretStr:
        if len(_keys(value)) > 1:
            raise ValueError("must be one key; former keys belong in KALENDS_SECRETS_KEY_BEFORE")
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

    @property
    def mails_links(self) -> bool:
        """Whether links are mailed: it is known where they lead, too."""
        return self.mail and bool(self.public_url)

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

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer_with_an_address(cls, value: str) -> str:
        if value and not _is_address(value):
            raise ValueError("must be an http or https address such as https://login.example/realms/clinic")
        return value

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
    """Return the keys that are separated by commas. Raises ValueError for what is not a key."""
    return [read_key(each) for each in value.get_secret_value().split(",") if each.strip()]


def _is_address(text: str) -> bool:
    if not re.fullmatch(r"https?://[^/\s@?#]+(/[^\s?#]*)?", text, re.IGNORECASE):
        return False
    try:
        parts = urlsplit(text)
        return parts.port != 0 and is_plain(parts.netloc)
    except ValueError:  # the port is not a number, or too large
        return False


def wrong_values(error: ValidationError) -> str:
    """Return what is wrong with settings: the name of each and what it may be, but never its value."""
    return "; ".join(_wrong(each["loc"], each["type"], each["msg"]) for each in error.errors())


def _wrong(location: tuple[int | str, ...], rule: str, message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not location:  # the message is about several settings, and names them
        return message
    name = str(location[0])
    if rule.startswith("int_") or rule in ("greater_than_equal", "less_than_equal"):
        limits = Settings.model_json_schema()["properties"][name]
        upwards = f" to {limits['maximum']}" if "maximum" in limits else " upwards"
        message = f"must be a whole number from {limits['minimum']}{upwards}"
    elif rule.startswith("bool_"):
        message = "must be true or false"
    return f"{PREFIX}{name.upper()}: {message.replace('Input should be', 'must be')}"


_FORMER = "FORWARDED_ALLOW_IPS"
"""A variable of uvicorn that servers read before KALENDS_TRUSTED_PROXIES existed."""
_OPTIONS = ("DEMO", "HOST", "PORT", "WORKERS")
"""Names for which `kalends serve` has an option, but there is no setting."""
_OTHERS = re.compile(r"TEST_\w+|UPDATE_SNAPSHOTS|SERVICE_HOST|SERVICE_PORT\w*|PORT_[0-9]+_\w+")
"""Variables of the tests, and those that Kubernetes sets for a service called kalends."""


def unknown_names() -> list[str]:
    """Return a sentence for each name in the environment or in `.env` that looks like a setting and is none.
    No sentence contains a value."""
    known = [name.upper() for name in Settings.model_fields]
    found = {**(dotenv_values(_FILE, interpolate=False) if Path(_FILE).is_file() else {}), **os.environ}
    names = {name.upper(): value for name, value in found.items() if name.upper().startswith(PREFIX)}
    sentences = []
    if found.get(_FORMER) and f"{PREFIX}TRUSTED_PROXIES" not in names:
        sentences = [
            f"{_FORMER} is no longer read: write its addresses and networks to {PREFIX}TRUSTED_PROXIES; "
            "instead of * write the number of proxies, one behind the other, such as 1"
        ]
    return sentences + [
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
    return f"is it {PREFIX}{nearest[0]}?" if nearest else "the README lists all settings"
