"""`/v1/calendar/clients`."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from kalends.api.calls import ALL, Reading
from kalends.api.errors import reading
from kalends.api.json_body import JsonRoute
from kalends.schemas.clients import ClientsAnswer
from kalends.schemas.queries import ClientsQuery
from kalends.services.booking import clients

router = APIRouter(prefix="/v1/calendar/clients", tags=["clients"], route_class=JsonRoute)


@router.get("", name="list", **reading(ClientsAnswer))
async def list_page(query: Annotated[ClientsQuery, Query()], call: Reading) -> Response:
    """List those who have booked, page by page: who has the latest appointment comes first."""
    return await call.listing(ALL, clients.page, call.org_id, query, call.now)
