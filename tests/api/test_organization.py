from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kalends.db.database import Database, Tx
from kalends.db.tables import idempotency_keys
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.databases import on_sqlite
from tests.support.desk import book_jane
from tests.support.organizations import Org, make_org

pytestmark = pytest.mark.anyio


async def test_the_organization_is_shown_and_changed(
    client: httpx.AsyncClient, db: Database, clock: StoppedClock, org: Org
) -> None:
    shown = answered(await client.get("/v1/organization"), "organization")
    assert (shown["id"], shown["timezone"], shown["week_start"]) == (org.id, "UTC", 1)
    assert (shown["plan"], shown["requests_per_hour"], shown["sandbox"]) == ("enterprise", 1_000_000, False)
    made = await book_jane(client, org)
    clock.forward(hours=1)
    sent = {"name": "Renamed", "timezone": "America/New_York", "week_start": 0}
    refused(await client.patch("/v1/organization", json=sent | {"plan": "starter"}), 400, "invalid_request")
    changed = answered(
        await client.patch("/v1/organization", json=sent | {"plan": "enterprise"}), "organization"
    )
    assert changed == shown | sent | {"updated_at": "2024-01-20T13:00:00Z"}
    # Instants stay; wall times are read in the new zone from now on.
    same = answered(await client.get(f"/v1/calendar/appointments/{made['id']}"), "appointment")
    assert same["start_time"] == made["start_time"]
    naive = org.wish(start_time="2024-01-25T14:00:00")
    later = answered(await client.post("/v1/calendar/appointments", json=naive), "appointment")
    assert later["start_time"] == "2024-01-25T19:00:00Z"

    other = await make_org(db, clock.now())
    taken = answered(await client.get("/v1/organization"), "organization")["slug"]
    async with httpx.AsyncClient(
        transport=client._transport,
        base_url="http://kalends.test",
        headers={"Authorization": f"Bearer {other.key}"},
    ) as theirs:
        refused(await theirs.patch("/v1/organization", json={"slug": taken}), 409, "already_exists")
    own = await client.patch("/v1/organization", json={"slug": taken})
    assert answered(own, "organization")["slug"] == taken


async def test_the_language_of_staff_is_chosen_and_cleared(client: httpx.AsyncClient) -> None:
    shown = answered(await client.get("/v1/organization"), "organization")
    assert shown["language"] is None
    for sent, kept in (
        ("de-AT", "de-AT"),
        ("en_GB", "en-GB"),
        (" fr ", "fr"),
        (None, None),
        ("it", "it"),
        ("", None),
    ):
        changed = await client.patch("/v1/organization", json={"language": sent})
        assert answered(changed, "organization") == shown | {"language": kept}
        assert answered(await client.patch("/v1/organization", json={}), "organization")["language"] == kept


