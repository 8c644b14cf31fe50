"""Webhooks on the wire, in the envelope the contract gives them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from kalends.core.event_types import is_filter
from kalends.core.webhook_secrets import signing_key
from kalends.schemas.appointments import Maker
from kalends.schemas.fields import Moment, Name
from kalends.schemas.links import web_address
from kalends.schemas.wire import UNSENT, Answer, Change, Request
from kalends.schemas.wrong_fields import SCHEMA


def _url(value: str) -> str:
    if urlsplit(web_address(value)).fragment:
        raise PydanticCustomError("url", "must not have a fragment")
    return value


def _filter(value: str) -> str:
    if not is_filter(value):
        raise PydanticCustomError("event", "must name events: one of them, appointment.*, or *")
    return value


def _secret(value: str) -> str:
    if any(not "!" <= letter <= "~" for letter in value):
        raise PydanticCustomError("secret", "must be printable ASCII")
    try:
        signing_key(value)
    except ValueError as error:
        raise PydanticCustomError("secret", "{why}", {"why": str(error)}) from None
    return value


Url = Annotated[
    str,
    Field(max_length=2_000),
    AfterValidator(_url),
    WithJsonSchema(
        {"type": "string", "format": "uri", "maxLength": 2_000, "examples": ["https://example.com/hook"]}
    ),
]
Filters = Annotated[
    list[Annotated[str, AfterValidator(_filter), Field(examples=["appointment.created"])]],
    Field(
        min_length=1,
        max_length=50,
        description="Events by name, all of a kind (`appointment.*`), or all (`*`).",
    ),
]
Secret = Annotated[
    str,
    Field(
        min_length=16,
        max_length=255,
        description="Signs deliveries: `whsec_` and 24 to 64 bytes in base64, or any other string. Made for "
        "you if left out.",
    ),
    AfterValidator(_secret),
]


class WebhookChange(Change):
    """What is to be changed in a webhook."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"active": False}]})
    why_not: ClassVar[Mapping[str, str]] = {"secret": "POST …/{id}/rotate-secret makes a new one"}
    moves = frozenset({"disabled_reason", "failing_since"})

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (NewWebhook, "data")

    url: Url = UNSENT
    events: Filters = UNSENT
    name: Name | None = UNSENT
    active: bool = Field(
        default=UNSENT, description="A webhook that is made active again gets what it missed."
    )


class WebhookCreate(Request):
    """A URL, and the events that are to be delivered to it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://example.com/hook", "events": ["appointment.*"]}]}
    )
    must_have = ("url", "events")

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (NewWebhook,)

    url: Url
    events: Filters
    name: Name | None = None
    secret: Secret | None = None


class Replay(Request):
    """The time whose events are to be delivered again: `from` ≤ occurred < `to`."""

    model_config = ConfigDict(
        validate_by_alias=True,
        validate_by_name=False,
        json_schema_extra={"examples": [{"from": "2024-01-20T00:00:00Z", "to": "2024-01-21T00:00:00Z"}]},
    )
    must_have = ("from", "to")

    from_: Moment = Field(alias="from")
    to: Moment


class Webhook(Answer):
    """A webhook."""

    id: str
    name: str | None
    url: str
    events: list[str]
    active: bool
    disabled_reason: str | None = Field(description="Why it was made inactive, if that was not by request.")
    failing_since: datetime | None = Field(description="Since when every attempt has failed.")
    created_by: Maker
    created_at: datetime
    updated_at: datetime


class NewWebhook(Webhook):
    """A webhook and its secret, which is shown this once."""

    secret: str | None = Field(description="Shown this once; null in a replay or a rehearsal.")


class Delivery(Answer):
    """An event on its way to a webhook."""

    id: str
    event_id: str
    event: str
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    answer_code: int | None
    answer: str | None = Field(description="The first 1,024 bytes of the last answer.")
    error: str | None = Field(description="Why there was no answer.")
    latency_ms: int | None
    created_at: datetime


class Replayed(Answer):
    """How many deliveries were made."""

    deliveries: int


class Success(Answer):
    """The contract's envelope."""

    success: Literal[True] = True
    data: Any

    @classmethod
    def of(cls, data: Any) -> Self:
        return cls(data=data)


class WebhookAnswer(Success):
    """One webhook."""

    data: Webhook


class NewWebhookAnswer(Success):
    """One webhook with its secret."""

    data: NewWebhook


class Pagination(Answer):
    """The page, and how many things there are in all."""

    page: int
    limit: int
    total: int


class WebhooksAnswer(Success):
    """A page of webhooks, oldest first."""

    data: list[Webhook]
    pagination: Pagination


class DeliveryAnswer(Success):
    """One delivery."""

    data: Delivery


class DeliveriesAnswer(Success):
    """Deliveries, newest first."""

    data: list[Delivery]
    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page; null if this is the last."
    )


class ReplayedAnswer(Success):
    """How many deliveries a replay made."""

    data: Replayed


class DeletedWebhook(Answer):
    """What is gone."""

    id: str
    deleted: Literal[True] = True


class DeletedAnswer(Success):
    """What is gone."""

    data: DeletedWebhook


class Failure(Answer):
    """What the calls of webhooks refuse with."""

    success: Literal[False] = False
    error: "FailureDetails"


class FailureDetails(Answer):
    """A stable code in capitals, a sentence, and details for a program."""

    code: str
    message: str
    details: Annotated[dict[str, Any], WithJsonSchema(dict(SCHEMA))]
