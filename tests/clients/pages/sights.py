"""Makes an organization's pages at a running demo, and writes each of them as HTML into a folder. Prints what
Lighthouse is to look at, as JSON. Usage: sights.py URL KEY SLUG FOLDER."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.support.sights import Sight, Walk

LIGHTHOUSE = (
    *("times", "details", "appointment", "staff day", "staff appointment"),
    *("staff list", "staff book", "staff type"),
)
HEADERS = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


async def html_of(pages: httpx.AsyncClient, sight: Sight) -> str:
    """Return a page as a browser gets it."""
    if sight.form is None:
        answer = await pages.get(sight.path, headers=HEADERS)
    else:
        answer = await pages.post(sight.path, data=dict(sight.form), headers=HEADERS)
    assert answer.status_code == sight.status, f"{sight.name}: {answer.status_code}"
    assert answer.headers["content-type"].startswith("text/html"), sight.name
    return answer.text


async def write(pages: httpx.AsyncClient, sight: Sight, folder: str) -> None:
    """Write a page into the folder."""
    name = sight.name.replace(" ", "-")
    (Path(folder) / f"{name}.html").write_text(await html_of(pages, sight))


async def main(url: str, key: str, slug: str, folder: str) -> None:
    """Make and write them."""
    async with (
        httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}) as staff,
        httpx.AsyncClient(base_url=url) as pages,
    ):
        walk = Walk(staff, pages, slug, datetime.now(UTC))
        sights = await walk.sights()
        for sight in sights:
            if not sight.for_staff:  # as whoever is not signed in sees them
                await write(pages, sight, folder)
        session = (await pages.post(await walk.entry(), headers=HEADERS)).headers["set-cookie"]
        for sight in sights:
            if sight.for_staff:
                await write(pages, sight, folder)
    chosen = [each for each in sights if each.name in LIGHTHOUSE]
    signed_in = {"Cookie": session.partition(";")[0]}
    pages_of = {
        each.name: {"url": url + each.path, "headers": signed_in if each.for_staff else {}} for each in chosen
    }
    print(json.dumps(pages_of))


asyncio.run(main(*sys.argv[1:]))
