"""Pages know no rehearsal: what they say was done, was done."""

import httpx
import pytest
from fastapi import FastAPI

from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.web.clients import JANE, TEN, client_at
from tests.web.owners import owner_of

pytestmark = [pytest.mark.anyio, on_sqlite]


async def test_what_an_address_says_of_a_rehearsal_is_ignored(
    app: FastAPI, browser: httpx.AsyncClient, clock: StoppedClock
) -> None:
    client = await client_at(app, browser, clock)
    for dry_run in ("true", "false", "maybe"):
        before = len(await client.stored())
        address = await client.held(f"2024-01-25T1{before}:00:00Z", f"?dry_run={dry_run}")
        assert (await client.fill(address, **JANE)).status_code == 303
        assert len(await client.stored()) == before + 1


async def test_a_link_moves_and_cancels_for_real(
    app: FastAPI, browser: httpx.AsyncClient, clock: StoppedClock
) -> None:
    owner = await owner_of(await client_at(app, browser, clock))
    assert (await owner.send("/move?dry_run=true", start=TEN)).status_code == 303
    assert (await owner.seen())["start_time"] == TEN
    assert (await owner.send("/cancel?dry_run=true", reason="")).status_code == 303
    assert (await owner.seen())["status"] == "cancelled"
