"""Clients on the wire: those who have booked, as their appointments tell of them."""

from datetime import datetime

from pydantic import Field

from kalends.schemas.wire import Answer


class Client(Answer):
    """Somebody who has booked. Appointments with the same e-mail address are one client's; of those without
    an address, those with the same phone number; of those with neither, those under the same name."""

    id: str = Field(
        description="That of one of their appointments: `GET /v1/calendar/appointments?same_client_as=` "
        "lists all of them. It may be another one when the client books again."
    )
    name: str = Field(description="As in the latest appointment, and so are address and number.")
    email: str | None
    phone: str | None
    first_start: datetime | None = Field(description="Of the first appointment that was not cancelled.")
    last_start: datetime | None = Field(description="Of the latest that has begun and was not cancelled.")
    next_start: datetime | None = Field(description="Of the next one that is not cancelled.")
    total: int = Field(description="How many appointments there are, the cancelled ones included.")
    no_show: int = Field(description="How many of them the client did not attend.")
    cancelled: int = Field(description="How many of them were cancelled.")


class ClientsAnswer(Answer):
    """A page of clients."""

    clients: list[Client]
    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page; null if this is the last."
    )
