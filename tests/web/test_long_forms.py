"""A form may be as long as its fields allow, in any writing."""

import httpx
import pytest
from fastapi import FastAPI

from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.web.clients import JANE, client_at

pytestmark = [pytest.mark.anyio, on_sqlite]


async def test_notes_have_ten_thousand_letters_of_nine_bytes(
    app: FastAPI, browser: httpx.AsyncClient, clock: StoppedClock
) -> None:
    client = await client_at(app, browser, clock)
    address = await client.held()
    assert (await client.fill(address, **JANE, notes="税" * 10_000)).status_code == 303
    [stored] = await client.stored()
    assert stored["client_notes"] == "税" * 10_000


async def test_what_is_longer_than_any_form_is_refused(
    app: FastAPI, browser: httpx.AsyncClient, clock: StoppedClock
) -> None:
    client = await client_at(app, browser, clock)
    address = await client.held()
    assert (await client.fill(address, **JANE, notes="税" * 40_000)).status_code == 413
    assert await client.stored() == []
