"""Bodies that are pictures, not JSON."""

from typing import Any

from starlette.requests import Request

from kalends.api.calls import only
from kalends.api.errors import NotAPicture
from kalends.core.pictures import Picture, picture_of

MOST_BYTES = 200 * 1024
BINARY = "application/octet-stream"
_KINDS = (BINARY, "image/png", "image/jpeg", "image/webp")

BODY: dict[str, Any] = {
    "description": "The file itself, of at most 200 KiB. Its kind is known by its first bytes. `image/png`, "
    "`image/jpeg` and `image/webp` are accepted as its Content-Type, too, if that is what it is.",
    "required": True,
    "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
}
"""What the OpenAPI document says of such a body. It names one media type, with which every generated client
can send any picture: some send the first that is named, whatever the file is."""


async def picture_in(request: Request) -> Picture:
    """Return the picture that a request carries. Raises NotAPicture for any other body, and for one that is
    not what its Content-Type says."""
    sent = only("Content-Type", request.headers.getlist("content-type")) or BINARY
    kind = sent.partition(";")[0].strip().lower()
    if kind not in _KINDS:
        raise NotAPicture
    try:
        picture = picture_of(await request.body())
    except ValueError as error:
        raise NotAPicture(str(error)) from None
    if kind not in (BINARY, picture.media_type):
        raise NotAPicture(f"Content-Type says {kind}, but the file is {picture.media_type}.")
    return picture
