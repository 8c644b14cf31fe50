"""A crawler that follows every link, and mail programs that look where links lead, change nothing."""

import html
import re
from collections import Counter
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import metadata
from tests.support.clock import StoppedClock
from tests.support.databases import sqlite_first
from tests.support.desk import open_desk
from tests.support.sights import Walk
from tests.web.browsers import OURS

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MOST = 6
"""So many addresses of a kind are looked at; months go on for ever."""


def stored(tx: Tx, org_id: str) -> dict[str, list[str]]:
    """Everything that is stored of an organization, by table."""
    return {
        table.name: sorted(str(row) for row in tx.execute(select(table).where(table.c.org_id == org_id)))
        for table in metadata.sorted_tables
        if "org_id" in table.c
    }


NAMED = (
    "hold|manage|appointments|blocks|clients|day|week|month|people|keys|webhooks|deliveries|feeds|mails|"
    "closures|sources"
)
"""Behind these parts of paths is a name of one thing."""


def leads_of(path: str, page: str) -> list[str]:
    """Where a page leads, whatever it is for: links, files, pictures and the forms that only ask."""
    found = re.findall(r'(?:href|src)="([^"]*)"', page)
    found += re.findall(r'<form method="get" action="([^"]*)"', page)
    addresses = [urljoin(f"http://kalends.test{path}", html.unescape(each)) for each in found]
    parts = [urlsplit(each) for each in addresses if each.startswith("http://kalends.test/")]
    return [each._replace(scheme="", netloc="", fragment="").geturl() for each in parts]


@sqlite_first()
async def test_a_crawler_that_follows_every_link_changes_nothing(
    app: FastAPI, db: Database, browser: httpx.AsyncClient, clock: StoppedClock
) -> None:
    desk = await open_desk(app)
    walk = Walk(desk.staff, desk.client, desk.org.slug, clock.now())
    sights = await walk.sights()
    await browser.post(await walk.entry(), headers=OURS)  # so that it comes to the pages for staff, too
    await app.state.context.key_use.flush()  # of the desk's own key, until now
    before = await db.read(stored, desk.org.id)
    assert len(before["appointments"]) > 5
    todo = [each.path for each in sights if each.form is None]
    seen: set[str] = set()
    kinds: Counter[str] = Counter()
    while todo:
        address = todo.pop(0)
        kind = re.sub(rf"/({NAMED})/[^/?]*", r"/\1/…", urlsplit(address).path)
        if address in seen or kinds[kind] == MOST:
            continue
        seen.add(address)
        kinds[kind] += 1
        answer = await browser.get(address)
        assert answer.status_code in (200, 303, 400, 404), address
        if "location" in answer.headers:
            todo.append(answer.headers["location"])
        elif answer.headers["content-type"].startswith("text/html"):
            todo += leads_of(address, answer.text)
    for method in ("HEAD", "OPTIONS"):  # mail programs
        for each in sights:
            await browser.request(method, each.path)
    assert {"/manage/…/move", "/manage/…/cancel", "/manage/…/appointment.ics"} <= kinds.keys()
    assert {"/staff/day/…", "/staff/appointments/…/cancel", "/staff/blocks/…", "/staff/new"} <= kinds.keys()
    assert {"/staff/settings/people/…/remove", "/staff/settings/webhooks/…/deliveries/…"} <= kinds.keys()
    assert await db.read(stored, desk.org.id) == before
