"""Every setting, from the environment (`KALENDS_…`) or a `.env` file in the working directory."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """The description of each field is its documentation: `.env.example` repeats it, and a test compares."""

    model_config = SettingsConfigDict(
        env_prefix="KALENDS_", env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
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
        pattern="^(https?://[^/]+(/.*)?)?$",
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
        "What writes counts as ten.",
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
    metrics: bool = Field(
        default=False,
        description="Whether /metrics tells Prometheus how the server does; to anybody who asks.",
    )
    log_level: str = Field(
        default="info",
        pattern="^(debug|info|warning|error)$",
        description="The least severe log line that is written: debug, info, warning or error.",
    )

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> Self:
        if self.smtp_host and not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", self.smtp_from):
            raise ValueError("KALENDS_SMTP_FROM must be an e-mail address where KALENDS_SMTP_HOST is set")
        return self

    @property
    def mail(self) -> bool:
        """Whether mails are sent."""
        return bool(self.smtp_host)

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("cors_origins", "public_cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(origin.strip().rstrip("/") for origin in value.split(",") if origin.strip())
        return value
