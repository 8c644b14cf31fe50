"""Who acts: staff, clients, the operator, or Kalends itself."""

from dataclasses import dataclass

from kalends.core.caller import Caller, Host
from kalends.core.lifecycle import Source
from kalends.schemas.appointments import Actor


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who changes something in an organization, however they come: by an API key, on the booking
    page, by a link, by the command line, or by time alone.

    Times that they send without an offset are read in `timezone`, the organization's IANA zone. `source` is
    what an appointment that they make says of where it comes from. `may_force` tells whether they may waive
    every check.
    """

    org_id: str
    actor: Actor
    timezone: str = "UTC"
    source: Source = "manual"
    may_force: bool = False


def staff(caller: Caller) -> Party:
    """Return whoever calls with an API key."""
    actor = Actor.model_construct(kind="api_key", id=caller.key_id, name=caller.key_name)
    return Party(caller.org_id, actor, caller.timezone, may_force=caller.may("admin"))


def client(host: Host) -> Party:
    """Return a client who books for themselves, or follows the link of their appointment."""
    return Party(host.org_id, _CLIENT, host.timezone, "booking_page")


def operator(org_id: str) -> Party:
    """Return whoever runs the server, by the command line. They send no times."""
    return Party(org_id, OPERATOR, may_force=True)


def system(org_id: str) -> Party:
    """Return Kalends itself, where time alone makes something happen."""
    return Party(org_id, _SYSTEM)


_CLIENT = Actor(kind="client", id=None, name=None)
OPERATOR = Actor(kind="operator", id=None, name=None)
_SYSTEM = Actor(kind="system", id=None, name=None)
