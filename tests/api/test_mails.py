"""`/v1/mails`: what became of mails, and sending one once more."""

from typing import Any

import pytest
from sqlalchemy import insert

from kalends.db.database import Tx
from kalends.db.opening import open_database
from kalends.db.tables import deliveries, events, receivers
from kalends.schemas.mails import MailsQuery
from kalends.services.leaving import mails
from tests.services.test_appointment_lists import analyze
from tests.support.answers import answered, refused
from tests.support.clock import StoppedClock
from tests.support.organizations import links_of, make_org
from tests.support.plans import plan
from tests.support.practice import DESK, Opening, Practice

pytestmark = [pytest.mark.anyio, pytest.mark.both]

MAILS = "/v1/mails"
JANE = "jane@example.com"
NO_REMINDER = {"reminderHours": None}


async def listed(p: Practice, **query: Any) -> list[dict[str, Any]]:
    response = await p.desk.staff.get(MAILS, params=query)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["mails"]
    return found


async def replay(p: Practice, mail: dict[str, Any], **options: Any) -> Any:
    return await p.desk.staff.post(f"{MAILS}/{mail['id']}/replay", **options)


async def test_mails_are_listed_with_what_became_of_them(opening: Opening) -> None:
    async with opening() as p:
        p.mailbox.refusals.append("550 no such mailbox")
        await p.ask(client_email="nobody@example.com")
        assert await listed(p) == []  # the worker has not seen it yet
        await p.work()
        found = await listed(p)
        assert [each["id"] for each in found] == sorted((each["id"] for each in found), reverse=True)
        by = {each["audience"]: each for each in found}
        assert by.keys() == {"client", "staff", "reminder"}
        assert {each["appointment_id"] for each in found} == {p.id}
        assert {each["event"] for each in found} == {"appointment.created"}
        client = by["client"]
        assert client == client | {
            "to": "nobody@example.com",
            "status": "failed",
            "attempts": 1,
            "next_attempt_at": None,
            "last_attempt_at": "2024-01-20T12:00:00Z",
            "answer_code": 550,
            "answer": "no such mailbox",
            "error": None,
            "created_at": "2024-01-20T12:00:00Z",
        }
        assert (by["staff"]["status"], by["staff"]["to"], by["staff"]["answer"]) == (
            "delivered",
            DESK,
            "kept",
        )
        reminder = by["reminder"]
        assert (reminder["status"], reminder["to"], reminder["attempts"]) == ("pending", None, 0)
        assert reminder["next_attempt_at"] == "2024-01-24T14:00:00Z"
        assert answered(await p.desk.staff.get(f"{MAILS}/{client['id']}"), "mail") == client


async def test_a_mail_server_that_is_away_is_seen_in_the_list(opening: Opening) -> None:
    async with opening(kind=NO_REMINDER) as p:
        await p.mailbox.close()
        await p.book()
        await p.work()
        [_reminder, mail] = await listed(p, status="pending", appointment_id=p.id)
        assert (mail["attempts"], mail["to"], mail["answer_code"]) == (1, JANE, None)
        assert "SMTPConnectError" in mail["error"]
        assert mail["next_attempt_at"] > "2024-01-20T12:00:00Z"


async def test_pages_and_filters(opening: Opening) -> None:
    async with opening(kind=NO_REMINDER) as p:
        booked = [await p.book(start_time=f"2024-02-0{day}T14:00:00Z") for day in (1, 2, 3)]
        await p.work()
        every = await listed(p)
        pages, cursor = [], None
        while True:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await p.desk.staff.get(MAILS, params=query)).json()
            pages += page["mails"]
            if (cursor := page["next_cursor"]) is None:
                break
        assert pages == every
        assert len(every) == 6 + 3  # to the client, to staff, who did it themselves, and reminders of none
        delivered = await listed(p, status="delivered")
        assert [each["appointment_id"] for each in delivered] == [each["id"] for each in reversed(booked)]
        of_one = await listed(p, appointment_id=booked[1]["id"])
        assert {each["audience"] for each in of_one} == {"client", "staff", "reminder"}
        assert {each["appointment_id"] for each in of_one} == {booked[1]["id"]}
        assert await listed(p, appointment_id="apt_none") == []
        for wrong in ({"status": "gone"}, {"limit": 0}, {"limit": 1001}, {"cursor": ""}):
            refused(await p.desk.staff.get(MAILS, params=wrong), 400, "invalid_request")
        refused(await p.desk.staff.get(f"{MAILS}/dlv_none"), 404, "not_found")


async def test_a_mail_is_sent_once_more_as_a_new_one(opening: Opening) -> None:
    async with opening(kind=NO_REMINDER) as p:
        await p.book()
        [first] = await p.mails()
        [mail] = await listed(p, status="delivered")
        rehearsed = await replay(p, mail, params={"dry_run": "true"})
        assert rehearsed.status_code == 200
        assert await p.mails() == []
        headers = {"Idempotency-Key": "again"}
        for _ in range(2):
            again = answered(await replay(p, mail, headers=headers), "mail")
        assert again["id"] != mail["id"]
        assert (again["status"], again["event_id"], again["to"]) == ("pending", mail["event_id"], None)
        [second] = await p.mails()
        assert (second.recipients, second.subject) == (first.recipients, first.subject)
        assert len(await listed(p, status="delivered")) == 2


