"""`/`: where somebody arrives who has only the server's address."""

from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter()


@router.get("/", include_in_schema=False)
async def enter() -> Response:
    """Lead to the documentation. The address is relative, so it is right behind a path prefix, too."""
    return Response(status_code=307, headers={"Location": "docs"})
