"""What handlers ask for: the call that came through the gate, if its key has the scope.

A handler has one dependency, not one for each thing it needs: FastAPI walks all of them on every request, and
six cost as much as a query.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Concatenate, Generic, TypeVar

from fastapi import Path, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request
from starlette.responses import Response

from kalends.api.context import context_of
from kalends.api.trail import trail_of
from kalends.core.caller import Caller, Host
from kalends.core.errors import InvalidTime, Malformed
from kalends.core.hours import instant
from kalends.db.aside import aside
from kalends.db.database import P, T, Tx
from kalends.schemas.fields import as_moment
from kalends.schemas.links import manage_url
from kalends.schemas.wire import Answer
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.settings import Settings
from kalends.shares import Share

H = TypeVar("H", bound=Caller | Host)

_LONG = 200
"""A list of more things is a long one."""
ALL = 1_000_000
"""The limit of a list for which everything may have to be read, however short it is."""


class Call(Generic[H]):
    """A request about one organization (`org_id`, `timezone`), as a key or its clients know it (`host`), at a
    time (`now`, UTC), with the database (`db`).

    Raises Malformed for a Test-Clock outside a sandbox or a bad one.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    """The query parameters that it reads by itself."""
    own_language: str | None = None
    """The language (BCP 47) of whoever calls, if it is known of them."""

    def __init__(self, request: Request, host: H) -> None:
        self.request = request
        self.context = context_of(request.scope)
        self.host = host
        self.org_id = host.org_id
        self.timezone = host.timezone
        self.db = self.context.database
        self.now = _now(request, host, self.context.clock.now())

    async def look(self, unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
        """Run a unit that reads and may take long, within the server's share for such calls.

        Raises Unavailable if too many of them wait.
        """
        async with self._share.of(self.org_id):
            return await self.db.read(unit, *args, **kw)

    async def listing(
        self, limit: int, unit: Callable[Concatenate[Tx, P], Answer], *args: P.args, **kw: P.kwargs
    ) -> Response:
        """Answer with what a unit lists, at most `limit` things. A long list is read as `look` does."""

        def written(tx: Tx) -> str:
            return aside(tx, unit(tx, *args, **kw).model_dump_json)

        found = await (self.look(written) if limit > _LONG else self.db.read(written))
        return Response(found, media_type="application/json")

    @property
    def _share(self) -> Share:
        return self.context.shares.staff

    @property
    def settings(self) -> Settings:
        """The settings of this server."""
        return self.context.settings

    @property
    def real_now(self) -> datetime:
        """The time by the server's own clock, which the worker goes by; a Test-Clock does not change it."""
        return self.context.clock.now()

    @property
    def caller(self: "Call[Caller]") -> Caller:
        """The key that the request came with."""
        return self.host

    @property
    def base(self) -> str:
        """The address of this server, as clients know it."""
        return self.settings.public_url or str(self.request.base_url).rstrip("/")

    def link(self, token: str) -> str:
        """Return the address of a client's link."""
        return manage_url(token, self.host.manage_url_template, self.base)


def caller_of(request: Request) -> Caller:
    """Return the key with which the request came through the gate."""
    caller = trail_of(request.scope).caller
    assert caller is not None
    return caller


class Scoped(SecurityBase):
    """Lets in a call whose key carries the scope; raises ScopeMissing for any other."""

    scheme_name = "apiKey"
    model = HTTPBearer(
        description="`Authorization: Bearer vst_…`: a key of one organization, made by `kalends key create`."
    )

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Call[Caller]:
        caller = caller_of(request)
        caller.need(self.scope)
        return Call(request, caller)


Reading = Annotated[Call[Caller], Security(Scoped("read"))]
Supervising = Annotated[Call[Caller], Security(Scoped("admin"))]
NO_NUL = r"^[^\x00]*$"
"""PostgreSQL can't store NUL, so no id contains one."""
PathId = Annotated[str, Path(min_length=1, pattern=NO_NUL)]
"""An id in a path: any other string is an id, too, if only of nothing."""


def only(header: str, values: Sequence[str]) -> str | None:
    """Return the value of a header, or None if it was not sent. Raises Malformed if it was sent twice."""
    if len(values) > 1:
        raise malformed([wrong(header, "was sent twice", "repeated")], f"Send {header} once at most.")
    return values[0] if values else None


def _now(request: Request, host: Caller | Host, real: datetime) -> datetime:
    sent = only("Test-Clock", request.headers.getlist("test-clock"))
    if sent is None:
        return real
    if not host.sandbox:
        raise Malformed("Test-Clock is for sandbox organizations only.")
    try:
        return instant(as_moment(sent), host.timezone)
    except ValueError as error:
        raise InvalidTime(f"Test-Clock {error}.") from None
