"""A hundred clients move different appointments into one slot; two change one appointment at once."""

import asyncio
from collections import Counter

from tests.support.load import PATH
from tests.support.organizations import Org, new_org
from tests.support.patient import PatientClient, crowd
from tests.support.processes import everyday_two_workers
from tests.support.server import serving

CLIENTS = 100


@everyday_two_workers("rounds", everyday=2, torture=20)
def test_of_100_who_move_into_one_slot_one_gets_there(url: str, options: list[str], rounds: int) -> None:
    with serving(url, *options) as server:
        asyncio.run(_race(url, server.port, rounds))


async def _race(url: str, port: int, rounds: int) -> None:
    org = await new_org(url)
    async with crowd(port, CLIENTS) as clients:
        ids = []
        for n, client in enumerate(clients):
            wish = org.wish(start_time=f"2030-{n // 25 + 1:02}-{n % 25 + 1:02}T09:00:00Z")
            made = await client.send("POST", PATH, wish, org.key)
            ids.append(made.json()["appointment"]["id"])
        for round_ in range(rounds):
            await _into_one_slot(org, clients, ids, round_)
            await _two_of_one_version(org, clients, ids[round_], round_)


async def _into_one_slot(org: Org, clients: list[PatientClient], ids: list[str], round_: int) -> None:
    """Whoever got there in the round before is one hour earlier."""
    target = {"start_time": f"2031-01-01T{round_:02}:00:00Z"}
    for client in clients:
        await client.ready()
    replies = await asyncio.gather(
        *(
            client.send("PATCH", f"{PATH}/{id_}", target, org.key)
            for client, id_ in zip(clients, ids, strict=True)
        )
    )
    assert Counter(reply.status for reply in replies) == {200: 1, 409: CLIENTS - 1}


async def _two_of_one_version(org: Org, clients: list[PatientClient], one: str, round_: int) -> None:
    """The first change wins, the other must look again."""
    seen = await clients[0].send("PATCH", f"{PATH}/{one}", {}, org.key)
    match = {"If-Match": f'"{seen.json()["appointment"]["version"]}"'}
    changes = [{"client_notes": f"{round_}-{n}"} for n in range(2)]
    noted = await asyncio.gather(
        *(
            client.send("PATCH", f"{PATH}/{one}", change, org.key, match)
            for client, change in zip(clients[:2], changes, strict=True)
        )
    )
    assert sorted(reply.status for reply in noted) == [200, 412]
