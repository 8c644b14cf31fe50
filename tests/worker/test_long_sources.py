"""A source with very many busy times is stored in parts, so that nobody waits for all of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select

from kalends.core.hours import DAY, MINUTE, moment, seconds
from kalends.core.intervals import Span
from kalends.core.sources import Reading
from kalends.db.database import Tx
from kalends.db.tables import occupations
from kalends.services.booking import readings
from kalends.services.booking.readings import MOST_SPANS
from tests.support.elsewhere import Elsewhere, busy
from tests.support.practice import Opening
from tests.worker.source_desk import SourceDesk

pytestmark = [pytest.mark.anyio, pytest.mark.both]

FIRST = seconds(datetime(2024, 1, 22, tzinfo=UTC))
MANY = 2 * MOST_SPANS + 200


def spread(count: int, *, by: int = 0) -> Reading:
    """So many busy times of ten minutes, one in each half an hour."""
    times = [(FIRST + (30 * at + by) * MINUTE, FIRST + (30 * at + by + 10) * MINUTE) for at in range(count)]
    return Reading(times, count, f"{count}/{by}")


def shown(reading: Reading) -> list[tuple[str, str]]:
    return [(f"{moment(start):%FT%TZ}", f"{moment(end):%FT%TZ}") for start, end in reading.busy]


@pytest.fixture
async def scene(opening: Opening) -> AsyncIterator[SourceDesk]:
    async with opening() as p:
        scene = SourceDesk(p, Elsewhere())
        p.worker.scout = scene.elsewhere.scout(p.db, p.clock)
        yield scene
        await p.worker.scout.stop()


async def changes(scene: SourceDesk) -> dict[int, int]:
    """With which change each busy time came, by its start."""

    def find(tx: Tx) -> dict[int, int]:
        mine = occupations.c.org_id == scene.p.desk.org.id, occupations.c.holder_id == scene.id
        rows = tx.execute(select(occupations.c.busy_start, occupations.c.from_change).where(*mine))
        return {seconds(row.busy_start): row.from_change for row in rows}

    return await scene.p.db.read(find)


def test_parts_say_together_what_was_read_and_cover_all_time() -> None:
    for count in (0, 1, MOST_SPANS, MOST_SPANS + 1, MANY):
        parts = readings.parts(spread(count))
        together: list[Span] = [span for part in reversed(parts) for span in part.spans]
        assert together == spread(count).busy
        assert max(len(part.spans) for part in parts) <= MOST_SPANS
        assert [part.is_first for part in parts] == [True] + [False] * (len(parts) - 1)
        assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]
        for later, earlier in pairwise(parts):
            assert earlier.beginning[1] == later.beginning[0]
        for part in parts:
            low, high = part.beginning
            assert all(low <= start < high for start, _ in part.spans)


async def test_what_is_stored_in_parts_is_whole_and_what_stays_is_not_touched(scene: SourceDesk) -> None:
    await scene.add()
    await scene.say(spread(MANY))
    assert await scene.busy() == shown(spread(MANY))
    assert (await scene.shown())["events"] == MANY
    assert (await scene.row()).state == f"{MANY}/0"
    before = await changes(scene)
    one = spread(MANY)
    *most, (start, end) = one.busy
    await scene.say(Reading([*most, (start, end + MINUTE)], MANY, "x"))
    after = await changes(scene)
    assert {at for at in after if after[at] != before[at]} == {start}
    await scene.say(spread(MANY, by=15))
    assert await scene.busy() == shown(spread(MANY, by=15))
    await scene.say(spread(3))
    assert await scene.busy() == shown(spread(3))
    await scene.say(spread(0))
    assert await scene.busy() == []


async def test_a_span_that_lasts_for_months_is_kept_and_given_back(scene: SourceDesk) -> None:
    await scene.add()
    long = (FIRST, FIRST + 100 * DAY)
    await scene.say(Reading([long], 1, "1"))
    kept = await scene.busy()
    assert (kept[0][0], kept[-1][1], len(kept) > 5) == ("2024-01-22T00:00:00Z", "2024-05-01T00:00:00Z", True)
    assert all(before[1] == after[0] for before, after in pairwise(kept))
    assert (await scene.p.desk.book("2024-03-25T14:00:00Z")).status_code == 409
    await scene.say(busy())
    assert await scene.busy() == []


async def test_clashes_are_told_once_of_all_parts(scene: SourceDesk) -> None:
    early = await scene.p.book(start_time="2024-01-22T14:00:00Z")
    late = await scene.p.book(start_time=f"{moment(spread(MANY).busy[-1][0]):%FT%TZ}")
    await scene.add()
    await scene.say(spread(MANY))
    told = [each["appointment"]["id"] for each in await scene.happened("calendar.clash")]
    assert set(told) == {early["id"], late["id"]}
    assert len(told) == 3, "the early one lasts an hour, so there are two busy times in it"
    await scene.say(spread(MANY))
    assert len(await scene.happened("calendar.clash")) == 3


async def test_a_worker_that_dies_between_two_parts_leaves_the_rest_to_the_next_reading(
    scene: SourceDesk,
) -> None:
    await scene.p.book(start_time="2024-01-22T14:00:00Z")
    await scene.add()
    await scene.say(spread(1))
    p, said = scene.p, spread(MANY)
    p.clock.forward(minutes=5)
    [turn] = await p.db.write(readings.lease, p.clock.now(), 5)
    first, second, _ = readings.parts(said)
    for part in (first, second):
        await p.db.write(readings.keep, turn, part, p.clock.now(), timedelta(minutes=5))
    row = await scene.row()
    assert (row.state, row.leased_by) == (None, turn.id), "whatever the file is then, all of it is read again"
    kept = len(first.spans) + len(second.spans)
    assert len(await scene.busy()) == kept + 1
    p.clock.forward(minutes=7)
    scene.elsewhere.said = said
    assert await scene.turn() == 1
    assert scene.state is None
    assert await scene.busy() == shown(said)
    assert (await scene.row()).state == said.state
    assert await scene.happened("calendar.clash"), "it is told, if only twice"


async def test_what_is_deleted_between_two_parts_stays_deleted(scene: SourceDesk) -> None:
    await scene.add()
    p = scene.p
    [turn] = await p.db.write(readings.lease, p.clock.now(), 5)
    first, *others = readings.parts(spread(MANY))
    await p.db.write(readings.keep, turn, first, p.clock.now(), timedelta(minutes=5))
    await scene.delete()
    for part in others:
        await p.db.write(readings.keep, turn, part, p.clock.now(), timedelta(minutes=5))
    assert await scene.busy() == []
