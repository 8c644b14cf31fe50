"""A server that is killed under load loses no promise, and leaves no half of a booking."""

import asyncio
import random

from tests.support.books import check_books
from tests.support.load import Load
from tests.support.organizations import new_org
from tests.support.processes import everyday_two_workers
from tests.support.server import Server


@everyday_two_workers("kills", everyday=2, torture=20)
def test_a_killed_server_keeps_its_promises(url: str, options: list[str], kills: int) -> None:
    asyncio.run(_kill_under_load(url, options, kills))


async def _kill_under_load(url: str, options: list[str], kills: int) -> None:
    org = await new_org(url)
    chance = random.Random(20240125)
    server = Server(url, *options)
    load = Load(org, port=0)
    running = None
    try:
        for _ in range(kills):
            await asyncio.to_thread(server.start().wait)
            if running is None:
                load.port = server.port
                running = asyncio.create_task(load.run())
            before = len(load.acknowledged)
            while len(load.acknowledged) < before + 50:
                await asyncio.sleep(0.01)
            await asyncio.sleep(chance.uniform(0, 0.3))
            await asyncio.to_thread(server.kill)
            await check_books(url, org, list(load.acknowledged))
        await asyncio.to_thread(server.start().wait)
        load.stop()
        assert running
        await running
        total = await check_books(url, org, load.acknowledged)
    finally:
        load.stop()
        server.kill()
    assert not load.odd, load.odd[:3]
    # A client that was cut off may have its booking without knowing: at most one per client and kill.
    assert len(load.acknowledged) <= total <= len(load.acknowledged) + kills * load.clients
    print(f"{kills} kills, {len(load.acknowledged)} acknowledged, {total} stored")
