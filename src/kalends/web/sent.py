"""What addresses and forms of pages send besides what people type: ids, times and versions."""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Annotated

from fastapi import Path

from kalends.api.calls import NO_NUL
from kalends.core.errors import InvalidTime
from kalends.core.hours import instant
from kalends.schemas.fields import as_moment
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.web.forms import Form

_LONGEST = 255
_COUNT = re.compile(r"[0-9]{1,3}")
_VERSION = re.compile(r"[0-9]{1,9}")
Name = Annotated[str, Path(min_length=1, max_length=_LONGEST, pattern=NO_NUL)]
"""A type by its slug or id, or a hold by its id."""


def id_in(text: str | None) -> str | None:
    """Return an id that was sent; None for what can't be one."""
    return text if text and text.strip() and len(text) <= _LONGEST and "\x00" not in text else None


def count_in(text: str) -> int:
    """Return a number of at most three digits that was sent; 0 for what is none."""
    return int(text) if _COUNT.fullmatch(text) else 0


def start_in(text: str, zone: str) -> datetime:
    """Return the UTC instant that was sent; without an offset, it is wall-clock time in `zone`. Raises
    InvalidTime."""
    try:
        return instant(as_moment(text), zone)
    except ValueError as error:
        raise InvalidTime(f"The time {error}.") from None


def version_in(form: Form) -> int:
    """Return the version of an appointment that a form was made for. Raises Malformed if it says none."""
    if not _VERSION.fullmatch(text := form.text("version")):
        raise malformed([wrong("version", "must be that of the appointment as it was shown", "required")])
    return int(text)


def versions_in(text: str) -> Collection[int] | None:
    """Return the version of an appointment that its client saw, of those that it may have; None if the form
    says nothing of it. What is no version is none that it has."""
    if not text:
        return None
    return {int(text)} if _VERSION.fullmatch(text) else ()
