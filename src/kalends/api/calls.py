"""What handlers ask for: the call that came through the gate, where its key carries the scope.

There is one dependency per handler, not one per thing it needs: FastAPI walks all of them on every request,
and six cost as much as a query.
"""

from typing import Annotated

from fastapi import Path, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from kalends.api.context import context_of
from kalends.core.caller import Caller


class Call:
    """Who asks (`caller`, `org_id`), when (`now`, UTC), and the database that answers (`db`)."""

    def __init__(self, request: Request) -> None:
        context = context_of(request.scope)
        caller = request.scope["state"]["caller"]
        assert isinstance(caller, Caller)
        self.request = request
        self.caller = caller
        self.org_id = caller.org_id
        self.db = context.database
        self.now = context.clock.now()


class Scoped(SecurityBase):
    """Lets in a call whose key carries the scope; raises ScopeMissing for any other."""

    scheme_name = "apiKey"
    model = HTTPBearer(
        description="`Authorization: Bearer vst_…`: a key of one organization, made by `kalends key create`."
    )

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Call:
        call = Call(request)
        call.caller.need(self.scope)
        return call


Reading = Annotated[Call, Security(Scoped("read"))]
PathId = Annotated[str, Path(min_length=1, pattern=r"^[^\x00]*$")]
"""An id in a path: any string may be asked for."""
