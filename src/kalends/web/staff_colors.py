"""The stylesheet that has the colours of types and calendars."""

import re
from collections.abc import Sequence

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import NotFound
from kalends.web.readers import Reader
from kalends.web.staff_visits import Entered
from kalends.web.themes import marks

MOST = 64
"""So many colours are told apart at most."""
_PATH = "/staff/colors.css"
_ADDRESS = re.compile(rf"[0-9a-f]{{6}}(?:-[0-9a-f]{{6}}){{0,{MOST - 1}}}")

router = APIRouter(include_in_schema=False)


def stylesheet(reader: Reader, colors: Sequence[str]) -> str | None:
    """Return the address of the stylesheet that has some colours (`#rrggbb`); None if there are none."""
    if not colors:
        return None
    named = "-".join(color.removeprefix("#") for color in colors[:MOST])
    return f"{reader.prefix}{_PATH}?c={named}"


@router.get(_PATH)
async def show(_call: Entered, c: str = "") -> Response:
    """Return the colours that the address names: it has all that the stylesheet is made of."""
    if c and not _ADDRESS.fullmatch(c):
        raise NotFound("There are no such colours.")
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(marks(c) if c else "", headers=headers, media_type="text/css")
