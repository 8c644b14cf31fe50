"""What keys and people of the staff have made that may outlive them, and what becomes of it, on the wire."""

from typing import Literal

from pydantic import Field

from kalends.schemas.feeds import Feed
from kalends.schemas.organizations import Key
from kalends.schemas.people import Person
from kalends.schemas.sources import Source
from kalends.schemas.webhooks import Webhook
from kalends.schemas.wire import Answer


class Made(Answer):
    """What keys and people have made that may outlive them."""

    keys: list[Key] = Field(default=[], description="Those that are neither revoked nor expired.")
    people: list[Person] = Field(default=[], description="Those who are active.")
    entered: list[Person] = Field(
        default=[],
        description="Others who have a link to sign in that was made by them, came in by one and are still "
        "signed in, or can come back by a password or a passkey that was made then.",
    )
    feeds: list[Feed] = Field(default=[])
    webhooks: list[Webhook] = Field(default=[])
    sources: list[Source] = Field(default=[])


def _is_nothing(made: Made) -> bool:
    return made == Made()


class _Leaving(Answer):
    """What becomes of what somebody has made who goes."""

    still_standing: Made = Field(
        default=Made(),
        exclude_if=_is_nothing,
        description="What goes on working; `?with=made` takes it along. Left out if there is nothing.",
    )
    taken_along: Made = Field(
        default=Made(),
        exclude_if=_is_nothing,
        description="What was revoked, ended or deleted with it. Left out if there is nothing.",
    )


class RevokedKeyAnswer(_Leaving):
    """A revoked key, and what it has made, what the keys and people among that have made in turn, and what
    was made by those who came in by links of theirs. What was made before makers were recorded is not in
    it."""

    key: Key


class ChangedPersonAnswer(_Leaving):
    """A person as they are now. Of somebody who is not active or not an admin, if that was sent: what they
    have made, as for a key."""

    person: Person


class DeletedPersonAnswer(_Leaving):
    """Who is gone, and what they have made, as for a key."""

    id: str
    deleted: Literal[True] = True
