"""A hundred clients move different appointments into one slot; two change one appointment at once."""

import asyncio
from collections import Counter

import pytest
from bench.wire import Connection

from tests.support.load import PATH
from tests.support.organizations import new_org
from tests.support.server import serving

CLIENTS = 100


@pytest.mark.parametrize("options", [[], ["--workers", "2"]], ids=["one process", "two workers"])
@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.torture)])
def test_of_100_who_move_into_one_slot_one_gets_there(url: str, options: list[str], rounds: int) -> None:
    with serving(url, *options) as server:
        asyncio.run(_race(url, server.port, rounds))


async def _race(url: str, port: int, rounds: int) -> None:
    org = await new_org(url)
    connections = [await Connection.open(port) for _ in range(CLIENTS)]
    ids = []
    for n, connection in enumerate(connections):
        wish = org.wish(start_time=f"2030-{n // 25 + 1:02}-{n % 25 + 1:02}T09:00:00Z")
        ids.append((await connection.post(PATH, wish, org.key)).json()["appointment"]["id"])

    for round_ in range(rounds):
        # Into one slot: whoever got there in the round before is one hour earlier.
        target = {"start_time": f"2031-01-01T{round_:02}:00:00Z"}
        replies = await asyncio.gather(
            *(
                connection.send("PATCH", f"{PATH}/{id_}", target, org.key)
                for connection, id_ in zip(connections, ids, strict=True)
            )
        )
        assert Counter(reply.status for reply in replies) == {200: 1, 409: CLIENTS - 1}

        # One version, two changes: the first one wins, the other must look again.
        one = ids[round_]
        seen = await connections[0].send("PATCH", f"{PATH}/{one}", {}, org.key)
        match = {"If-Match": f'"{seen.json()["appointment"]["version"]}"'}
        changes = [{"client_notes": f"{round_}-{n}"} for n in range(2)]
        noted = await asyncio.gather(
            *(
                connection.send("PATCH", f"{PATH}/{one}", change, org.key, match)
                for connection, change in zip(connections[:2], changes, strict=True)
            )
        )
        assert sorted(reply.status for reply in noted) == [200, 412]
    for connection in connections:
        await connection.close()
