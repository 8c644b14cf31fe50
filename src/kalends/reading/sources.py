"""Reading another calendar: its busy times, or that nothing has changed."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from kalends.core.hours import seconds
from kalends.core.intervals import Intervals
from kalends.core.sources import Reading, SourceAddress, Unchanged
from kalends.reading import caldav, feeds
from kalends.reading.events import Question
from kalends.reading.fetching import Reader
from kalends.reading.states import State


async def read(
    reader: Reader,
    address: SourceAddress,
    state: str | None,
    window: tuple[datetime, datetime],
    zone: str,
    own_uids: Callable[[str], bool],
) -> Reading | Unchanged:
    """Read the busy times of a source in a window, if they may have changed since the read that left `state`.

    Local times and whole days are in `zone`, an IANA name. Events whose UID is one of `own_uids` take no
    time: they are appointments of this server, in a calendar that shows them. It is called in a thread.

    Raises SourceTrouble.
    """
    known = State.of(state, address, window, zone)
    start, end = map(seconds, window)
    question = Question((start, end), zone, address.free_timed_events)
    async with reader.in_time():
        if address.kind == "caldav":
            fetched = await caldav.fetch(reader, address, known, question.around)
        else:
            fetched = await feeds.fetch(reader, address, known)
    if isinstance(fetched, Unchanged):
        return fetched
    left = await asyncio.to_thread(fetched.state.of_answer, fetched.body)
    if left.digest == known.digest:
        return Unchanged()
    found = await reader.search(address.kind, fetched.body, question)
    busy = await asyncio.to_thread(
        lambda: Intervals(span for uid, spans in found.busy.items() if not own_uids(uid) for span in spans)
    )
    return Reading(list(busy), found.instances, str(left), found.unreadable)
