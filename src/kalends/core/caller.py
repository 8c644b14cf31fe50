"""Who calls, and whom: API keys and what they may do, hosts, and their clients' links."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from kalends.core.errors import KeyExpired, KeyRevoked, ScopeMissing

SCOPES = ("read", "write", "delete", "admin")
_IMPLIED = {"admin": frozenset(SCOPES), "write": frozenset({"write", "read"})}


@dataclass(frozen=True, slots=True)
class Host:
    """An organization as the clients on its booking page meet it. `timezone` is its IANA zone; `week_start`
    is 0 for Sunday … 6 for Saturday; `language` a BCP 47 tag; `logo` the digest of a picture. In a `sandbox`,
    requests may say what time it is."""

    org_id: str
    slug: str
    name: str
    timezone: str
    sandbox: bool
    client_notice_hours: int
    client_grace_minutes: int
    clients_confirm_by_mail: bool
    public_bookings_per_hour: int | None
    week_start: int
    language: str | None
    intro: str | None
    address: str | None
    phone: str | None
    contact_email: str | None
    privacy_url: str | None
    terms_url: str | None
    color: str | None
    logo: str | None
    embed_origins: Sequence[str]
    page: bool
    indexing: bool
    manage_url_template: str | None


@dataclass(frozen=True, slots=True)
class Visitor:
    """A client without a key, by a digest of their network address. At most `most_holds` may be held from
    that address at once in one organization."""

    digest: bytes
    most_holds: int


@dataclass(frozen=True, slots=True)
class Link:
    """A client's link to their appointment, by its digest; good until `expires_at` (UTC)."""

    digest: bytes
    host: Host
    appointment_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RequestLink:
    """A link by which a person of an organization's staff confirms or declines the request for an appointment
    at `start_time`, by its digest. `language` is a BCP 47 tag."""

    digest: bytes
    host: Host
    person_id: str
    name: str
    language: str | None
    appointment_id: str
    start_time: datetime
    is_used: bool


FeedKind = Literal["appointments", "busy"]
"""What a feed tells: every appointment with its client, or only when time is taken."""


@dataclass(frozen=True, slots=True)
class FeedLink:
    """The secret address of a calendar feed: of one calendar, by the name of `calendar`, or of all if
    `calendar_id` is None."""

    host: Host
    kind: FeedKind
    calendar_id: str | None
    calendar: str | None

    @property
    def name(self) -> str:
        """What calendar programs call it."""
        return self.host.name if self.calendar is None else f"{self.host.name} – {self.calendar}"


def grants(scopes: Iterable[str], scope: str) -> bool:
    """Return whether `scope` is among others, directly or by implication (admin: all; write: read)."""
    return any(scope in _IMPLIED.get(held, {held}) for held in scopes)


class _Scoped:
    """Whoever may do some things and not others."""

    __slots__ = ()
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Return whether `scope` is held, directly or by implication."""
        return grants(self.scopes, scope)

    def need(self, scope: str, purpose: str = "This call") -> None:
        """Raise ScopeMissing, naming the scope, if it is not held."""
        if not self.may(scope):
            raise ScopeMissing(scope, purpose)


@dataclass(frozen=True, slots=True)
class Member(_Scoped):
    """A person of an organization's staff, by a session: the digest of its token. `host` is the organization,
    `calendar_id` the person's own calendar, `language` a BCP 47 tag. The session is good until `expires_at`
    (UTC), and was last used at about `seen_at`."""

    host: Host
    person_id: str
    name: str
    email: str | None
    has_password: bool
    scopes: frozenset[str]
    calendar_id: str | None
    language: str | None
    session: bytes
    begun_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Caller(_Scoped):
    """An API key, together with what requests need to know of its organization.

    `timezone` is the organization's IANA zone; `hourly_limit` is requests per hour for all its keys together;
    `manage_url_template` is where links for its clients lead, if it has pages of its own.
    """

    org_id: str
    key_id: str
    key_name: str | None
    scopes: frozenset[str]
    timezone: str
    sandbox: bool
    hourly_limit: int
    manage_url_template: str | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def stand(self, now: datetime) -> None:
        """Raise KeyRevoked or KeyExpired if the key is no longer good at `now` (UTC)."""
        if self.revoked_at is not None:
            raise KeyRevoked
        if self.expires_at is not None and self.expires_at <= now:
            raise KeyExpired
