"""Other calendars on the wire, whose busy times a calendar keeps."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from kalends.schemas.appointments import Maker
from kalends.schemas.fields import Text
from kalends.schemas.links import web_address
from kalends.schemas.wire import Answer, OneThing, Request
from kalends.schemas.wrong_fields import wrong

_LONGEST = 2_000
_ANY_BUT_COLONS = r"^[^:\x00-\x1f\x7f]+$"
_NO_NUL = r"^[^\x00]*$"


def _url(value: str) -> str:
    """Check an address as `web_address` does. Calendar programs also write `webcal://` for `https://`."""
    scheme, colon, rest = value.partition(":")
    web_address(f"https:{rest}" if colon and scheme.lower() == "webcal" else value)
    return value


def _username(value: str) -> str:
    if ":" in value:
        raise PydanticCustomError("characters", "must not have a colon")
    return value


Url = Annotated[
    str,
    Field(max_length=_LONGEST),
    AfterValidator(_url),
    WithJsonSchema(
        {
            "type": "string",
            "format": "uri",
            "maxLength": _LONGEST,
            "description": "`https://`, `http://` or `webcal://`. No answer shows it.",
        }
    ),
]


class SourceCreate(Request):
    """Another calendar, whose busy times are to be kept."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"kind": "ics", "url": "https://calendar.example.com/private-8c1f0e/basic.ics"}]
        }
    )
    must_have = ("kind", "url")
    refuses = True
    why_not: ClassVar[Mapping[str, str]] = {"calendar_id": "the path says which calendar"}

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Source,)

    kind: Literal["ics", "caldav"] = Field(
        description="`ics`: a calendar file at an address, as Google, Outlook and Apple publish them; "
        "`caldav`: a calendar on a CalDAV server, or the only one of a user there."
    )
    url: Url
    username: (
        Annotated[
            Text, Field(min_length=1, max_length=255, pattern=_ANY_BUT_COLONS), AfterValidator(_username)
        ]
        | None
    ) = None
    password: (
        Annotated[Text, Field(min_length=1, max_length=1_000, json_schema_extra={"pattern": _NO_NUL})] | None
    ) = Field(default=None, description="No answer shows it.")
    free_timed_events: bool = Field(
        default=False,
        description="Only events of whole days count as busy; those with a time of day are free.",
    )

    @model_validator(mode="after")
    def _names_the_user(self) -> Self:
        if self.password is not None and self.username is None:
            missing = [wrong("username", "is required with a password", "required")]
            raise PydanticCustomError("wrong_names", "has no username", {"wrong": missing})
        return self


class Source(Answer):
    """Another calendar, and how reading it goes."""

    id: str
    org_id: str
    calendar_id: str
    kind: Literal["ics", "caldav"]
    url: str = Field(description="Its server and its last characters only: the whole is a secret.")
    username: str | None
    free_timed_events: bool
    events: int | None = Field(
        description="How many events the last successful reading found; null before the first one."
    )
    unreadable: list[str] = Field(
        description="About its events that can't be read, and so don't block: a sentence each, at most some."
    )
    last_success_at: datetime | None = Field(description="When it was last read: its times are as of then.")
    failing_since: datetime | None = Field(
        description="Since when every reading has failed. The times of the last successful one stay busy."
    )
    error: str | None = Field(description="Why the last reading failed, and what to do.")
    next_at: datetime = Field(description="When it is read next.")
    created_by: Maker
    created_at: datetime


class SourceAnswer(OneThing):
    """One source."""

    source: Source


class SourcesAnswer(OneThing):
    """The sources of a calendar, oldest first."""

    sources: list[Source]
