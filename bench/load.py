"""So many clients booking one slot after another for so many seconds; prints rate and latencies as JSON."""

import argparse
import asyncio
import itertools
import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import uvloop

from bench.wire import Connection


async def measure(
    port: int, clients: int, seconds: float, orgs: int, first: int, kind: str
) -> dict[str, object]:
    """`orgs` is over how many organizations the bookings are spread; `first` the first slot, in minutes;
    `kind` how the id of the booked type begins."""
    slots = itertools.count(first)
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    stop = time.perf_counter() + seconds

    async def book() -> None:
        connection = await Connection.open(port)
        while time.perf_counter() < stop:
            slot = next(slots)
            org = slot % orgs
            start = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(minutes=slot)
            wish = {
                "appointment_type_id": f"{kind}_{org}",
                "start_time": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                "client_name": "Jane Doe",
                "client_email": "jane@example.com",
                "client_phone": "+1234567890",
            }
            reply = await connection.post("/v1/calendar/appointments", wish, f"vst_bench_{org}")
            latencies.append(reply.seconds)
            statuses[reply.status] += 1
        await connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(book() for _ in range(clients)))
    took = time.perf_counter() - began
    latencies.sort()
    return {
        "rate": statuses[200] / took,
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[int(len(latencies) * 0.99)],
        "next": next(slots),
        "statuses": dict(statuses),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    arguments = {"port": int, "clients": int, "seconds": float, "orgs": int, "first": int, "kind": str}
    for name, type_ in arguments.items():
        parser.add_argument(name, type=type_)
    print(json.dumps(uvloop.run(measure(**vars(parser.parse_args())))))
