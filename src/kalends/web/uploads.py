"""Files that a form brings, read without ever holding more of one than may be kept."""

from collections.abc import AsyncGenerator

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from kalends.api.errors import BodyTooLarge, UnsupportedMediaType
from kalends.core.errors import Malformed

MEDIA_TYPE = "multipart/form-data"
MOST_SENT = 20 * 1024 * 1024
"""So much of a form with a file is read, to say at its field that the file is too large. A browser whose form
is refused unread shows a page of its own instead of ours."""
_OTHERWISE = 16 * 1024
"""So much may stand in such a form besides the file."""


async def file_in(request: Request, name: str, most: int) -> bytes:
    """Return the file in the field `name` of a form, of at most `most` bytes; an empty one if none was
    chosen. Raises BodyTooLarge, UnsupportedMediaType, Malformed."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != MEDIA_TYPE:
        raise UnsupportedMediaType(f"A form with a file must be sent as {MEDIA_TYPE}.")
    stream = _cut(request, most + _OTHERWISE)
    parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=10, max_part_size=_OTHERWISE)
    try:
        form = await parser.parse()
    except MultiPartException:
        raise Malformed("The form can't be read.") from None
    try:
        file = form.get(name)
        content = await file.read() if isinstance(file, UploadFile) else b""
    finally:
        await form.close()
    if len(content) > most:
        raise BodyTooLarge
    return content


async def _cut(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """Yield a body. Raises BodyTooLarge once it has ended, if it is larger; nothing is kept of the rest."""
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read <= most:
            yield chunk
    if read > most:
        raise BodyTooLarge
