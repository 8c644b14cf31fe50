"""What handlers of the public booking API ask for: the organization with the slug in the path, or the link
with the token in it."""

from typing import Annotated, Any, Self
from urllib.parse import quote, urlsplit

from fastapi import Depends, Path
from starlette.requests import Request

from kalends.api.addresses import address_of
from kalends.api.calls import NO_NUL, Call
from kalends.api.changes import Change
from kalends.api.context import context_of
from kalends.api.gate import PUBLIC, wrong_guess
from kalends.api.trail import trail_of
from kalends.core.caller import Host, Link, Visitor
from kalends.core.errors import Blocked, BusyElsewhere, Moved, NotFound, SlotTaken, Unbookable, Wanted
from kalends.db.batches import Batches
from kalends.ids import digest
from kalends.services.booking import manage_links
from kalends.services.outbox import parties
from kalends.services.outbox.idempotency import Ticket
from kalends.services.outbox.parties import Party
from kalends.shares import Share

Slug = Annotated[str, Path(max_length=63, pattern=NO_NUL, description="The organization's.")]
Token = Annotated[str, Path(max_length=100, description="The last part of the client's link.")]


class Visit(Call[Host]):
    """A call of a client, perhaps by the link of an appointment."""

    @property
    def _share(self) -> Share:
        return self.context.shares.clients


class ClientChange(Change[Host]):
    """A change by a client, who is told why something is refused, but not what others have booked."""

    _is_of_form = False

    @property
    def party(self) -> Party:
        """Who makes the change."""
        return parties.client(self.host)

    @property
    def visitor(self) -> Visitor:
        """The client, by where the request came from."""
        where = digest(f"{self.org_id} {address_of(self.request.scope)}")
        return Visitor(where, self.settings.public_holds_per_address)

    def for_form(self, name: str) -> Self:
        """Make the change once for the form with this name, which no other form has. Sent with other words,
        the form is refused with IdempotencyKeyReused. Raises Malformed."""
        self._is_of_form = True
        return self.under(name)

    def _ticket(self, key: str, fingerprint: bytes) -> Ticket:
        # Clients do not know of each other, so two may choose the same key.
        whose = "form" if self._is_of_form else f"client:{fingerprint.hex()}"
        return Ticket(self.org_id, f"{whose}:{key}", fingerprint)

    @property
    def _suggestions(self) -> Batches[Wanted, list[str]]:
        return self.context.suggestions_for_clients  # staff don't wait for strangers

    async def _with_alternatives(self, refusal: Unbookable) -> Unbookable:
        refusal = await super()._with_alternatives(refusal)
        reasons = for_clients(refusal.details["reasons"])
        # Why time is taken is nothing for strangers: a block, or what another calendar says.
        shown = SlotTaken() if isinstance(refusal, Blocked | BusyElsewhere) else refusal
        shown.message = reasons[0]["message"]
        shown.details = {**refusal.details, "reasons": reasons}
        return shown


class LinkVisit(Visit):
    """A look at an appointment by its client's link."""

    def __init__(self, request: Request, link: Link) -> None:
        super().__init__(request, link.host)
        self.by = _standing(link, self)


class LinkChange(ClientChange):
    """A change of an appointment by its client's link."""

    def __init__(self, request: Request, link: Link) -> None:
        super().__init__(request, link.host)
        self.by = _standing(link, self)

    def _ticket(self, key: str, fingerprint: bytes) -> Ticket:
        link = digest(self.request.path_params["token"])
        return Ticket(self.org_id, f"link:{link.hex()}:{key}", fingerprint)


def for_clients(reasons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return reasons, each once, without anything about other clients, calendars or counts."""
    kept: list[dict[str, Any]] = []
    for reason in reasons:
        code = "conflict" if reason["code"] in ("blocked", "busy_elsewhere") else reason["code"]
        shown = {"code": code, "message": _SENTENCES.get(code, reason["message"])}
        if shown not in kept:
            kept.append(shown)
    return kept


_SENTENCES = {
    "conflict": "The time is taken.",
    "outside_hours": "It is outside the opening hours.",
    "calendar_inactive": "Nobody is available at that time.",
    "calendar_not_serving": "Nobody is available at that time.",
}


async def _host(request: Request, slug: Slug) -> Host:
    host = await context_of(request.scope).hosts.get(slug)
    if host is None:
        raise await wrong_guess(request.scope, NotFound("There is no organization with this slug."))
    trail_of(request.scope).org_id = host.org_id
    if host.slug != slug:
        raise Moved(host.slug, _location(request, slug, host.slug))
    return host


def _location(request: Request, former: str, present: str) -> str:
    """Return the same path and query under another slug, as the client reaches it: a call's, or a page's. It
    names no origin, or pages of another origin could not follow. It begins with the path of the public URL,
    which the proxy or `Prefix` takes off."""
    path = request.scope["path"]
    beginning = PUBLIC if path.startswith(PUBLIC) else "/"
    below = quote(path.removeprefix(f"{beginning}{former}"))
    query = request.scope["query_string"].decode("latin-1")
    prefix = urlsplit(context_of(request.scope).settings.public_url).path
    return f"{prefix}{beginning}{present}{below}{f'?{query}' if query else ''}"


async def _link(request: Request, token: Token) -> Link:
    link = await context_of(request.scope).links.get(digest(token))
    if link is None:
        raise await wrong_guess(request.scope, manage_links.no_link())
    trail_of(request.scope).org_id = link.host.org_id
    return link


def _standing(link: Link, call: Call[Host]) -> Link:
    if link.expires_at <= call.now:
        raise manage_links.no_link()
    return link


async def _visit(request: Request, host: Annotated[Host, Depends(_host)]) -> Visit:
    return Visit(request, host)


async def _client_change(request: Request, host: Annotated[Host, Depends(_host)]) -> ClientChange:
    return ClientChange(request, host)


async def _link_visit(request: Request, link: Annotated[Link, Depends(_link)]) -> LinkVisit:
    return LinkVisit(request, link)


async def _link_change(request: Request, link: Annotated[Link, Depends(_link)]) -> LinkChange:
    return LinkChange(request, link)


Visiting = Annotated[Visit, Depends(_visit)]
ClientWriting = Annotated[ClientChange, Depends(_client_change)]
ByLink = Annotated[LinkVisit, Depends(_link_visit)]
WritingByLink = Annotated[LinkChange, Depends(_link_change)]
