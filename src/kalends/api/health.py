"""Is the server up, and is it ready? For load balancers and containers; no key needed."""

from typing import Literal

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from kalends import zone_data
from kalends.api.context import context_of
from kalends.api.errors import BodyTooLarge, documented
from kalends.core.errors import NotFound, SchemaOutdated, Unavailable
from kalends.schemas.wire import Answer
from kalends.services.booking import readings
from kalends.services.leaving import leases

router = APIRouter(tags=["health"])


class Health(Answer):
    """All is well."""

    status: Literal["ok"] = "ok"


class Readiness(Health):
    """The server is ready."""

    zone_data: str = Field(description="The version of the time zone data it uses.", examples=["2026f"])


@router.get("/healthz", responses=documented(BodyTooLarge))
async def live() -> Health:
    """Tell that the process is up."""
    return Health()


@router.get("/readyz", responses=documented(BodyTooLarge, Unavailable, SchemaOutdated))
async def ready(request: Request) -> Readiness:
    """Tell whether the database can be read and written to, and has the schema of this version. The database
    is asked at most once a second."""
    await context_of(request.scope).readiness.check()
    return Readiness(zone_data=zone_data.choose())


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Answer Prometheus, if KALENDS_METRICS is set."""
    context = context_of(request.scope)
    if context.metrics is None:
        raise NotFound("There is no such path.")
    lag = await context.database.read(leases.lag_seconds, context.clock.now(), mail=context.settings.mail)
    failing = await context.database.read(readings.failing)
    return Response(context.metrics.rendered(lag, failing), media_type=CONTENT_TYPE_LATEST)
