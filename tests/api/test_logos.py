"""The organization's logo: kept, shown, replaced, deleted; and whatever is no picture changes nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import events, logos
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.organizations import Org
from tests.support.pictures import jpeg, png, webp

pytestmark = pytest.mark.anyio

PATH = "/v1/organization/logo"
PNG = {"Content-Type": "image/png"}
MOST = 200 * 1024


async def put(client: httpx.AsyncClient, content: bytes, kind: str = "image/png") -> dict[str, Any]:
    """The organization that is answered."""
    sent = await client.put(PATH, content=content, headers={"Content-Type": kind})
    return answered(sent, "organization")


async def kept(db: Database, org: Org) -> list[tuple[str, bytes]]:
    """What is stored of the organization's logos."""

    def read(tx: Tx) -> list[tuple[str, bytes]]:
        mine = select(logos.c.media_type, logos.c.content).where(logos.c.org_id == org.id)
        return [(row.media_type, bytes(row.content)) for row in tx.execute(mine)]

    return await db.read(read)


async def told(db: Database, org: Org) -> list[Any]:
    """The addresses of the logo, as events told them."""

    def read(tx: Tx) -> list[Any]:
        mine = select(events.c.payload).where(
            events.c.org_id == org.id, events.c.type == "organization.updated"
        )
        return [
            json.loads(row.payload)["organization"]["logo"] for row in tx.execute(mine.order_by(events.c.id))
        ]

    return await db.read(read)


async def test_a_logos_life(
    app: FastAPI, client: httpx.AsyncClient, db: Database, org: Org, clock: StoppedClock
) -> None:
    clock.forward(hours=1)
    shown = await put(client, png())
    assert shown["logo"].startswith(f"/{org.slug}/logo?v=")
    assert shown["updated_at"] == "2024-01-20T13:00:00Z"
    assert answered(await client.get("/v1/organization"), "organization") == shown
    async with client_of(app, None) as anybody:
        public = (await anybody.get(f"/v1/public/{org.slug}")).json()["organization"]
        assert public["logo"] == shown["logo"]
        first = await anybody.get(shown["logo"])
        assert (first.status_code, first.content) == (200, png())
        second = await put(client, jpeg(), "image/jpeg")
        assert second["logo"] != shown["logo"]
        assert (await anybody.get(second["logo"])).headers["content-type"] == "image/jpeg"
        assert await kept(db, org) == [("image/jpeg", jpeg())]
        assert answered(await client.delete(PATH), "organization")["logo"] is None
        assert (await anybody.get(shown["logo"])).status_code == 404
    refused(await client.delete(PATH), 404, "not_found")
    assert await told(db, org) == [shown["logo"], second["logo"], None]
    assert await kept(db, org) == []


async def test_it_is_served_for_ever_under_its_own_address(
    app: FastAPI, client: httpx.AsyncClient, org: Org
) -> None:
    logo = (await put(client, webp(), "image/webp"))["logo"]
    async with client_of(app, None) as anybody:
        for address, cache in (
            (logo, "public, max-age=31536000, immutable"),
            (f"/{org.slug}/logo?v=0123456789abcdef", "no-cache"),
            (f"/{org.slug}/logo", "no-cache"),
        ):
            served = await anybody.get(address)
            assert served.content == webp()
            assert served.headers["content-type"] == "image/webp"
            assert served.headers["cache-control"] == cache
            assert served.headers["x-content-type-options"] == "nosniff"
            assert served.headers["content-security-policy"].startswith("default-src 'none'")
            assert served.headers["x-robots-tag"] == "noindex"
            assert "x-ratelimit-limit" in served.headers  # it is read from the database
        answered(await client.patch("/v1/organization", json={"indexing": True}), "organization")
        assert "x-robots-tag" not in (await anybody.get(logo)).headers


async def test_a_former_slug_leads_on_to_it(app: FastAPI, client: httpx.AsyncClient, org: Org) -> None:
    logo = (await put(client, png()))["logo"]
    renamed = await client.patch("/v1/organization", json={"slug": f"{org.slug[:50]}-new"})
    present = answered(renamed, "organization")["logo"]
    assert present == logo.replace(org.slug, f"{org.slug[:50]}-new")
    async with client_of(app, None) as anybody:
        led = await anybody.get(logo)
        assert (led.status_code, led.headers["location"]) == (308, present)


@pytest.mark.parametrize(
    "kind", ["application/octet-stream", "IMAGE/PNG", "image/png; charset=binary", "", None]
)
@on_sqlite
async def test_its_kind_is_that_of_its_bytes(client: httpx.AsyncClient, kind: str | None) -> None:
    """Generated clients know one kind, and some send none."""
    headers = {} if kind is None else {"Content-Type": kind}
    answered(await client.put(PATH, content=png(), headers=headers), "organization")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "image/png"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/png"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
        (b"GIF89a\x01\x00\x01\x00", "image/gif"),
        (png(), "image/jpeg"),
        (jpeg(), "image/png"),
        (png(), "text/html"),
        (png(), "application/json"),
        (png(5000, 5000), "image/png"),
        (png()[:-5], "image/png"),
        (jpeg()[:-1], "image/jpeg"),
        (b"{}", "application/json"),
    ],
)
@on_sqlite
async def test_what_is_no_such_picture_changes_nothing(
    client: httpx.AsyncClient, db: Database, org: Org, content: bytes, kind: str
) -> None:
    before = await put(client, png())
    refused(await client.put(PATH, content=content, headers={"Content-Type": kind}), 415, "not_a_picture")
    assert answered(await client.get("/v1/organization"), "organization") == before
    assert await kept(db, org) == [("image/png", png())]


@on_sqlite
async def test_only_a_logo_may_be_larger_than_other_bodies(client: httpx.AsyncClient) -> None:
    whole = png() + bytes(MOST - len(png()))
    await put(client, whole)

    async def in_pieces() -> AsyncIterator[bytes]:
        yield whole
        yield b"."

    for content in (whole + b".", in_pieces()):
        refused(await client.put(PATH, content=content, headers=PNG), 413, "body_too_large")
    for path in ("/v1/organization", f"{PATH}/", f"{PATH}s"):
        refused(await client.put(path, content=bytes(70_000), headers=PNG), 413, "body_too_large")


@on_sqlite
async def test_a_key_that_is_not_an_administrators_sets_none(app: FastAPI, client: httpx.AsyncClient) -> None:
    made = (await client.post("/v1/keys", json={"scopes": ["read", "write", "delete"]})).json()
    async with client_of(app, made["secret"]) as clerk:
        refused(await clerk.put(PATH, content=png(), headers=PNG), 403, "scope_missing")
        refused(await clerk.delete(PATH), 403, "scope_missing")


@on_sqlite
async def test_another_picture_under_the_same_idempotency_key_is_told(client: httpx.AsyncClient) -> None:
    key = PNG | {"Idempotency-Key": "our logo"}
    first = await client.put(PATH, content=png(), headers=key)
    again = await client.put(PATH, content=png(), headers=key)
    assert (again.headers["idempotent-replayed"], again.json()) == ("true", first.json())
    refused(await client.put(PATH, content=png(shade=7), headers=key), 422, "idempotency_key_reused")


async def test_of_several_at_once_one_is_kept_whole(
    client: httpx.AsyncClient, db: Database, org: Org
) -> None:
    answers = await asyncio.gather(*(put(client, png(shade=shade)) for shade in range(8)))
    shown = answered(await client.get("/v1/organization"), "organization")
    [winner] = [shade for shade, each in enumerate(answers) if each["logo"] == shown["logo"]]
    assert await kept(db, org) == [("image/png", png(shade=winner))]
