"""The files that pages show, under addresses that change with their contents."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
_IMPORTED = re.compile(rb'(?<=from "\./)[a-z-]+\.js(?=")')
"""The names by which scripts know each other."""
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the package. `address` is its name with a digest of its contents:
    `book.0123456789abcdef.css`."""

    address: str
    content: bytes
    media_type: str


@cache
def assets() -> Mapping[str, Asset]:
    """Return every file, by its name: `book.css`."""
    return {path.name: _asset(path) for path in sorted(FOLDER.iterdir()) if path.suffix in _MEDIA_TYPES}


@cache
def by_address() -> Mapping[str, Asset]:
    """Return every file, by its address."""
    return {asset.address: asset for asset in assets().values()}


@cache
def _asset(path: Path) -> Asset:
    content = _IMPORTED.sub(_by_address, path.read_bytes())
    digest = hashlib.sha256(content).hexdigest()[:16]
    return Asset(f"{path.stem}.{digest}{path.suffix}", content, _MEDIA_TYPES[path.suffix])


def _by_address(name: re.Match[bytes]) -> bytes:
    return _asset(FOLDER / name[0].decode()).address.encode()
