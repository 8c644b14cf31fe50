"""Web addresses on the wire: pages elsewhere, sites that may frame ours, and templates of links."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from kalends.core.addresses import is_plain
from kalends.schemas.fields import blank_is_null

_LONGEST = 2_000
_LAST_PORT = 65_535
_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_ORIGIN = re.compile(rf"https?://{_LABEL}(\.{_LABEL})*(:[0-9]{{1,5}})?")
_UNPLAIN = (
    "must name its host by a name, or by an address such as 203.0.113.7 or [2001:db8::7], without escapes "
    "and zones"
)
TOKEN = "{token}"  # noqa: S105 - a place in a template


def web_address(value: str) -> str:
    """Return an http or https URL as it is. Raises PydanticCustomError for anything else, for one with a user
    or a password, and for one that does not name its host plainly."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or any(not "!" <= letter <= "~" for letter in value):
        raise PydanticCustomError("url", "must be an http or https URL")
    if parts.username is not None:
        raise PydanticCustomError("url", "must not have a user or a password")
    if not is_plain(parts.netloc):
        raise PydanticCustomError("url", _UNPLAIN)
    return value


def manage_url(token: str, template: str | None, base: str) -> str:
    """Return where a client's link leads: to the organization's own pages, if it has a template of their
    address, else to the page of the server at `base`."""
    return (template or f"{base}/manage/{TOKEN}").replace(TOKEN, token)


def _template(value: str) -> str:
    if value.count(TOKEN) != 1:
        raise PydanticCustomError("url", "must contain {token} once", {"token": TOKEN})
    web_address(value.replace(TOKEN, "token"))
    if TOKEN in urlsplit(value).netloc:
        raise PydanticCustomError("url", "must not have {token} in its host name", {"token": TOKEN})
    return value


def _port(origin: str) -> int:
    """Return the port of an origin; 443 if it names none, since then there is nothing to check."""
    return int(origin.partition("://")[2].partition(":")[2] or 443)


def _origin(value: str) -> str:
    origin = value.rstrip("/").lower()
    if not _ORIGIN.fullmatch(origin) or not 1 <= _port(origin) <= _LAST_PORT:
        raise PydanticCustomError("origin", "must be an origin such as https://clinic.example")
    return origin


WebAddress = Annotated[
    Annotated[str, Field(max_length=_LONGEST), AfterValidator(web_address)] | None,
    BeforeValidator(blank_is_null),
    WithJsonSchema({"type": ["string", "null"], "format": "uri", "maxLength": _LONGEST}),
]
"""An http or https URL, or null."""
LinkTemplate = Annotated[
    Annotated[str, Field(max_length=_LONGEST), AfterValidator(_template)] | None,
    BeforeValidator(blank_is_null),
    WithJsonSchema(
        {
            "type": ["string", "null"],
            "pattern": r"^(https?://[!-~]*\{token\}[!-~]*)?$",
            "maxLength": _LONGEST,
            "examples": ["https://clinic.example/appointment/{token}"],
        }
    ),
]
"""An http or https URL with `{token}` once in it, or null."""
Origin = Annotated[
    str,
    Field(max_length=255),
    AfterValidator(_origin),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^[hH][tT][tT][pP][sS]?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/*$",
            "maxLength": 255,
            "examples": ["https://clinic.example"],
        }
    ),
]
"""A site: scheme, host and perhaps a port."""
