"""Who books and changes appointments."""

from dataclasses import dataclass

from kalends.core.caller import Caller
from kalends.core.lifecycle import Source
from kalends.schemas.appointments import Actor
from kalends.services import events


@dataclass(frozen=True, slots=True)
class Party:
    """Staff by an API key, or a client for themselves, on the page of an organization. `timezone` is the
    organization's."""

    org_id: str
    timezone: str
    actor: Actor
    source: Source


def staff(caller: Caller) -> Party:
    return Party(caller.org_id, caller.timezone, events.actor(caller), "manual")


def client(org_id: str, timezone: str) -> Party:
    return Party(org_id, timezone, events.CLIENT, "booking_page")
