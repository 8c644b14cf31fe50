"""The bare address of a server."""

import pytest
from fastapi import FastAPI

from kalends.app import create_app
from kalends.settings import Settings
from tests.support.clock import StoppedClock
from tests.support.desk import open_desk
from tests.web.browsers import browser_of

pytestmark = pytest.mark.anyio


async def led(app: FastAPI, path: str = "/") -> str:
    """Where the address leads."""
    async with browser_of(app) as browser:
        answer = await browser.get(path)
    assert answer.status_code == 307
    assert answer.headers["cache-control"] == "no-cache"
    return answer.headers["location"]


async def test_it_leads_to_the_only_page_or_else_to_the_documentation(own_url: str) -> None:
    app = create_app(Settings(database_url=own_url, worker=False), clock=StoppedClock())
    async with app.router.lifespan_context(app):
        assert await led(app) == "docs"
        only = await open_desk(app)
        assert await led(app) == only.org.slug
        assert await led(app, "/?lang=de") == f"{only.org.slug}?lang=de"
        other = await open_desk(app)
        assert await led(app) == "docs"
        await only.set_organization(page=False)
        assert await led(app) == other.org.slug
        await other.set_organization(slug=f"{other.org.slug[:50]}-new")
        assert await led(app) == f"{other.org.slug[:50]}-new"
        await other.set_organization(page=False)
        assert await led(app) == "docs"


async def test_it_knows_the_path_below_which_the_server_is_reached(own_url: str) -> None:
    settings = Settings(database_url=own_url, worker=False, public_url="https://clinic.example/booking")
    app = create_app(settings, clock=StoppedClock())
    async with app.router.lifespan_context(app):
        assert await led(app) == "/booking/docs"
        only = await open_desk(app)
        assert await led(app) == f"/booking/{only.org.slug}"
