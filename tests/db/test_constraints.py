"""What a key of the database refuses, where no check came before it, is a refusal like any other."""

import asyncio
import uuid
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.util import await_only

from kalends.core.errors import AlreadyExists, Conflict, InUse, NotFound, Refusal, Unavailable
from kalends.db.constraints import THINGS
from kalends.db.database import Database, Overtaken, Tx
from kalends.db.postgres import PostgresDatabase
from kalends.db.tables import appointment_types, calendars, feeds, metadata, organizations
from tests.db.test_database import NOW, add
from tests.support.organizations import Org, make_org

pytestmark = pytest.mark.anyio


def follow_nothing(tx: Tx, org: Org) -> None:
    mine = (appointment_types.c.org_id == org.id, appointment_types.c.id == org.type_id)
    tx.execute(update(appointment_types).where(*mine).values(schedule_id="sched_none"))


def delete_the_calendar(tx: Tx, org: Org) -> None:
    tx.execute(delete(calendars).where(calendars.c.org_id == org.id))


def take_the_slug(tx: Tx, org: Org, slug: str) -> None:
    tx.execute(update(organizations).where(organizations.c.id == org.id).values(slug=slug))


def feed_twice(tx: Tx, org: Org) -> None:
    row = {"org_id": org.id, "id": "feed_1", "calendar_id": None, "created_at": NOW}
    for _ in range(2):
        tx.execute(feeds.insert(), row | {"digest": uuid.uuid4().bytes})


async def refusal_of(database: Database, unit: Any, *args: Any) -> Refusal:
    refusals = []
    for use in (database.write, database.rehearse):
        with pytest.raises(Refusal) as refusal:
            await use(unit, *args)
        refusals.append(refusal.value)
    assert type(refusals[0]) is type(refusals[1])
    return refusals[0]


async def test_keys_are_refused_in_words(db: Database, org: Org) -> None:
    named = isinstance(db, PostgresDatabase)  # SQLite does not say which foreign key it was
    missing = await refusal_of(db, follow_nothing, org)
    if named:
        assert isinstance(missing, NotFound)
        assert missing.message == "There is no schedule with this id."
        assert missing.details == {"field": "scheduleId"}
    else:
        assert isinstance(missing, Conflict)
    used = await refusal_of(db, delete_the_calendar, org)
    assert isinstance(used, InUse)
    if named:
        assert used.message == (
            "Some appointment types use this calendar, so it can't be deleted; change or delete them first."
        )
    slug = f"s-{uuid.uuid4().hex}"
    await db.write(add, slug)
    taken = await refusal_of(db, take_the_slug, org, slug)
    assert isinstance(taken, AlreadyExists)
    assert taken.message == "There is already an organization with this slug; choose another."
    assert taken.details == {"field": "slug"}
    twice = await refusal_of(db, feed_twice, org)
    assert isinstance(twice, AlreadyExists)
    assert twice.message == "The same feed was stored a moment ago; please look again."


async def test_other_constraints_are_defects(db: Database, org: Org) -> None:
    def close_too_early(tx: Tx) -> None:
        tx.execute(text("UPDATE organizations SET week_start = 9 WHERE id = :id"), {"id": org.id})

    with pytest.raises(IntegrityError):
        await db.write(close_too_early)


def test_everything_has_a_name() -> None:
    assert THINGS.keys() == metadata.tables.keys()


async def test_who_violates_a_key_looks_again_and_says_it_best(postgres_url: str) -> None:
    """Two organizations want one slug: the second sees the first when it is run again."""
    database = PostgresDatabase(postgres_url, pool_size=2)
    org = await make_org(database, NOW)
    slug = f"s-{uuid.uuid4().hex}"
    looked, taken = asyncio.Event(), asyncio.Event()
    runs = 0

    def take(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        if tx.execute(select(organizations.c.id).where(organizations.c.slug == slug)).first() is not None:
            raise AlreadyExists("seen")
        looked.set()
        await_only(taken.wait())
        tx.execute(update(organizations).where(organizations.c.id == org.id).values(slug=slug))

    try:
        second = asyncio.create_task(database.write(take))
        await looked.wait()
        await database.write(add, slug)
        taken.set()
        with pytest.raises(AlreadyExists, match="seen"):
            await second
        assert runs == 2
    finally:
        await database.close()


async def test_who_is_overtaken_again_and_again_may_try_later(postgres_url: str) -> None:
    database = PostgresDatabase(postgres_url, pool_size=1)

    def always(_tx: Tx) -> None:
        raise Overtaken

    try:
        with pytest.raises(Unavailable, match="Other changes were in the way"):
            await database.write(always)
    finally:
        await database.close()
