import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError

from kalends.core.errors import AlreadyExists, Conflict, NotFound, Unavailable
from kalends.db import migrating
from kalends.db.database import Tx
from kalends.db.opening import open_database
from kalends.db.tables import metadata
from kalends.services.outbox import event_order
from tests.support import former_books

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)


def tables(tx: Tx) -> set[str]:
    return set(inspect(tx).get_table_names())


def differences(tx: Tx) -> list[object]:
    """What `alembic check` would find."""

    def include(_thing: object, name: str | None, *_: object) -> bool:
        return name != "occupations_no_double_booking"

    context = MigrationContext.configure(tx, opts={"compare_type": True, "include_object": include})
    return list(compare_metadata(context, metadata))


async def test_migrations_go_up_and_down_and_match_the_tables(empty_url: str) -> None:
    database = open_database(empty_url, pool_size=2)
    try:
        assert await database.read(migrating.current) is None
        await database.migrate()
        assert await database.read(migrating.current) == migrating.newest()
        assert await database.read(differences) == []
        assert await database.read(tables) == {*metadata.tables, "alembic_version"}
        await database.write(migrating.downgrade)
        assert await database.read(tables) == {"alembic_version"}
        await database.migrate()
        await database.migrate()
        assert await database.read(differences) == []
    finally:
        await database.close()


async def test_many_may_migrate_at_once(empty_url: str) -> None:
    databases = [open_database(empty_url, pool_size=1) for _ in range(10)]
    try:
        await asyncio.gather(*(database.migrate() for database in databases))
        assert await databases[0].read(differences) == []
    finally:
        for database in databases:
            await database.close()


