"""Is the server up, and is it ready? For load balancers and containers; no key needed."""

from typing import Literal

from fastapi import APIRouter
from starlette.requests import Request

from kalends.api.context import context_of
from kalends.api.errors import BodyTooLarge, documented
from kalends.core.errors import SchemaOutdated, Unavailable
from kalends.db import migrating
from kalends.schemas.wire import Answer

router = APIRouter(tags=["health"])


class Health(Answer):
    """All is well."""

    status: Literal["ok"] = "ok"


@router.get("/healthz", responses=documented(BodyTooLarge))
async def live() -> Health:
    """The process is up."""
    return Health()


@router.get("/readyz", responses=documented(BodyTooLarge, Unavailable, SchemaOutdated))
async def ready(request: Request) -> Health:
    """The database is reachable and its schema is the one this version was made for."""
    revision = await context_of(request.scope).database.read(migrating.current)
    if revision != migrating.newest():
        raise SchemaOutdated(
            f"The database's schema is at {revision or 'nothing'}, not at {migrating.newest()}: "
            "run `kalends migrate`.",
            schema=revision,
            needed=migrating.newest(),
        )
    return Health()
