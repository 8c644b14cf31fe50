"""The organization and its keys on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from kalends.schemas.appointment_types import Color
from kalends.schemas.appointments import Maker
from kalends.schemas.fields import WHOLE, Email, Language, Name, Notes, Phone, Scope, Zone
from kalends.schemas.links import LinkTemplate, Origin, WebAddress
from kalends.schemas.wire import UNSENT, Answer, Change, OneThing, Request


class OrganizationChange(Change):
    """What is to be changed in the organization."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"timezone": "Europe/Berlin"}]})
    why_not: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("plan", "requests_per_hour", "sandbox"), "whoever runs the server decides it"
    ) | {"logo": "send the picture itself: PUT /v1/organization/logo"}

    moves = frozenset({"former_slugs"})

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Organization, "organization")

    name: Name = UNSENT
    slug: Annotated[str, Field(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")] = Field(
        default=UNSENT,
        description="The former slug stays the organization's own and leads on to this one. It may be taken "
        "back.",
    )
    timezone: Zone = Field(
        default=UNSENT,
        description="Moves no appointment: instants stay, and rules are read in the new zone from now on.",
    )
    week_start: Annotated[int, Field(ge=0, le=6), WHOLE] = Field(
        default=UNSENT,
        description="The day on which weeks begin, for limits per week: 0 = Sunday … 6 = Saturday.",
    )
    client_notice_hours: Annotated[int, Field(ge=0, le=8760), WHOLE] = Field(
        default=UNSENT,
        description="Until how many hours before its start clients may cancel or move an appointment by "
        "their link.",
    )
    client_grace_minutes: Annotated[int, Field(ge=0, le=1440), WHOLE] = Field(
        default=UNSENT,
        description="For how many minutes after booking clients may cancel or move an appointment all the "
        "same, until its start; 0: not at all.",
    )
    notification_email: Email = Field(
        default=UNSENT,
        description="The address at which staff are mailed about bookings, changes and cancellations; null: "
        "none. Clients who answer a mail write to it.",
    )
    language: Language = Field(
        default=UNSENT,
        description="The language of mails to staff, and of pages if a visitor's browser asks for none that "
        "there is, and how they write dates: a BCP 47 tag such as de-AT; null: `en`.",
    )
    clients_confirm_by_mail: bool = Field(
        default=UNSENT,
        description="Whether clients have to confirm bookings by the link in a mail. Until then, for at most "
        "30 minutes, a booking only holds its time.",
    )
    public_bookings_per_hour: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None = Field(
        default=UNSENT,
        description="How many bookings without a key are accepted in an hour; null: no limit.",
    )
    intro: Notes = Field(default=UNSENT, description="What pages for clients say first.")
    address: Notes = Field(default=UNSENT, description="Where clients come to, in lines.")
    phone: Phone = Field(default=UNSENT, description="The number that clients may call.")
    contact_email: Email = Field(default=UNSENT, description="The address to which clients may write.")
    privacy_url: WebAddress = Field(
        default=UNSENT, description="Where clients read what is done with their data."
    )
    terms_url: WebAddress = Field(default=UNSENT, description="Where clients read the terms.")
    color: Color | None = Field(
        default=UNSENT, description="The colour from which those of pages are made; null: Kalends' own."
    )
    embed_origins: Annotated[list[Origin], Field(max_length=20)] = Field(
        default=UNSENT, description="The sites that may show the booking page in a frame."
    )
    page: bool = Field(default=UNSENT, description="Whether there are pages on which clients book.")
    indexing: bool = Field(default=UNSENT, description="Whether search engines may list these pages.")
    manage_url_template: LinkTemplate = Field(
        default=UNSENT,
        description="Where the links in mails and answers lead, with `{token}` in it, if you have pages of "
        "your own; null: to this server.",
    )


class Organization(Answer):
    """The organization of the key."""

    id: str
    name: str
    slug: str
    former_slugs: list[str] = Field(
        description="Oldest first. They stay the organization's own, and lead on to `slug`."
    )
    timezone: str
    week_start: int
    client_notice_hours: int
    client_grace_minutes: int
    notification_email: str | None
    language: str | None
    clients_confirm_by_mail: bool
    public_bookings_per_hour: int | None
    intro: str | None
    address: str | None
    phone: str | None
    contact_email: str | None
    privacy_url: str | None
    terms_url: str | None
    color: str | None
    logo: str | None = Field(description="The path of the logo on this server; null if there is none.")
    embed_origins: list[str]
    page: bool
    indexing: bool
    manage_url_template: str | None
    plan: str = Field(description="Read-only.")
    requests_per_hour: int = Field(description="For all its keys together; read-only.")
    sandbox: bool = Field(description="Read-only.")
    created_at: datetime
    updated_at: datetime


class OrganizationAnswer(OneThing):
    """The organization."""

    organization: Organization


class KeyCreate(Request):
    """A new API key."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Web", "scopes": ["read", "write"]}]})
    refuses = True
    why_not: ClassVar[Mapping[str, str]] = {"expires_at": "send expires_in_days"}

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Key, NewKeyAnswer)

    name: Name | None = None
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)] = Field(
        default=["read", "write", "delete"]
    )
    expires_in_days: Annotated[int, Field(ge=1, le=36_500), WHOLE] | None = None


class Key(Answer):
    """An API key, without its secret."""

    id: str
    org_id: str
    name: str | None
    prefix: str = Field(description="The beginning of the secret, to tell keys apart.")
    scopes: list[Scope]
    created_by: Maker
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")


class CountedKey(Key):
    """An API key, and how often it was used."""

    requests_this_hour: int | None = Field(
        default=None,
        description="Requests that count against the organization's limit, in the hour that ends at "
        "X-RateLimit-Reset; null while they can't be counted.",
    )


class NewKeyAnswer(Answer):
    """A key that was just made."""

    key: Key
    secret: str | None = Field(
        description="The key itself. It is shown this once; null in a replay or a rehearsal."
    )


class KeysAnswer(OneThing):
    """All keys, oldest first, revoked ones included."""

    keys: list[CountedKey]


class CurrentKeyAnswer(Answer):
    """The key of this call, and its organization."""

    key: CountedKey
    organization: Organization