async def test_a_mail_that_waits_is_sent_now_and_once(opening: Opening) -> None:
    async with opening(kind=NO_REMINDER) as p:
        await p.mailbox.close()
        await p.book()
        await p.change(start_time="2024-01-26T14:00:00Z")
        await p.work()
        await p.mailbox.open()
        waiting = await listed(p, status="pending")
        newest = next(each for each in waiting if each["audience"] == "client")
        again = answered(await replay(p, newest), "mail")
        assert (again["id"], again["next_attempt_at"]) == (newest["id"], "2024-01-20T12:00:00Z")
        # What is to be told before it goes with it, in its order.
        assert [mail.subject.partition(":")[0] for mail in await p.mails()] == [
            "Your appointment is confirmed",
            "Your appointment was moved",
        ]
        p.clock.forward(days=1)
        assert await p.mails() == []


async def test_what_nobody_would_want_any_more_stays_unsent(opening: Opening) -> None:
    async with opening() as p:
        await p.book()
        await p.mails()
        by = {each["audience"]: each for each in await listed(p)}
        refused(await replay(p, by["reminder"]), 409, "conflict")  # it comes when its time comes
        refused(await replay(p, by["staff"]), 409, "conflict")  # staff did it themselves
        await p.change(start_time="2024-01-26T14:00:00Z")
        told = refused(await replay(p, by["client"]), 409, "conflict")
        assert "changed since" in told["error"]
        await p.mails()
        moved = next(each for each in await listed(p, status="delivered") if each["id"] != by["client"]["id"])
        answered(await replay(p, moved), "mail")
        assert [mail.subject.partition(":")[0] for mail in await p.mails()] == ["Your appointment was moved"]
        await p.change(client_email="joe@example.com")
        await p.mails()
        refused(await replay(p, moved), 409, "conflict")  # it would go to an address that is not the client's
        p.clock.forward(days=30)
        for mail in await listed(p):
            told = refused(await replay(p, mail), 409, "conflict")
        sent = await listed(p, status="delivered")
        assert await p.mails() == []
        assert await listed(p, status="delivered") == sent
        refused(await p.desk.staff.post(f"{MAILS}/dlv_none/replay"), 404, "not_found")


async def test_asking_whether_a_mail_is_wanted_leaves_no_link(opening: Opening) -> None:
    async with opening(kind=NO_REMINDER) as p:
        await p.book()
        await p.mails()
        links = await p.db.read(links_of, p.desk.org.id)
        [mail] = await listed(p, status="delivered")
        answered(await replay(p, mail), "mail")
        assert await p.db.read(links_of, p.desk.org.id) == links


async def test_without_a_mail_server_the_list_is_what_there_is(opening: Opening) -> None:
    async with opening(smtp_host="") as p:
        await p.book()
        await p.work()
        assert await listed(p) == []
    async with opening(kind=NO_REMINDER) as p:
        await p.book()
        await p.work()
        org = p.desk.org
        [mail] = await listed(p, status="delivered")
    async with opening(smtp_host="") as p:
        p.desk.staff.headers["Authorization"] = f"Bearer {org.key}"
        assert mail in await listed(p)
        told = refused(await replay(p, mail), 409, "conflict")
        assert "KALENDS_SMTP_HOST" in told["error"]


async def test_the_mails_of_an_appointment_are_read_along_an_index(own_url: str) -> None:
    now, many = StoppedClock().now(), 20_000
    db = open_database(own_url, pool_size=1)
    try:
        org = await make_org(db, now)

        def fill(tx: Tx) -> None:
            event = {"org_id": org.id, "type": "appointment.created", "payload": "{}", "occurred_at": now}
            made = [event | {"id": f"evt_{n:07}", "subject_id": f"apt_{n:07}", "seq": n} for n in range(many)]
            mailbox = {"org_id": org.id, "id": "mail", "kind": "mail", "url": "", "events": [], "secret": ""}
            tx.execute(insert(receivers), mailbox | {"active": True, "created_at": now, "updated_at": now})
            tx.execute(insert(events), made)
            sent: dict[str, Any] = {
                "org_id": org.id,
                "receiver_id": "mail",
                "audience": "client",
                "status": "delivered",
            }
            sent |= {"attempts": 1, "created_at": now}
            rows = [
                sent
                | {
                    "id": f"dlv_{n:07}",
                    "event_id": f"evt_{n:07}",
                    "appointment_id": f"apt_{n:07}",
                    "place": n,
                }
                for n in range(many)
            ]
            tx.execute(insert(deliveries), rows)

        await db.write(fill)
        await db.write(analyze)

        def steps(tx: Tx) -> str:
            query = MailsQuery(appointment_id="apt_0000500")
            return plan(
                tx,
                lambda: mails.page(tx, org.id, query, of_people=False),
                lambda each: "FROM deliveries" in each,
            )

        found = await db.read(steps)
        assert "ix_deliveries_org_id_appointment_id_id" in found, found

        def newest(tx: Tx) -> str:
            return plan(
                tx,
                lambda: mails.page(tx, org.id, MailsQuery(), of_people=True),
                lambda each: "FROM deliveries" in each,
            )

        found = await db.read(newest)
        assert "SCAN deliveries" not in found
        assert "Seq Scan on deliveries" not in found
    finally:
        await db.close()