@pytest.mark.parametrize(
    "wrong",
    [
        {"language": "German, please"},
        {"language": "x" * 36},
        {"language": 7},
        {"timezone": "Mars/X"},
        {"timezone": "../../etc/passwd"},
        {"week_start": 7},
        {"week_start": -1},
        {"week_start": True},
        {"slug": "UPPER"},
        {"name": None},
        {"name": " "},
    ],
)
async def test_bad_values_change_nothing(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    before = answered(await client.get("/v1/organization"), "organization")
    assert (await client.patch("/v1/organization", json=wrong)).status_code == 400
    assert answered(await client.get("/v1/organization"), "organization") == before


LOOKS = {
    "intro": "Welcome.",
    "address": "Main St 4\nSpringfield",
    "phone": "+43 1 234567",
    "contact_email": "desk@clinic.example",
    "privacy_url": "https://clinic.example/privacy",
    "terms_url": "https://clinic.example/terms",
    "color": "#0a7",
    "embed_origins": ["https://clinic.example", "http://localhost:3000"],
    "page": False,
    "indexing": True,
    "manage_url_template": "https://clinic.example/a?t={token}",
}


async def test_what_pages_show_is_kept_and_cleared(client: httpx.AsyncClient) -> None:
    shown = answered(await client.get("/v1/organization"), "organization")
    assert shown.items() >= {"page": True, "indexing": False, "embed_origins": [], "logo": None}.items()
    changed = answered(await client.patch("/v1/organization", json=LOOKS), "organization")
    assert changed.items() >= LOOKS.items()
    cleared: dict[str, Any] = {
        name: None if isinstance(value, str) else not value if isinstance(value, bool) else []
        for name, value in LOOKS.items()
    }
    assert (
        answered(await client.patch("/v1/organization", json=cleared), "organization").items()
        >= cleared.items()
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"phone": "call us"},
        {"contact_email": "nobody"},
        {"privacy_url": "javascript:alert(1)"},
        {"terms_url": "//clinic.example"},
        {"color": "red"},
        {"embed_origins": ["*"]},
        {"embed_origins": ["https://clinic.example/path"]},
        {"embed_origins": ["https://."]},
        {"embed_origins": ["https://clinic.example:99999"]},
        {"embed_origins": ["http://clinic.example:0"]},
        {"embed_origins": None},
        {"page": None},
        {"indexing": "yes"},
        {"manage_url_template": "https://clinic.example/a"},
        {"manage_url_template": "https://{token}.example/a"},
        {"manage_url_template": "https://clinic.example/{token}/{token}"},
        {"logo": "https://clinic.example/logo.png"},
    ],
)
@on_sqlite
async def test_bad_looks_change_nothing(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    before = answered(await client.get("/v1/organization"), "organization")
    refused(await client.patch("/v1/organization", json=wrong), 400, "invalid_request")
    assert answered(await client.get("/v1/organization"), "organization") == before


async def test_a_keys_life(app: FastAPI, client: httpx.AsyncClient, clock: StoppedClock, org: Org) -> None:
    body = {"name": "Web", "scopes": ["write"], "expires_in_days": 90}
    made = (await client.post("/v1/keys", json=body)).json()
    key, secret = made["key"], made["secret"]
    assert (key["name"], key["scopes"], key["expires_at"]) == ("Web", ["write"], "2024-04-19T12:00:00Z")
    assert secret.startswith(key["prefix"])
    assert secret not in (await client.get("/v1/keys")).text
    assert [each["id"] for each in (await client.get("/v1/keys")).json()["keys"]] == [
        org.caller.key_id,
        key["id"],
    ]
    async with client_of(app, secret) as theirs:
        current = (await theirs.get("/v1/keys/current")).json()
        assert (current["key"]["id"], current["organization"]["id"]) == (key["id"], org.id)
        for request in (
            theirs.get("/v1/keys"),
            theirs.post("/v1/keys", json={}),
            theirs.delete("/v1/keys/x"),
        ):
            assert refused(await request, 403, "scope_missing")["details"] == {"scope": "admin"}
        revoked = (await client.delete(f"/v1/keys/{key['id']}")).json()["key"]
        assert revoked["revoked_at"] == "2024-01-20T12:00:00Z"
        refused(await theirs.get("/v1/keys/current"), 401, "key_revoked")


async def test_a_replayed_key_keeps_its_secret(client: httpx.AsyncClient, db: Database, org: Org) -> None:
    header = {"Idempotency-Key": "one key"}
    first = (await client.post("/v1/keys", json={"name": "Web"}, headers=header)).json()
    again = await client.post("/v1/keys", json={"name": "Web"}, headers=header)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == {"key": first["key"], "secret": None}

    def kept(tx: Tx) -> str:
        answer = select(idempotency_keys.c.answer).where(idempotency_keys.c.org_id == org.id)
        return str(tx.execute(answer).scalar_one())

    assert first["secret"] not in await db.read(kept)
    assert len((await client.get("/v1/keys")).json()["keys"]) == 2
