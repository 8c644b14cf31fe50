"""Pictures: which kind they are and how large, by their first bytes, and whether they have their end. Nothing
is decoded."""

import re
from collections.abc import Callable
from dataclasses import dataclass

MOST_PIXELS = 4096
"""Of each side. A small file may otherwise be a picture that fills a reader's memory."""
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PNG_END, _JPEG_END = b"IEND\xaeB`\x82", b"\xff\xd9"
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers of JPEG after which the size stands: the frames, of whatever coding."""
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
"""The markers of JPEG that nothing belongs to."""
_MARKER = re.compile(rb"\xff+([^\xff])", re.DOTALL)
"""It may have padding before it."""
_MOST_SEGMENTS = 500
"""Before the size of a JPEG. No camera writes so many, and nobody waits for thousands to be read."""

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG, JPEG or WebP picture as it was sent; `width` and `height` are pixels."""

    content: bytes
    media_type: str
    width: int
    height: int


class CutOff(ValueError):  # noqa: N818 - it is a fault of the file
    """A picture ends too early."""


def picture_of(content: bytes) -> Picture:
    """Return the picture that a file is. Raises ValueError, with a sentence, for what is none, and for one
    that has no pixels or too many; CutOff for one without its end. Bytes after that do no harm."""
    media_type, size_of = _kind(content)
    try:
        width, height = size_of(content)
    except (IndexError, ValueError):
        raise ValueError("The picture's size can't be read from its beginning.") from None
    if not (0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS):
        raise ValueError(
            f"The picture has {width} × {height} pixels; there may be 1 to {MOST_PIXELS} on each side."
        )
    if not _is_whole(content, media_type):
        raise CutOff("The file is not complete.")
    return Picture(content, media_type, width, height)


def _kind(content: bytes) -> tuple[str, Callable[[bytes], Size]]:
    if content.startswith(_PNG):
        return "image/png", _png
    if content.startswith(_JPEG):
        return "image/jpeg", _jpeg
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp", _webp
    raise ValueError("This is no PNG, JPEG or WebP picture.")


def _is_whole(content: bytes, media_type: str) -> bool:
    """Return whether a picture that has a size has its end, too."""
    match media_type:
        case "image/png":
            return _PNG_END in content
        case "image/jpeg":  # not before the frame: a small picture that a large one carries has an end, too
            return content.find(_JPEG_END, _frame(content)) >= 0
        case _:
            return 8 + _little(content, 4, 4) <= len(content)


def _png(content: bytes) -> Size:
    if content[12:16] != b"IHDR":
        raise ValueError
    return _big(content, 16, 4), _big(content, 20, 4)


def _jpeg(content: bytes) -> Size:
    at = _frame(content)
    return _big(content, at + 5, 2), _big(content, at + 3, 2)


def _frame(content: bytes) -> int:
    """Read one segment of a JPEG after the other. Returns where that begins which has the size."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.match(content, at)
        if found is None:
            raise ValueError
        at, marker = found.end(), found[1][0]
        if marker in _SIZES:
            return at
        if marker not in _BARE:
            at += max(2, _big(content, at, 2))
    raise ValueError


def _webp(content: bytes) -> Size:
    match content[12:16]:
        case b"VP8X":
            return 1 + _little(content, 24, 3), 1 + _little(content, 27, 3)
        case b"VP8L" if content[20:21] == b"\x2f":
            bits = _little(content, 21, 4)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 " if content[23:26] == b"\x9d\x01\x2a":
            return _little(content, 26, 2) & 0x3FFF, _little(content, 28, 2) & 0x3FFF
        case _:
            raise ValueError


def _big(content: bytes, at: int, length: int) -> int:
    return int.from_bytes(_within(content, at, length), "big")


def _little(content: bytes, at: int, length: int) -> int:
    return int.from_bytes(_within(content, at, length), "little")


def _within(content: bytes, at: int, length: int) -> bytes:
    if at + length > len(content):
        raise ValueError
    return content[at : at + length]
