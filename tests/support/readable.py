"""What was said on the tour, with ids, secrets and measures that are the same each time and easy to read."""

import base64
import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from kalends.ids import first_id_of
from tests.support.tour import HOOK, Json

NOON = datetime(2024, 1, 20, 12, tzinfo=UTC)
_ONE = int(NOON.timestamp()) + 3_600
"""When the requests of the hour are counted anew."""
_MEASURED: Json = {"latency_ms": 41, "reset": _ONE}
_ID = re.compile(r"\b([a-z]+)_[0-7][0-9a-hjkmnp-tv-z]{25}\b")
_KEY = re.compile(r"\bvst_[\w-]{43}")
_TOKEN = re.compile(r"(?<=/)[\w-]{43}(?![\w-])|(?<=^)[\w-]{43}$")
_SIGNING = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")
_RECEIVER = re.compile(r"http://127\.0\.0\.1:[0-9]+/hook")


def readably(said: Any) -> Any:
    """The same, readably."""
    names = _Names()
    names.of(said)  # what is hidden may come before it is shown, such as the beginning of a key
    return names.of(said)


class _Names:
    """Renames what is random, in the order in which it comes."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def of(self, said: Any, name: str = "") -> Any:
        """The same, readably; `name` is the field it is the value of."""
        if isinstance(said, dict):
            return {key: self.of(value, key) for key, value in said.items()}
        if isinstance(said, list):
            return [self.of(each) for each in said]
        if name in _MEASURED and isinstance(said, int):
            return _MEASURED[name]
        if not isinstance(said, str):
            return said
        if name == "next_cursor" and (inside := _opened(said)):
            return _closed(self.of(inside))
        if name == "prefix":
            return next((new for old, new in self._names.items() if old.startswith(said)), said)[: len(said)]
        return self._text(said)

    def _text(self, text: str) -> str:
        text = _RECEIVER.sub(HOOK, text)
        text = _ID.sub(lambda found: self._named(found[0], found[1], _readable_id), text)
        text = _KEY.sub(lambda found: self._named(found[0], "vst_", _secret), text)
        text = _SIGNING.sub(lambda found: self._named(found[0], "whsec_", _signing), text)
        return _TOKEN.sub(lambda found: self._named(found[0], "token-", _secret), text)

    def _named(self, old: str, kind: str, make: Any) -> str:
        if old not in self._names:
            self._counts[kind] += 1
            self._names[old] = make(kind, self._counts[kind])
        return self._names[old]


def _readable_id(prefix: str, number: int) -> str:
    """As ids made at noon would be, one after the other."""
    return f"{first_id_of(prefix, NOON)[:-4]}{number:04}"


def _secret(kind: str, number: int) -> str:
    return f"{kind}example-{number}-".ljust(43 + len(kind.removesuffix("token-")), "0")


def _signing(_kind: str, number: int) -> str:
    return f"whsec_{base64.b64encode(f'example secret {number}'.ljust(32, '.').encode()).decode()}"


def _opened(cursor: str) -> Any:
    """What a list's cursor holds; None of others, which hold nothing random."""
    try:
        return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        return None


def _closed(held: Any) -> str:
    text = json.dumps(held, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
