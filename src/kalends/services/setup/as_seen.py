"""Changing settings as somebody saw them, and not if they were changed since."""

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TypeVar

from pydantic import BaseModel

from kalends.core.errors import PreconditionFailed
from kalends.db.database import Tx
from kalends.db.locks import lock_settings

T = TypeVar("T")
Seen = BaseModel | Sequence[BaseModel]


def mark(seen: Seen) -> str:
    """Return a short text that is another one as soon as anything is another."""
    things = [seen] if isinstance(seen, BaseModel) else seen
    text = json.dumps([each.model_dump(mode="json") for each in things], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:32]


def change(tx: Tx, org_id: str, seen: str, look: Callable[[Tx], Seen], make: Callable[[Tx], T]) -> T:
    """Make a change if what `look` finds still has the mark `seen`; an empty one asks for nothing. Raises
    PreconditionFailed if somebody was faster."""
    lock_settings(tx, org_id)
    if seen and mark(look(tx)) != seen:
        raise PreconditionFailed("It was changed since it was shown.")
    return make(tx)
