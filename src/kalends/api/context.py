"""What a running server holds. The application puts it together, and requests reach it by their scope."""

from dataclasses import dataclass

from starlette.types import Scope

from kalends.api.kept_files import KeptFiles
from kalends.api.key_use import KeyUse
from kalends.api.once import Once
from kalends.api.public_bookings import PublicBookings
from kalends.api.rate_limits import RateLimits
from kalends.api.readiness import Readiness
from kalends.clock import Clock
from kalends.core.caller import Caller, FeedLink, Host, Link, Member
from kalends.core.errors import Wanted
from kalends.db.batches import Batches
from kalends.db.database import Database
from kalends.identity import Provider
from kalends.metrics import Metrics
from kalends.pace import Pace
from kalends.settings import Settings
from kalends.shares import Shares
from kalends.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Context:
    """The server's own things, made when it starts and closed when it stops."""

    settings: Settings
    database: Database
    clock: Clock
    callers: Batches[bytes, Caller]
    hosts: Batches[str, Host]
    members: Batches[bytes, Member]
    front: Batches[str, str]
    links: Batches[bytes, Link]
    feeds: Batches[bytes, FeedLink]
    suggestions: Batches[Wanted, list[str]]
    suggestions_for_clients: Batches[Wanted, list[str]]
    shares: Shares
    files: KeptFiles
    document: Once[bytes]
    metrics: Metrics | None
    tracing: Tracing | None
    pace: Pace
    rate_limits: RateLimits
    key_use: KeyUse
    readiness: Readiness
    public_bookings: PublicBookings
    provider: Provider | None

    @property
    def no_links(self) -> str | None:
        """Why no links are mailed to clients, if none are: a sentence that says what has to be set."""
        if not self.settings.mail:
            return "this server's operator has set no mail server (KALENDS_SMTP_HOST)."
        if not self.settings.public_url:
            return "this server's operator has not set where links lead (KALENDS_PUBLIC_URL)."
        return None


def context_of(scope: Scope) -> Context:
    """Return the context of the application that got this request."""
    context = scope["app"].state.context
    assert isinstance(context, Context)
    return context
