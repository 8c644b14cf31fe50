"""How often passwords may be tried, and whether one is right."""

import asyncio
from collections.abc import Sequence
from math import ceil
from time import monotonic
from typing import TypeAlias

from starlette.requests import Request

from kalends import passwords
from kalends.api.addresses import address_of
from kalends.api.context import context_of
from kalends.api.gate import used_up
from kalends.core.contacts import folded
from kalends.services.setup.sessions import Known
from kalends.shares import Share

TRIES = 10
"""How many passwords may be tried in an hour for one person, from one network address."""
TRIES_FROM_ADDRESS = 40
"""And for anybody, from one network address: an office has one."""
TRIES_OF_PERSON = 100
"""And for one person, from anywhere."""
Counted: TypeAlias = Sequence[tuple[str, str, int]]
"""Where a try was counted: the kinds and names of counters, and until when."""
_NOBODY = Known("", "", "", None)
AS_IF = 4
"""A wrong password is answered after as long as it takes to try it for so many people."""
computing = Share(2, patience=20)
"""Passwords take a fifth of a second of CPU time each, so two at a time."""


async def right(request: Request, found: Sequence[Known], password: str) -> list[Known]:
    """Return those whose password it is. It takes as long if there is nobody, or if somebody is known in
    several organizations, and waits with others from the same network address only."""
    right, took = [], []
    async with computing.of(address_of(request.scope)):
        for each in found or [_NOBODY]:
            begun = monotonic()
            if await asyncio.to_thread(passwords.is_right, password, each.password):
                right.append(each)
            took.append(monotonic() - begun)
    if not right:
        # Idle, so that it costs nothing; in steps, for whoever is known in more places still.
        step = AS_IF * took[0]
        await asyncio.sleep(step * ceil(len(took) / AS_IF) - sum(took))
    return right


async def count(request: Request, email: str) -> Counted:
    """Count a try, before it is clear whether it is right: many at once are as many as one after the other.
    Returns what to `give_back` if it was right. Raises RateLimited if too many wrong passwords were tried in
    this hour: by the sender, for this person by the sender, or for this person. A try that is refused counts
    nowhere."""
    limits = context_of(request.scope).rate_limits
    sender, person = address_of(request.scope), folded(email)
    counted: list[tuple[str, str, int]] = []
    for kind, who, limit in (
        ("passwords from an address", sender, TRIES_FROM_ADDRESS),
        ("passwords of a person from an address", f"{sender} {person}", TRIES),
        ("passwords of a person", person, TRIES_OF_PERSON),
    ):
        allowance = await limits.count(kind, who, limit)
        if allowance is not None and not allowance.granted:
            await give_back(request, counted)
            raise used_up(allowance, f"{limit} passwords were tried in this hour, as many as may be.")
        if allowance is not None:
            counted.append((kind, who, allowance.reset))
    return counted


async def give_back(request: Request, counted: Counted) -> None:
    """Count a try no longer that was right: people sign in at a shared counter all day."""
    limits = context_of(request.scope).rate_limits
    for kind, who, until in counted:
        await limits.note(kind, who, -1, until)


async def count_other(request: Request, way: str) -> None:
    """Raise RateLimited if a sender has tried too often in this hour to come in by another `way`. Nobody can
    guess there, but each try is work, for this server or another one."""
    limits = context_of(request.scope).rate_limits
    allowance = await limits.count(f"{way} from an address", address_of(request.scope), TRIES_FROM_ADDRESS)
    if allowance is not None and not allowance.granted:
        raise used_up(allowance, f"{TRIES_FROM_ADDRESS} tries were made in this hour, as many as may be.")
