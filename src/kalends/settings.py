"""Every setting, from the environment (`KALENDS_…`) or a `.env` file in the working directory."""

from typing import Annotated

from pydantic import Field, field_validator
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
    log_level: str = Field(
        default="info",
        pattern="^(debug|info|warning|error)$",
        description="The least severe log line that is written: debug, info, warning or error.",
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(origin.strip().rstrip("/") for origin in value.split(",") if origin.strip())
        return value
