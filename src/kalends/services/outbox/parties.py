"""Who acts: staff, clients, the operator, or Kalends itself."""

from dataclasses import dataclass

from kalends.core.caller import Caller, Host, Member, RequestLink
from kalends.core.lifecycle import Source
from kalends.schemas.appointments import Actor


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who changes something in an organization: by an API key, on the pages of the staff or the
    booking page, by a link or by the command line; or Kalends itself, when time has come.

    Times sent without an offset are read in `timezone`, the organization's IANA zone. `source` is what an
    appointment made by this party says of its origin. `may_force` tells whether the party may waive every
    check. `session` is the digest of that in which a person of the staff acts.
    """

    org_id: str
    actor: Actor
    timezone: str = "UTC"
    source: Source = "manual"
    may_force: bool = False
    session: bytes | None = None

    @property
    def is_client(self) -> bool:
        """Whether this is a client, on the booking page or by a link."""
        return self.source == "booking_page"


def staff(caller: Caller) -> Party:
    """Return the party that calls with an API key."""
    actor = Actor.model_construct(kind="api_key", id=caller.key_id, name=caller.key_name)
    return Party(caller.org_id, actor, caller.timezone, may_force=caller.may("admin"))


def member(member: Member) -> Party:
    """Return a person of the staff, who is signed in."""
    actor = Actor.model_construct(kind="person", id=member.person_id, name=member.name)
    may_force = member.may("admin")
    return Party(member.host.org_id, actor, member.host.timezone, may_force=may_force, session=member.session)


def deciding(link: RequestLink) -> Party:
    """Return a person of the staff, who decides about a request by the link in a mail."""
    actor = Actor.model_construct(kind="person", id=link.person_id, name=link.name)
    return Party(link.host.org_id, actor, link.host.timezone)


def client(host: Host) -> Party:
    """Return a client of the organization, who books or follows the link of an appointment."""
    return Party(host.org_id, _CLIENT, host.timezone, "booking_page")


def operator(org_id: str) -> Party:
    """Return the person who runs the server, at the command line. They send no times."""
    return Party(org_id, _OPERATOR, may_force=True)


def system(org_id: str) -> Party:
    """Return Kalends itself, which acts when time has come."""
    return Party(org_id, _SYSTEM)


_CLIENT = Actor(kind="client", id=None, name=None)
_OPERATOR = Actor(kind="operator", id=None, name=None)
_SYSTEM = Actor(kind="system", id=None, name=None)
