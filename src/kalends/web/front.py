"""`/`: the bare address of a server."""

from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kalends.api.context import context_of

router = APIRouter(include_in_schema=False)


@router.get("/")
async def enter(request: Request) -> Response:
    """Redirect to the page of the only organization that has one, or else to the documentation, on the same
    host. If the prefix of a proxy is not known, the redirect is relative, so that it is right behind any."""
    context = context_of(request.scope)
    slug = await context.front.get("slug")
    known = urlsplit(context.settings.public_url).path
    place = slug or "docs"
    query = request.scope["query_string"].decode("latin-1")
    query = f"?{query}" if slug and query else ""
    return Response(status_code=307, headers={"Location": (f"{known}/{place}" if known else place) + query})
