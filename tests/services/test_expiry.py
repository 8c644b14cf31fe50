"""What has expired is forgotten, of every organization, whoever comes again; and what has not is kept."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from kalends.courier import Courier
from kalends.db.database import Database, Tx
from kalends.db.opening import open_database
from kalends.db.tables import (
    api_keys,
    appointments,
    idempotency_keys,
    manage_links,
    organizations,
    zone_data,
)
from kalends.delivery.webhooks import Poster
from kalends.ids import digest, first_id_of
from kalends.services.leaving import expiry
from kalends.services.outbox import idempotency
from kalends.services.outbox.idempotency import Ticket
from kalends.worker import Worker
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org
from tests.support.plans import plan

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@pytest.fixture
async def db(own_url: str) -> AsyncIterator[Database]:
    database = open_database(own_url, pool_size=4)
    yield database
    await database.close()


@pytest.fixture
async def worker(db: Database) -> AsyncIterator[Worker]:
    clock, poster = StoppedClock(NOW), Poster(allow_private=True)
    yield Worker(db, clock, Courier(db, clock, poster, None), events_kept=30 * DAY)
    await poster.close()


def booked(org: Org, id_: str, end: datetime, **more: Any) -> dict[str, Any]:
    start = end - timedelta(hours=1)
    return {
        "org_id": org.id,
        "id": id_,
        "appointment_type_id": org.type_id,
        "calendar_id": org.calendar_id,
        "start_time": start,
        "end_time": end,
        "busy_start": start,
        "busy_end": end,
        "overlap_allowed": True,
        "is_hold": False,
        "expires_at": None,
        "client_name": "Jane Doe",
        "client_language": "en",
        "status": "confirmed",
        "source": "manual",
        "version": 1,
        "created_at": start,
        "updated_at": start,
    } | more


async def fill(db: Database, table: Any, *rows: dict[str, Any]) -> None:
    await db.write(lambda tx: tx.execute(insert(table), list(rows)) and None)


async def values(db: Database, column: Any) -> list[Any]:
    def find(tx: Tx) -> list[Any]:
        return sorted(tx.execute(select(column)).scalars())

    return await db.read(find)


async def sandbox(db: Database) -> Org:
    org = await make_org(db, NOW)
    await db.write(
        lambda tx: (
            tx.execute(update(organizations).where(organizations.c.id == org.id).values(sandbox=True))
            and None
        )
    )
    return org


def answer(org: Org, key: str, at: datetime) -> dict[str, Any]:
    return {"org_id": org.id, "key": key, "fingerprint": b"x", "answer": "{}", "created_at": at}


async def test_answers_of_every_organization_are_forgotten_after_their_day(
    db: Database, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "_MOST_AT_ONCE", 2)
    for _ in range(3):
        org = await make_org(db, NOW)
        await fill(
            db,
            idempotency_keys,
            *(answer(org, f"old {n}", NOW - DAY - n * SECOND) for n in range(3)),
            answer(org, "young", NOW - DAY + SECOND),
        )
    await worker.forget()
    assert await values(db, idempotency_keys.c.key) == ["young"] * 3


async def test_a_name_is_free_again_after_its_day_though_nobody_has_forgotten_it(db: Database) -> None:
    org = await make_org(db, NOW)
    await fill(db, idempotency_keys, answer(org, "mine", NOW - DAY))
    ticket = Ticket(org.id, "mine", b"another")
    assert not await db.read(idempotency.is_done, ticket, NOW)
    kept = await db.write(idempotency.once, ticket, NOW, lambda _tx: "new")
    assert (kept.answer, kept.replayed) == ("new", False)
    assert (await db.write(idempotency.once, ticket, NOW + DAY - SECOND, lambda _tx: "newer")).answer == "new"


async def test_links_are_forgotten_long_after_the_end_and_never_before(
    db: Database, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "_MOST_AT_ONCE", 2)
    long = expiry.LINKS_KEPT
    org, trying = await make_org(db, NOW), await sandbox(db)
    young = first_id_of("apt", NOW - 364 * DAY)
    old = first_id_of("apt", NOW - 366 * DAY)
    links: dict[bytes, tuple[Org, str, datetime, datetime]] = {
        b"ended": (org, "apt_1", NOW - long, NOW - long - DAY),
        b"ended, and made a while ago": (org, "apt_2", NOW - 2 * long, NOW - 3 * long),
        b"fresh, of what has ended": (org, "apt_2", NOW - 2 * long, NOW - DAY),
        b"almost": (org, "apt_3", NOW - long + SECOND, NOW - 2 * long),
        b"good": (org, "apt_4", NOW - 29 * DAY, NOW - 2 * long),
        b"ahead": (org, "apt_5", NOW + 700 * DAY, NOW - 300 * DAY),
        b"of a sandbox": (trying, young, NOW - 2 * long, NOW - 3 * long),
        b"of a sandbox, long ago": (trying, old, NOW - 2 * long, NOW - 3 * long),
    }
    ends = {(of.id, id_): booked(of, id_, end) for of, id_, end, _ in links.values()}
    await fill(db, appointments, *ends.values())
    await fill(
        db,
        manage_links,
        *(
            {"org_id": of.id, "appointment_id": id_, "digest": digest(name), "created_at": made}
            for name, (of, id_, _, made) in links.items()
        ),
    )
    await worker.forget()
    kept = await values(db, manage_links.c.digest)
    gone = (b"ended", b"ended, and made a while ago", b"of a sandbox, long ago")
    assert {name for name in links if digest(name) not in kept} == set(gone)
    assert len(await values(db, appointments.c.id)) == len(ends), "appointments are never forgotten"


async def test_a_link_is_kept_whose_appointment_is_moved_meanwhile(db: Database) -> None:
    org = await make_org(db, NOW)
    await fill(db, appointments, booked(org, "apt_1", NOW - 100 * DAY))
    link = {"org_id": org.id, "appointment_id": "apt_1", "digest": b"x", "created_at": NOW - 101 * DAY}
    await fill(db, manage_links, link)
    ended, place = await db.read(expiry.old_links, NOW, None)
    assert (ended, place) == ([b"x"], (NOW - 101 * DAY, b"x"))
    assert await db.read(expiry.old_links, NOW, place) == ([], None)

    def move(tx: Tx) -> None:
        moved = dict.fromkeys(("end_time", "busy_end"), NOW + DAY)
        tx.execute(update(appointments).values(moved))

    await db.write(move)
    await db.write(expiry.forget_links, ended, NOW)
    assert await values(db, manage_links.c.digest) == [b"x"]


async def test_holds_of_sandboxes_nobody_comes_back_to_are_removed(db: Database, worker: Worker) -> None:
    org, trying = await make_org(db, NOW), await sandbox(db)
    hold = {"is_hold": True, "status": "pending"}
    old, young = first_id_of("hold", NOW - 31 * DAY), first_id_of("hold", NOW - 29 * DAY)
    far = datetime(2099, 1, 1, tzinfo=UTC)  # as a Test-Clock had it
    await fill(
        db,
        appointments,
        booked(trying, old, far, **hold, expires_at=far),
        booked(trying, f"{old}x", NOW, **hold, expires_at=NOW - 40 * DAY),
        booked(trying, young, far, **hold, expires_at=NOW - DAY),
        booked(trying, first_id_of("apt", NOW - 90 * DAY), NOW, status="pending", expires_at=NOW - DAY),
        booked(org, old, NOW + DAY, **hold, expires_at=NOW + SECOND),
    )
    await worker.forget()
    assert await values(db, appointments.c.id) == sorted([first_id_of("apt", NOW - 90 * DAY), young, old])


async def test_zone_data_of_long_ago_is_forgotten_and_keys_are_kept(db: Database, worker: Worker) -> None:
    org = await make_org(db, NOW)
    await db.write(lambda tx: tx.execute(zone_data.delete()) and None)
    await fill(
        db,
        zone_data,
        {"version": "2019a", "seen_at": NOW - 91 * DAY},
        {"version": "2023d", "seen_at": NOW - 89 * DAY},
    )
    await db.write(
        lambda tx: (
            tx.execute(
                update(api_keys)
                .where(api_keys.c.org_id == org.id)
                .values(revoked_at=NOW - 900 * DAY, expires_at=NOW - 900 * DAY)
            )
            and None
        )
    )
    await worker.forget()
    assert await values(db, zone_data.c.version) == ["2023d"]
    assert await values(db, api_keys.c.org_id) == [org.id]


async def test_what_has_expired_is_found_along_indexes(db: Database) -> None:
    """However much there is: the databases say how they go about it."""
    org, rows = await make_org(db, NOW), 2_000
    await fill(
        db,
        idempotency_keys,
        *(answer(org, f"key {n}", NOW - n * timedelta(minutes=10)) for n in range(rows)),
    )
    await fill(db, appointments, *(booked(org, f"apt_{n}", NOW - n * DAY / 10) for n in range(rows)))
    await fill(
        db,
        manage_links,
        *(
            {
                "org_id": org.id,
                "appointment_id": f"apt_{n}",
                "digest": digest(f"{n}"),
                "created_at": NOW - n * DAY / 10 - DAY,
            }
            for n in range(rows)
        ),
    )

    def steps(tx: Tx, unit: Any, *args: Any) -> str:
        tx.exec_driver_sql("ANALYZE")
        return plan(tx, lambda: unit(tx, *args), lambda each: each.startswith("SELECT"))

    answers = await db.write(steps, expiry.forget_answers, NOW)
    assert "ix_idempotency_keys_created_at" in answers
    for after in (None, (NOW - 100 * DAY, b"x")):
        links = await db.write(steps, expiry.old_links, NOW, after)
        assert "ix_manage_links_created_at" in links
        assert "SCAN appointments" not in links
        assert "Seq Scan on appointments" not in links
        assert "Seq Scan on manage_links" not in links
    holds = await db.write(steps, expiry.forget_holds, NOW)
    assert "ix_appointments_expires_at" in holds
    for found in (answers, links, holds):
        assert "Sort" not in found
        assert "TEMP B-TREE" not in found
