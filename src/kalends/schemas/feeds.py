"""Calendar feeds on the wire."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from kalends.core.caller import FeedKind
from kalends.schemas.appointments import Maker
from kalends.schemas.fields import Id
from kalends.schemas.wire import Answer, OneThing, Request


class FeedCreate(Request):
    """A secret address at which a calendar program reads appointments, or only when time is taken."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})
    refuses = True

    @classmethod
    def known(cls) -> Sequence[type[BaseModel] | str]:
        return (Feed, NewFeedAnswer)

    calendar_id: Id | None = Field(
        default=None, description="Only this calendar's time; that of all calendars if left out."
    )
    kind: FeedKind = Field(
        default="appointments",
        description="`busy`: only when time is taken, by appointments and blocks, without any details.",
    )


class Feed(Answer):
    """A feed, without its address."""

    id: str
    org_id: str
    calendar_id: str | None
    kind: FeedKind = "appointments"
    created_by: Maker
    created_at: datetime


class NewFeedAnswer(Answer):
    """A feed that was just made."""

    feed: Feed
    url: str | None = Field(
        description="Its address. It is shown this once; null in a replay or a rehearsal."
    )


class FeedsAnswer(OneThing):
    """All feeds, oldest first."""

    feeds: list[Feed]
