from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from kalends.core.errors import Malformed, NotFound
from kalends.db.database import Database, Tx
from kalends.db.tables import api_keys, organizations
from kalends.ids import digest
from kalends.services.outbox.parties import operator
from kalends.services.setup import keys
from kalends.services.setup import organizations as orgs
from tests.support.organizations import Org

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)


async def test_a_key_is_stored_as_its_digest_only(db: Database, org: Org) -> None:
    made = await db.write(keys.create, operator(org.id), name="Web", scopes=["write"], lifetime=None, now=NOW)

    def row(tx: Tx) -> tuple[object, ...]:
        return tuple(tx.execute(select(api_keys).where(api_keys.c.id == made["id"])).one())

    assert made["key"].startswith("vst_")
    assert len(made["key"]) >= len("vst_") + 32
    assert all(made["key"] not in str(value) for value in await db.read(row))
    assert digest(made["key"]) in await db.read(row)


async def test_sandbox_organizations_get_test_keys(db: Database) -> None:
    def make(tx: Tx) -> str:
        org = orgs.create(tx, name="Sand", slug=f"s-{NOW.timestamp():.0f}-{id(db)}", sandbox=True, now=NOW)
        party = operator(orgs.row_of(tx, org["slug"]).id)
        return str(keys.create(tx, party, name=None, lifetime=None, now=NOW)["key"])

    assert (await db.write(make)).startswith("vst_test_")


async def test_create_refuses_what_does_not_exist(db: Database, org: Org) -> None:
    with pytest.raises(NotFound):
        await db.read(orgs.row_of, "org_none")
    with pytest.raises(Malformed, match="no scope 'root'"):
        await db.write(keys.create, operator(org.id), name=None, scopes=["root"], lifetime=None, now=NOW)
    with pytest.raises(Malformed, match="9999"):
        await db.write(keys.create, operator(org.id), name=None, lifetime=timedelta(weeks=999_999), now=NOW)


async def test_find_answers_for_many(db: Database, org: Org, other_org: Org) -> None:
    unknown = [digest(f"vst_{i}") for i in range(20)]
    found = await db.read_one(keys.find, [digest(org.key), *unknown, digest(other_org.key)])
    assert {key: caller.org_id for key, caller in found.items()} == {
        digest(org.key): org.id,
        digest(other_org.key): other_org.id,
    }


async def test_revoke_once_is_for_ever(db: Database, org: Org) -> None:
    party, key_id = operator(org.id), org.caller.key_id
    assert (await db.write(keys.revoke, party, key_id, NOW)).revoked_at == NOW
    assert (await db.write(keys.revoke, party, key_id, NOW + timedelta(days=1))).revoked_at == NOW
    with pytest.raises(NotFound):
        await db.write(keys.revoke, party, "key_none", NOW)


async def test_note_use_never_moves_back(db: Database, org: Org) -> None:
    async def last_used() -> datetime | None:
        return (await db.read_one(keys.find, [digest(org.key)]))[digest(org.key)].last_used_at

    mine = (org.id, org.caller.key_id)
    await db.write(keys.note_use, {mine: NOW})
    await db.write(keys.note_use, {mine: NOW - timedelta(hours=1)})
    assert await last_used() == NOW


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": " "}, "The name must have"),
        ({"name": "x" * 256}, "The name must have"),
        ({"timezone": "Mars/Olympus"}, "is not a time zone"),
        ({"timezone": "../../etc/passwd"}, "is not a time zone"),
        ({"slug": "Upper"}, "can't be a slug"),
        ({"slug": ""}, "can't be a slug"),
        ({"name": "日本"}, "can't be a slug"),
        ({"plan": "gold"}, "no plan 'gold'"),
        ({"plan": "starter", "requests_per_hour": 5}, "goes with the plan enterprise"),
        ({"requests_per_hour": 0}, "goes with the plan enterprise"),
    ],
)
async def test_organizations_refuse_bad_values(
    db: Database, fields: dict[str, object], sentence: str
) -> None:
    with pytest.raises(Malformed, match=sentence):
        await db.write(orgs.create, **{"name": "Some", "now": NOW, **fields})  # type: ignore[arg-type]


async def test_an_organization_is_made_with_one_default_calendar(db: Database, org: Org) -> None:
    def slug(tx: Tx) -> str:
        return tx.execute(select(organizations.c.slug).where(organizations.c.id == org.id)).scalar_one()

    assert (await db.read(slug)).startswith("test-")
    assert org.calendar_id.startswith("cal_")
