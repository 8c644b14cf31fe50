"""Who asks for much takes a share of the server, and nobody else waits."""

import asyncio
import threading
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI

from kalends.api.kept_files import KeptFiles
from kalends.api.once import Once
from kalends.core.errors import Unavailable
from kalends.shares import Share, Shares
from tests.support.answers import refused
from tests.support.clients import client_of
from tests.support.desk import Desk, week
from tests.support.organizations import Org

pytestmark = [pytest.mark.anyio, pytest.mark.both]


async def test_turns_come_in_order_and_places_are_given_back() -> None:
    share, done = Share(1), []

    async def take(number: int) -> None:
        async with share.of("org"):
            done.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(take(number) for number in range(20)))
    assert done == list(range(20))
    for error in (ZeroDivisionError, TimeoutError):
        with pytest.raises(error):
            async with share.of("org"):
                raise error
    async with share.of("org"):  # whatever happened in it, the place was given back
        pass


async def test_a_queue_has_an_end_and_a_wait_has_one() -> None:
    share = Share(1, queue=1, patience=0.05)

    async def take() -> None:
        async with share.of("org"):
            pass

    async with share.of("org"):
        waiting = asyncio.create_task(take())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="Too many"):  # at once: the queue is full
            await take()
        with pytest.raises(Unavailable, match="Too many"):
            await waiting
        await asyncio.sleep(0.1)  # whose turn has come may take longer than it waited
    await take()


async def test_an_organization_that_asks_for_much_leaves_a_place_to_the_others() -> None:
    share, done = Share(2), []

    async def take(org: str) -> None:
        async with share.of(org):
            done.append(org)
            await asyncio.sleep(0.01)

    rude = [asyncio.create_task(take("rude")) for _ in range(20)]
    await asyncio.sleep(0)
    await take("other")
    assert done.count("rude") < 5
    await asyncio.gather(*rude)


async def test_staff_and_strangers_do_not_wait_for_each_other(
    client: httpx.AsyncClient, app: FastAPI, org: Org
) -> None:
    desk = Desk(app, org)
    await desk.open(*week("09:00-12:00"))
    slug = (await client.get("/v1/organization")).json()["organization"]["slug"]
    asked = {"appointment_type_id": org.type_id}
    day = {"from": "2024-01-25", "to": "2024-01-25"}
    taken = Share(1, patience=0.01)
    async with client_of(app, None) as anybody, taken.of("somebody"):
        for shares, theirs in ((Shares(clients=taken), True), (Shares(staff=taken), False)):
            app.state.context = replace(app.state.context, shares=shares)
            free, full = (client, anybody) if theirs else (anybody, client)
            paths = {client: "/v1/calendar", anybody: f"/v1/public/{slug}"}
            explained = {"start_time": "2024-01-25T09:00:00Z"}
            for query, path in ((day, "/slots"), (explained, "/slots/explain"), (day, "/days")):
                assert (await free.get(paths[free] + path, params=asked | query)).status_code == 200
                response = await full.get(paths[full] + path, params=asked | query)
                refused(response, 503, "unavailable")
                assert int(response.headers["Retry-After"]) > 0
            assert (await desk.book("2024-01-25T09:00:00Z", dry_run=True)).status_code == 200


async def test_a_file_is_written_once_for_all_who_ask_for_it() -> None:
    files, written = KeptFiles(Share(1)), []

    async def write() -> tuple[str, bytes]:
        await asyncio.sleep(0)
        written.append("tag")
        return "tag", b"content"

    found = await asyncio.gather(*(files.get("org", "tag", write) for _ in range(20)))
    assert set(found) == {("tag", b"content")}
    assert written == ["tag"]


async def test_the_files_used_last_are_kept() -> None:
    files, written = KeptFiles(Share(1), most_bytes=3), []

    async def get(tag: str, size: int = 1) -> None:
        async def write() -> tuple[str, bytes]:
            written.append(tag)
            return tag, b"x" * size

        assert await files.get("org", tag, write) == (tag, b"x" * size)

    for tag in ("a", "b", "c", "a", "d", "a", "c", "b"):
        await get(tag)
    assert written == ["a", "b", "c", "d", "b"]
    await get("too large", 4)
    await get("a")
    assert written[5:] == ["too large", "a"]


async def test_what_is_the_same_for_all_is_made_once_and_not_in_the_event_loop() -> None:
    threads = []

    def make() -> str:
        threads.append(threading.get_ident())
        return "made"

    once = Once(make)
    impatient = asyncio.create_task(once.get())
    await asyncio.sleep(0)
    impatient.cancel()
    assert await asyncio.gather(*(once.get() for _ in range(20))) == ["made"] * 20
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_the_document_is_as_it_was(client: httpx.AsyncClient, app: FastAPI) -> None:
    first, second = await client.get("/openapi.json"), await client.get("/openapi.json")
    assert first.json() == app.openapi()
    assert (first.content, first.headers["content-type"]) == (second.content, "application/json")