async def test_a_migration_waits_for_another_longer_than_a_request_would(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import text

    from kalends.db import postgres as module
    from tests.conftest import fresh_postgres_database

    monkeypatch.setattr(module, "STATEMENT_SECONDS", 0.2)
    monkeypatch.setitem(module.SESSION, "statement_timeout", "200ms")
    monkeypatch.setitem(module.SESSION, "lock_timeout", "200ms")
    fresh = fresh_postgres_database(postgres)
    url = await asyncio.to_thread(fresh.__enter__)
    holder = module.PostgresDatabase(url, pool_size=1)
    waiting = module.PostgresDatabase(url, pool_size=1)
    connection = await holder._connect(patient=True)
    try:
        await connection.execute(f"SELECT pg_advisory_lock({migrating._LOCK})")
        migration = asyncio.create_task(waiting.migrate())
        await asyncio.sleep(1)
        assert not migration.done()
        await connection.execute(f"SELECT pg_advisory_unlock({migrating._LOCK})")
        await migration
        assert await waiting.read(migrating.current) == migrating.newest()
        with pytest.raises(Unavailable):
            await waiting.read(lambda tx: tx.execute(text("SELECT pg_sleep(5)")))
    finally:
        await connection.close()
        await holder.close()
        await waiting.close()
        await asyncio.to_thread(fresh.__exit__)


async def test_what_happened_before_events_had_an_order_gets_one(empty_url: str) -> None:
    """And nobody is told of it by mail: it is not new."""
    org = {
        "id": "org_1",
        "name": "Old",
        "slug": "old",
        "timezone": "UTC",
        "week_start": 1,
        "plan": "enterprise",
        "sandbox": False,
        "created_at": NOW,
        "updated_at": NOW,
    }

    def fill(tx: Tx) -> None:
        migrating.upgrade(tx, "0002")
        tx.execute(insert(metadata.tables["organizations"]).values(org))
        told = {"org_id": "org_1", "type": "appointment.created", "payload": "{}", "occurred_at": NOW}
        for id_ in ("evt_2", "evt_1", "evt_3"):
            tx.execute(insert(metadata.tables["events"]).values(told | {"id": id_}))

    def order(tx: Tx) -> list[Any]:
        events, heads = metadata.tables["events"], metadata.tables["event_heads"]
        numbered = tx.execute(select(events.c.seq, events.c.id).order_by(events.c.seq)).all()
        return [*map(tuple, numbered), *tx.execute(select(heads.c.seq)).scalars()]

    database = open_database(empty_url, pool_size=1)
    try:
        await database.write(fill)
        await database.migrate()
        assert await database.read(order) == [(1, "evt_1"), (2, "evt_2"), (3, "evt_3"), 3]
        assert await database.write(event_order.number, "org_1", NOW, mail=True) == 0
    finally:
        await database.close()


async def test_hard_use_finds_old_addresses_ends_old_requests_and_opens_the_week(empty_url: str) -> None:

    def moment(hours: int) -> datetime:
        return NOW + timedelta(hours=hours)

    def fill(tx: Tx) -> None:
        migrating.upgrade(tx, "0003")
        table, made = metadata.tables, {"created_at": NOW, "updated_at": NOW}
        mine = {"org_id": "org_1", "name": "Old"} | made
        org = {"id": "org_1", "name": "Old", "slug": "old", "timezone": "UTC", "week_start": 0}
        tx.execute(insert(table["organizations"]).values(org | made | {"plan": "starter", "sandbox": False}))
        tx.execute(
            insert(table["calendars"]).values(mine | {"id": "cal_1", "is_active": True, "is_default": True})
        )
        lengths = {"duration_minutes": 60, "buffer_before_minutes": 0, "buffer_after_minutes": 0}
        rules = {"min_notice_hours": 0, "requires_confirmation": True, "booking_questions": []}
        looks = {"id": "type_1", "color": "#000", "is_active": True, "sort_order": 0}
        tx.execute(insert(table["appointment_types"]).values(mine | lengths | rules | looks))
        whose = {"org_id": "org_1", "appointment_type_id": "type_1", "calendar_id": "cal_1"} | made
        client = {"client_name": "Jane", "client_language": "en", "source": "booking_page", "version": 1}
        for hour, email, status, expires in (
            (1, "Ärztin@Example.com", "pending", None),
            (2, "ANNA@example.com", "pending", moment(99)),
            (3, None, "pending", moment(2)),
            (4, "anna@example.com", "confirmed", None),
        ):
            times: dict[str, Any] = {"start_time": moment(hour), "end_time": moment(hour + 1)}
            times |= {"busy_start": moment(hour), "busy_end": moment(hour + 1), "overlap_allowed": False}
            booked = {"id": f"apt_{hour}", "client_email": email, "status": status, "expires_at": expires}
            tx.execute(insert(table["appointments"]).values(whose | client | times | booked))
        default = {"id": "sched_1", "timezone": None, "is_default": True}
        tx.execute(insert(table["schedules"]).values(mine | default))
        for day, source in ((1, "DEU"), (2, "DE"), (2, "DEU"), (3, "DE-by"), (4, "XX-YY"), (5, None)):
            date = f"2027-01-0{day}"
            closed = {"id": f"ovr_{day}_{source}", "org_id": "org_1", "schedule_id": "sched_1", "windows": []}
            dates = {"start_date": date, "end_date": date, "holiday": source}
            tx.execute(insert(table["overrides"]).values(closed | dates | made))

    def found(tx: Tx) -> list[tuple[Any, ...]]:
        columns = metadata.tables["appointments"].c
        rows = tx.execute(
            select(columns.client_email, columns.client_email_folded, columns.expires_at).order_by(columns.id)
        )
        return [(row[0], row[1], row[2] and (row[2] - NOW).total_seconds() / 3_600) for row in rows]

    def searched(tx: Tx) -> list[tuple[Any, ...]]:
        columns = metadata.tables["appointments"].c
        rows = tx.execute(select(columns.client_key, columns.client_words).order_by(columns.id).limit(3))
        return [tuple(row) for row in rows]

    def sources(tx: Tx) -> list[tuple[Any, ...]]:
        columns = metadata.tables["overrides"].c
        return [tuple(row) for row in tx.execute(select(columns.id, columns.holiday).order_by(columns.id))]

    def week(tx: Tx, first_day: int) -> int:
        organizations = metadata.tables["organizations"]
        tx.execute(update(organizations).values(week_start=first_day))
        return int(tx.execute(select(organizations.c.week_start)).scalar_one())

    database = open_database(empty_url, pool_size=1)
    try:
        await database.write(fill)
        await database.migrate()
        assert await database.read(found) == [
            ("Ärztin@Example.com", "ärztin@example.com", 1),
            ("ANNA@example.com", "anna@example.com", 2),
            (None, None, 2),
            ("anna@example.com", "anna@example.com", None),
        ]
        assert await database.read(searched) == [
            ("e:ärztin@example.com", "jane arztin@example.com"),
            ("e:anna@example.com", "jane anna@example.com"),
            ("n:jane", "jane"),
        ]
        assert await database.read(sources) == [
            ("ovr_1_DEU", "DE"),
            ("ovr_2_DE", "DE"),
            ("ovr_2_DEU", "DEU"),
            ("ovr_3_DE-by", "DE-BY"),
            ("ovr_4_XX-YY", "XX-YY"),
            ("ovr_5_None", None),
        ]
        assert await database.write(week, 6) == 6
        with pytest.raises(IntegrityError):
            await database.write(week, 7)
        await database.write(migrating.downgrade, "0003")
        assert await database.write(week, 0) == 0
        with pytest.raises(IntegrityError):
            await database.write(week, 6)
        await database.migrate()
        assert await database.write(week, 6) == 6
    finally:
        await database.close()


async def test_records_lose_nothing_and_know_nobody_of_before(empty_url: str) -> None:
    def fill(tx: Tx) -> None:
        migrating.upgrade(tx, "0004")
        table, made = metadata.tables, {"created_at": NOW, "updated_at": NOW}
        for number in (1, 2):
            org = {"id": f"org_{number}", "name": "Old", "slug": f"old-{number}", "timezone": "UTC"}
            rules = {"week_start": 1, "plan": "starter", "sandbox": False}
            tx.execute(insert(table["organizations"]).values(org | rules | made))
        mine = {"org_id": "org_1", "created_at": NOW}
        key = {"id": "key_1", "digest": b"key", "prefix": "vst_", "scopes": ["admin"]}
        tx.execute(insert(table["api_keys"]).values(mine | key))
        tx.execute(insert(table["feeds"]).values(mine | {"id": "feed_1", "digest": b"feed"}))
        hook = {"id": "whk_1", "kind": "webhook", "url": "https://example.com", "events": ["*"]}
        secrets = {"secret": "whsec_new", "old_secret": "whsec_old", "old_secret_until": NOW}
        webhook = (
            table["receivers"].insert().values(mine | hook | secrets | {"active": True, "updated_at": NOW})
        )
        tx.execute(webhook)
        kept = {"key": "once", "fingerprint": b"x", "answer": "{}"}
        tx.execute(insert(table["idempotency_keys"]).values(mine | kept))

    def found(tx: Tx) -> list[tuple[Any, ...]]:
        table = metadata.tables
        receivers, slugs = table["receivers"].c, table["slugs"].c
        return [
            *(tuple(tx.execute(select(table[name].c.id, table[name].c.created_by)).one()) for name in MAKERS),
            tuple(tx.execute(select(receivers.secret, receivers.old_secret, receivers.sealed_by)).one()),
            *map(tuple, tx.execute(select(slugs.org_id, slugs.slug, slugs.given_up_at).order_by(slugs.slug))),
            tuple(tx.execute(select(table["idempotency_keys"].c.key)).one()),
        ]

    def seal(tx: Tx, name: str) -> None:
        tx.execute(update(metadata.tables["receivers"]).values(sealed_by=name))

    database = open_database(empty_url, pool_size=1)
    try:
        await database.write(fill)
        await database.migrate()
        expected = [
            ("key_1", None),
            ("feed_1", None),
            ("whk_1", None),
            ("whsec_new", "whsec_old", ""),
            ("org_1", "old-1", None),
            ("org_2", "old-2", None),
            ("once",),
        ]
        assert await database.read(found) == expected
        assert await database.read(differences) == []
        # What is encrypted, an older version could not read.
        await database.write(seal, "a key")
        with pytest.raises(RuntimeError, match="KALENDS_SECRETS_KEY_BEFORE"):
            await database.write(migrating.downgrade, "0004")
        await database.write(seal, "")
        await database.write(migrating.downgrade, "0004")
        await database.migrate()
        assert await database.read(found) == expected
    finally:
        await database.close()


MAKERS = ("api_keys", "feeds", "receivers")


def hours_later(hours: int) -> datetime:
    return NOW + timedelta(hours=hours)


def booked(number: int, **fields: Any) -> dict[str, Any]:
    begins, ends = hours_later(number), hours_later(number + 1)
    times = {"start_time": begins, "end_time": ends, "busy_start": begins, "busy_end": ends}
    whose = {"org_id": "org_1", "appointment_type_id": "type_1", "calendar_id": "cal_1"}
    client = {"client_name": "Jane", "client_language": "en", "source": "booking_page", "version": 1}
    made = {"created_at": NOW, "updated_at": NOW, "status": "confirmed", "overlap_allowed": False}
    return whose | client | times | made | {"id": f"apt_{number}"} | fields


def left(tx: Tx) -> tuple[list[str], ...]:
    """The appointments, links and events there are, and the events of deliveries."""
    table = metadata.tables
    columns = (
        table["appointments"].c.id,
        table["manage_links"].c.appointment_id,
        table["events"].c.type,
        table["deliveries"].c.event_id,
    )
    return tuple(sorted(set(tx.execute(select(column)).scalars())) for column in columns)


def over_then(tx: Tx) -> None:
    """Book what is booked already, by the schema of before."""
    tx.execute(insert(metadata.tables["appointments"]).values(booked(2, id="apt_9")))


def over(tx: Tx) -> None:
    """Take the time that an appointment takes."""
    occupations = metadata.tables["occupations"]
    taken = tx.execute(select(occupations).where(occupations.c.holder_id == "apt_2")).one()
    tx.execute(insert(occupations).values(taken._asdict() | {"holder_id": "apt_9"}))


async def test_limits_for_clients_come_to_a_filled_database_and_go_again(empty_url: str) -> None:
    def fill(tx: Tx) -> None:
        migrating.upgrade(tx, "0004")
        table, made = metadata.tables, {"created_at": NOW, "updated_at": NOW}
        mine = {"org_id": "org_1", "name": "Old"} | made
        org = {"id": "org_1", "name": "Old", "slug": "old", "timezone": "UTC", "week_start": 0}
        tx.execute(insert(table["organizations"]).values(org | made | {"plan": "starter", "sandbox": False}))
        tx.execute(
            insert(table["calendars"]).values(mine | {"id": "cal_1", "is_active": True, "is_default": True})
        )
        lengths = {"duration_minutes": 60, "buffer_before_minutes": 0, "buffer_after_minutes": 0}
        rules = {"min_notice_hours": 0, "requires_confirmation": True, "booking_questions": []}
        looks = {"id": "type_1", "color": "#000", "is_active": True, "sort_order": 0}
        tx.execute(insert(table["appointment_types"]).values(mine | lengths | rules | looks))
        for number, phone in enumerate(("+49 (170) 123-45 ext 6", None, "1234567")):
            tx.execute(insert(table["appointments"]).values(booked(number, client_phone=phone)))

    def found(tx: Tx) -> list[Any]:
        rows, kinds, orgs = (
            metadata.tables[name] for name in ("appointments", "appointment_types", "organizations")
        )
        return [
            *tx.execute(select(rows.c.client_phone_digits).order_by(rows.c.id)).scalars(),
            tx.execute(select(kinds.c.max_open_per_client)).scalar_one(),
            *tx.execute(select(orgs.c.clients_confirm_by_mail, orgs.c.public_bookings_per_hour)).one(),
        ]

    def use(tx: Tx) -> None:
        """Book as one does from now on: twice what waits for its client, once with a link."""
        table = metadata.tables
        waits = {"status": "pending", "is_hold": True, "version": 0, "expires_at": hours_later(99)}
        for number in (3, 4):
            tx.execute(insert(table["appointments"]).values(booked(number, held_from=b"x", **waits)))
        for number in (2, 3):
            link = {"org_id": "org_1", "appointment_id": f"apt_{number}", "digest": bytes([number])}
            tx.execute(insert(table["manage_links"]).values(link | {"created_at": NOW}))
        told = {"org_id": "org_1", "payload": "{}", "occurred_at": NOW}
        for id_, kind in (("evt_1", "booking.asked"), ("evt_2", "appointment.created")):
            tx.execute(
                insert(table["events"]).values(told | {"id": id_, "type": kind, "subject_id": "apt_3"})
            )
        event_order.number(tx, "org_1", NOW, mail=True)

    database = open_database(empty_url, pool_size=1)
    try:
        await database.write(fill)
        await database.migrate()
        assert await database.read(found) == ["49170123456", None, "1234567", 5, False, 200]
        with pytest.raises(IntegrityError):
            await database.write(over)  # the guard is still there
        await database.write(use)
        await database.write(migrating.downgrade, "0004")
        assert await database.read(left) == (
            ["apt_0", "apt_1", "apt_2"],
            ["apt_2"],
            ["appointment.created"],
            ["evt_2"],
        )
        with pytest.raises(IntegrityError):
            await database.write(over_then)
        await database.migrate()
        assert await database.read(found) == ["49170123456", None, "1234567", 5, False, 200]
    finally:
        await database.close()


async def test_pages_come_to_a_filled_database_and_go_again(empty_url: str) -> None:
    names = ("Tax Consultation", "Tax consultation!", "Консультация", "Hold", "Logo")

    def fill(tx: Tx) -> None:
        migrating.upgrade(tx, "0006")
        made = {"created_at": NOW, "updated_at": NOW}
        for org in ("org_1", "org_2"):
            of_org = {"id": org, "name": org, "slug": org, "timezone": "UTC", "week_start": 0} | made
            tx.execute(_insert("organizations", of_org | {"plan": "starter", "sandbox": False}))
            calendar = {"id": "cal_1", "name": "Old", "is_active": True, "is_default": True}
            tx.execute(_insert("calendars", {"org_id": org} | calendar | made))
            lengths = {"duration_minutes": 60, "buffer_before_minutes": 0, "buffer_after_minutes": 0}
            rules = {"min_notice_hours": 0, "requires_confirmation": True, "booking_questions": []}
            for number, name in enumerate(names):
                looks = {"id": f"type_{number}", "name": name, "color": "#000", "is_active": True}
                order = {"org_id": org, "sort_order": number}
                tx.execute(_insert("appointment_types", looks | lengths | rules | order | made))

    def found(tx: Tx) -> list[Any]:
        kinds, orgs, cals = (
            metadata.tables[name] for name in ("appointment_types", "organizations", "calendars")
        )
        shown = (kinds.c.slug, kinds.c.visibility, kinds.c.contact, kinds.c.texts, kinds.c.clients_choose)
        return [
            *map(tuple, tx.execute(select(*shown).order_by(kinds.c.org_id, kinds.c.sort_order))),
            *map(tuple, tx.execute(select(orgs.c.page, orgs.c.indexing, orgs.c.embed_origins))),
            *tx.execute(select(cals.c.is_public)).scalars(),
        ]

    database = open_database(empty_url, pool_size=1)
    try:
        await database.write(fill)
        for _ in range(2):
            await database.migrate()
            types: list[Any] = [
                (slug, "public", "either", {}, False)
                for slug in ("tax-consultation", "tax-consultation-2", "booking", "hold-2", "logo-2")
            ]
            assert await database.read(found) == [*types, *types, *[(True, False, [])] * 2, False, False]
            await database.write(migrating.downgrade, "0006")
    finally:
        await database.close()


async def test_the_time_of_appointments_moves_and_comes_back(empty_url: str) -> None:
    """`tests/torture/test_million.py` has the long version."""
    database = open_database(empty_url, pool_size=1)
    try:
        await database.write(former_books.fill, 700)
        before = await database.read(former_books.kept)
        for _ in range(2):
            await database.migrate()
            assert await database.read(former_books.without_their_time) == 0
            assert await database.read(former_books.kept) == before
            await database.write(migrating.downgrade, "0007")
            assert await database.read(former_books.kept) == before
    finally:
        await database.close()


PERSON = '{"kind":"person","id":"psn_1","name":"Ana"}'
"""How it is stored that a person did something."""


async def test_people_come_to_a_filled_database_and_go_again(empty_url: str) -> None:
    made = {"created_at": NOW, "updated_at": NOW}

    def fill(tx: Tx) -> None:
        migrating.upgrade(tx, "0011")
        of_org = {"id": "org_1", "name": "Old", "slug": "old", "timezone": "UTC", "week_start": 0} | made
        tx.execute(_insert("organizations", of_org | {"plan": "starter", "sandbox": False}))
        calendar = {"id": "cal_1", "name": "Old", "is_active": True, "is_default": True}
        tx.execute(_insert("calendars", {"org_id": "org_1"} | calendar | made))
        key = {"id": "key_1", "prefix": "vst_1", "digest": b"k", "scopes": ["admin"], "created_at": NOW}
        tx.execute(_insert("api_keys", {"org_id": "org_1"} | key))

    def kept(tx: Tx) -> list[Any]:
        names = ("organizations", "calendars", "api_keys")
        return [tx.execute(select(metadata.tables[name])).all() for name in names]

    def use(tx: Tx) -> None:
        person = {"name": "Ana", "scopes": ["read"], "calendar_id": "cal_1", "active": True} | made
        address = {"email": "Ana@example.com", "address": "ana@example.com"}
        tx.execute(_insert("people", {"org_id": "org_1", "id": "psn_1"} | person | address))
        theirs = {"org_id": "org_1", "person_id": "psn_1", "expires_at": hours_later(1)}
        used = {"device": "Browser", "begun_at": NOW, "seen_at": NOW}
        tx.execute(_insert("sessions", theirs | used | {"digest": b"s"}))
        tx.execute(_insert("entries", theirs | {"digest": b"e", "again": False}))
        passkey = {
            "id": "pky_1",
            "name": "Phone",
            "credential": b"c",
            "public_key": b"k",
            "sign_count": 2**32 - 1,
            "verified": True,
        }
        of_ana = {"org_id": "org_1", "person_id": "psn_1", "created_at": NOW}
        tx.execute(_insert("passkeys", of_ana | passkey))
        asked = {"digest": b"d", "purpose": "sign in", "content": b"c", "expires_at": NOW}
        tx.execute(_insert("challenges", asked))
        feed = {"org_id": "org_1", "id": "feed_1", "kind": "busy", "digest": b"f", "created_at": NOW}
        tx.execute(_insert("feeds", feed | {"created_by": PERSON}))
        told = {"org_id": "org_1", "id": "evt_1", "type": "feed.created", "occurred_at": NOW}
        tx.execute(_insert("events", told | {"payload": json.dumps({"actor": json.loads(PERSON)})}))

    def acted(tx: Tx) -> list[Any]:
        """Who is said to have done something, and forget that it was done."""
        found = [
            json.loads(tx.execute(select(metadata.tables["feeds"].c.created_by)).scalar_one()),
            json.loads(tx.execute(select(metadata.tables["events"].c.payload)).scalar_one())["actor"],
        ]
        for name in ("feeds", "events"):
            tx.execute(delete(metadata.tables[name]))
        return found

    def twin(tx: Tx) -> None:
        person = {"name": "Ben", "scopes": ["read"], "active": True, "address": "ana@example.com"}
        tx.execute(_insert("people", {"org_id": "org_1", "id": "psn_2"} | person | made))

    def stray(tx: Tx) -> None:
        theirs = {"org_id": "org_1", "person_id": "psn_9", "expires_at": NOW, "digest": b"x", "again": False}
        tx.execute(_insert("entries", theirs))

    database = open_database(empty_url, pool_size=1)
    try:
        await database.write(fill)
        before = await database.read(kept)
        for _ in range(2):
            await database.migrate()
            await database.write(use)
            for wrong in (twin, stray):
                with pytest.raises((AlreadyExists, Conflict, NotFound)):
                    await database.write(wrong)
            assert await database.read(kept) == before
            await database.write(migrating.downgrade, "0012")
            await database.write(migrating.downgrade, "0011")
            assert await database.read(kept) == before
            # Versions with 0011 know no people, and would stumble over what they did.
            assert await database.write(acted) == [json.loads(PERSON) | {"kind": "operator"}] * 2
    finally:
        await database.close()


async def test_who_is_behind_an_earlier_password_is_found_by_the_sessions(empty_url: str) -> None:
    """With 0012, it was not kept by whose link somebody had come in who set it."""
    made = {"created_at": NOW, "updated_at": NOW}

    def fill(tx: Tx) -> None:
        migrating.upgrade(tx, "0012")
        of_org = {"id": "org_1", "name": "Old", "slug": "old", "timezone": "UTC", "week_start": 0} | made
        tx.execute(_insert("organizations", of_org | {"plan": "starter", "sandbox": False}))
        for id_, password in (("psn_1", "hashed"), ("psn_2", None), ("psn_3", "hashed")):
            person = {"name": "Ana", "scopes": ["read"], "active": True, "password": password} | made
            tx.execute(_insert("people", {"org_id": "org_1", "id": id_} | person))
        for n, (person_id, maker) in enumerate(
            [("psn_1", None), ("psn_1", PERSON), ("psn_1", "later"), ("psn_2", PERSON), ("psn_3", None)]
        ):
            theirs = {"org_id": "org_1", "person_id": person_id, "digest": b"%d" % n, "device": ""}
            when = {"begun_at": hours_later(n), "seen_at": NOW, "expires_at": NOW}
            tx.execute(_insert("sessions", theirs | when | {"created_by": maker}))

    def found(tx: Tx) -> list[Any]:
        table = metadata.tables["people"]
        return list(tx.execute(select(table.c.password_by).order_by(table.c.id)).scalars())

    database = open_database(empty_url, pool_size=1)
    try:
        await database.write(fill)
        await database.migrate()
        assert await database.read(found) == [PERSON, None, None]
    finally:
        await database.close()


def _insert(table: str, row: dict[str, Any]) -> Any:
    """Insert a row of an earlier schema, which has no more columns than these."""
    return insert(metadata.tables[table]).values(row)
