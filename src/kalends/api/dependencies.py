"""What handlers ask for, by names that read as prose."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from kalends.api.context import context_of
from kalends.core.caller import Caller
from kalends.db.database import Database


class Scoped(SecurityBase):
    """The caller the gate let in, where the key carries the scope."""

    scheme_name = "apiKey"
    model = HTTPBearer(
        description="`Authorization: Bearer vst_…`: a key of one organization, made by `kalends key create`."
    )

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Caller:
        caller = request.scope["state"]["caller"]
        assert isinstance(caller, Caller)
        caller.need(self.scope)
        return caller


async def _database(request: Request) -> Database:
    return context_of(request.scope).database


async def _now(request: Request) -> datetime:
    return context_of(request.scope).clock.now()


Reader = Annotated[Caller, Security(Scoped("read"))]
Writer = Annotated[Caller, Security(Scoped("write"))]
Db = Annotated[Database, Depends(_database)]
Now = Annotated[datetime, Depends(_now)]
PathId = Annotated[str, Path(min_length=1, pattern=r"^[^\x00]*$")]
"""An id in a path: any string may be asked for."""
