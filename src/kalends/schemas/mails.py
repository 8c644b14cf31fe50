"""Mails on the wire."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from kalends.schemas.fields import Id
from kalends.schemas.queries import Limit
from kalends.schemas.wire import Answer, OneThing, Request

MailStatus = Literal["pending", "delivered", "failed", "skipped"]


class MailsQuery(Request):
    """The parameters of the list of mails."""

    status: MailStatus | None = None
    appointment_id: Id | None = Field(default=None, description="Only mails about this appointment.")
    cursor: Id | None = Field(default=None, description="The `next_cursor` of the page before.")
    limit: Limit = 50


class Mail(Answer):
    """A mail about an appointment, or to somebody of the staff, and what became of it."""

    id: str
    event_id: str
    event: str
    audience: str = Field(
        description="Whom it is for: `client`, `staff`, `reminder` (the client, before the appointment), "
        "`former` (the client's former address), or `person` (somebody of the staff, who is sent the link "
        "to sign in)."
    )
    appointment_id: str | None
    to: str | None = Field(description="The address of the last attempt; null before the first.")
    status: MailStatus = Field(
        description="`delivered`: the mail server has accepted it. `failed`: it is not tried again. "
        "`skipped`: nobody would want it any more, since the appointment was over or had changed, staff made "
        "the change themselves, or there was no address; or the link to sign in had ended."
    )
    attempts: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    answer_code: int | None
    answer: str | None = Field(description="The first 1,024 characters of the mail server's last answer.")
    error: str | None = Field(description="Why there was no answer.")
    latency_ms: int | None
    created_at: datetime


class MailAnswer(OneThing):
    """One mail."""

    mail: Mail


class MailsAnswer(Answer):
    """Mails, newest first."""

    mails: list[Mail]
    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page; null if this is the last."
    )
