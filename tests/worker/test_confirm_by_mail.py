"""Bookings that their clients have to confirm by the link in a mail."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from kalends.db.database import Tx
from kalends.db.tables import appointments, events, manage_links, organizations
from tests.support.answers import answered, refused
from tests.support.clients import client_of
from tests.support.desk import APPOINTMENTS, PAGES
from tests.support.letters import BASE
from tests.support.mailbox import Mailbox, Received
from tests.support.organizations import JANE, make_org
from tests.support.practice import DESK, Opening, Practice

pytestmark = [pytest.mark.anyio, pytest.mark.both]

ADDRESS = "jane@example.com"
START = "2024-01-25T14:00:00Z"
UNTIL = "2024-01-20T12:30:00Z"
LINKS = "/v1/public/appointments"


async def by_mail(p: Practice, **kind: Any) -> None:
    await p.desk.set_organization(clients_confirm_by_mail=True)
    if kind:
        await p.desk.set_type(**kind)


async def post(p: Practice, headers: dict[str, str] | None = None, /, **fields: Any) -> httpx.Response:
    wish = JANE | {"appointment_type_id": p.desk.org.type_id} | fields
    return await p.desk.client.post(f"/v1/public/{p.desk.org.slug}/appointments", json=wish, headers=headers)


async def linked(p: Practice) -> str:
    """The token in the one mail that arrives."""
    [mail] = await p.mails()
    return token_of(mail)


def token_of(mail: Received) -> str:
    [token] = re.findall(rf"{BASE}{PAGES}/(\S+)\n", mail.part("text/plain"))
    return str(token)


async def by_link(p: Practice, token: str, what: str, **body: Any) -> httpx.Response:
    return await p.desk.client.post(f"{LINKS}/{token}/{what}", json=body)


async def seen(p: Practice, token: str) -> dict[str, Any]:
    return answered(await p.desk.client.get(f"{LINKS}/{token}"), "appointment")


async def listed(p: Practice) -> list[dict[str, Any]]:
    return list((await p.desk.staff.get(APPOINTMENTS)).json()["appointments"])


async def told(p: Practice) -> list[str]:
    """The types of the events of appointments and the like that anybody is told."""
    found = (await p.desk.staff.get("/v1/events")).json()["events"]
    return [each["type"] for each in found if each["type"].startswith(("appointment.", "booking."))]


async def stored(p: Practice) -> tuple[int, int]:
    """How many rows of appointments and of links there are."""

    def count(tx: Tx) -> tuple[int, int]:
        tables = (appointments, manage_links)
        rows, links = (tx.execute(select(func.count()).select_from(each)).scalar_one() for each in tables)
        return rows, links

    return await p.db.read(count)


async def is_free(p: Practice, start: str = START) -> bool:
    asked = {"appointment_type_id": p.desk.org.type_id, "start_time": start}
    return bool((await p.desk.staff.get("/v1/calendar/slots/explain", params=asked)).json()["bookable"])


async def test_a_booking_holds_its_time_until_it_is_confirmed_by_the_mail(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p)
        answer = (await post(p)).json()
        assert (answer["manage_url"], answer["manage_token"]) == (None, None)
        asked = answer["appointment"]
        assert (asked["status"], asked["expires_at"], asked["to_be_confirmed_by"]) == (
            "pending",
            UNTIL,
            "client",
        )
        # Nobody else sees anything of it, but the time is kept.
        assert await listed(p) == []
        refused(await p.desk.staff.get(f"{APPOINTMENTS}/{asked['id']}"), 404, "not_found")
        refused(await p.desk.staff.get(f"{APPOINTMENTS}/{asked['id']}/history"), 404, "not_found")
        refused(
            await p.desk.staff.patch(f"{APPOINTMENTS}/{asked['id']}", json={"status": "confirmed"}),
            404,
            "not_found",
        )
        refused(await p.desk.staff.post(f"{APPOINTMENTS}/{asked['id']}/manage-link"), 404, "not_found")
        refused(await p.desk.staff.delete(f"/v1/calendar/holds/{asked['id']}"), 404, "not_found")
        refused(
            await p.desk.client.delete(f"/v1/public/{p.desk.org.slug}/holds/{asked['id']}"), 404, "not_found"
        )
        used = await p.desk.staff.post(APPOINTMENTS, json=p.desk.org.wish(hold_id=asked["id"]))
        refused(used, 409, "hold_gone")
        refused(await post(p, client_email="eve@example.com", hold_id=asked["id"]), 409, "hold_gone")
        body = refused(await post(p, client_email="eve@example.com"), 409, "slot_taken")
        assert asked["id"] not in str(body)
        refused(await p.desk.staff.post(APPOINTMENTS, json=p.desk.org.wish()), 409, "slot_taken")

        [mail] = await p.mails()
        assert mail.recipients == [ADDRESS]
        assert mail.subject.startswith(
            "Please confirm your booking: Tax Consultation, Thursday, January 25, 2024"
        )
        for kind in ("text/plain", "text/html"):
            assert "Its time is kept for you until then: Saturday, January 20, 2024, 12:30" in mail.part(kind)
            assert "If you did not ask for it" in mail.part(kind)
        assert "text/calendar" not in [part.get_content_type() for part in mail.message.walk()]
        assert await told(p) == []
        token = token_of(mail)
        assert await seen(p, token) == asked

        p.clock.forward(minutes=29, seconds=59)
        confirmed = answered(await by_link(p, token, "confirm"), "appointment")
        now = "2024-01-20T12:29:59Z"
        assert confirmed == asked | {
            "status": "confirmed",
            "expires_at": None,
            "to_be_confirmed_by": None,
            "changeable_until": START,
            "created_at": now,
        }
        [row] = await listed(p)
        shown = {
            "id": asked["id"],
            "version": 1,
            "source": "booking_page",
            "created_at": now,
            "updated_at": now,
        }
        assert row | shown | {"confirmed_at": now, "status": "confirmed"} == row
        history = (await p.desk.staff.get(f"{APPOINTMENTS}/{asked['id']}/history")).json()["history"]
        assert [(each["version"], each["actor"]["kind"], each["at"]) for each in history] == [
            (1, "client", now)
        ]
        mails = await p.mails()
        assert sorted((mail.recipients[0], mail.subject.partition(":")[0]) for mail in mails) == [
            (DESK, "Booked"),
            (ADDRESS, "Your appointment is confirmed"),
        ]
        assert await told(p) == ["appointment.created"]
        # Again is the same, also when it would have lapsed.
        p.clock.forward(hours=1)
        assert answered(await by_link(p, token, "confirm"), "appointment") == confirmed
        assert await p.mails() == []
        assert len(await listed(p)) == 1
        assert await told(p) == ["appointment.created"]
        moved = answered(
            await by_link(p, token, "reschedule", start_time="2024-01-26T14:00:00Z"), "appointment"
        )
        assert moved["start_time"] == "2024-01-26T14:00:00Z"


async def test_what_staff_have_to_confirm_is_a_request_once_its_client_has(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p, requiresConfirmation=True, confirmWithinHours=4)
        await post(p)
        token = await linked(p)
        p.clock.forward(minutes=10)
        confirmed = answered(await by_link(p, token, "confirm"), "appointment")
        assert (confirmed["status"], confirmed["expires_at"]) == ("pending", "2024-01-20T16:10:00Z")
        assert confirmed["to_be_confirmed_by"] == "organization"
        assert answered(await by_link(p, token, "confirm"), "appointment") == confirmed
        subjects = sorted(mail.subject.partition(":")[0] for mail in await p.mails())
        assert subjects == ["To be confirmed", "We have received your request"]
        p.id = confirmed["id"]
        assert (await p.change(status="confirmed"))["version"] == 2


async def test_what_is_not_confirmed_in_time_is_gone(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p)
        await post(p)
        token = await linked(p)
        p.clock.forward(minutes=30)
        assert await is_free(p)
        sentence = "This booking was not confirmed in time, so its time was given back; please book again."
        for response in (
            await by_link(p, token, "confirm"),
            await by_link(p, token, "cancel"),
            await by_link(p, token, "reschedule", start_time="2024-01-26T14:00:00Z"),
            await p.desk.client.get(f"{LINKS}/{token}"),
            await p.desk.client.get(f"{LINKS}/{token}.ics"),
        ):
            assert refused(response, 404, "not_found")["error"] == sentence
        assert await p.mails() == []  # and settles it
        assert await stored(p) == (0, 0)
        refused(await by_link(p, token, "confirm"), 404, "not_found")
        # Whoever is first takes the time, before the worker has written anything down.
        await post(p)
        token = await linked(p)
        p.clock.forward(minutes=30)
        await p.book()
        refused(await by_link(p, token, "confirm"), 404, "not_found")
        assert await told(p) == ["appointment.created"]


async def test_it_must_be_confirmed_before_it_begins(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p, minNoticeHours=0)
        body = refused(await post(p, start_time="2024-01-20T12:00:00Z"), 409, "too_soon")
        assert "could not be confirmed" in body["error"]
        asked = (await post(p, start_time="2024-01-20T13:00:00Z")).json()["appointment"]
        assert asked["expires_at"] == UNTIL
        p.clock.forward(minutes=50)
        asked = (await post(p, start_time="2024-01-20T13:00:00Z")).json()["appointment"]
        assert asked["expires_at"] == "2024-01-20T13:00:00Z"


async def test_its_client_can_give_the_time_back(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p)
        await post(p)
        token = await linked(p)
        cancelled = answered(await by_link(p, token, "cancel", reason="Ill."), "appointment")
        assert (cancelled["status"], cancelled["expires_at"]) == ("cancelled", None)
        assert await is_free(p)
        assert answered(await by_link(p, token, "cancel", reason="Again."), "appointment") == cancelled
        assert await seen(p, token) == cancelled
        refused(await by_link(p, token, "confirm"), 409, "illegal_transition")
        refused(
            await by_link(p, token, "reschedule", start_time="2024-01-26T14:00:00Z"),
            409,
            "illegal_transition",
        )
        assert (await listed(p), await told(p), await p.mails()) == ([], [], [])
        p.clock.forward(minutes=30)
        await p.work()
        assert await stored(p) == (0, 0)


async def test_it_is_not_moved_before_it_is_confirmed(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p)
        asked = (await post(p)).json()["appointment"]
        token = await linked(p)
        moved = await by_link(p, token, "reschedule", start_time="2024-01-26T14:00:00Z")
        body = refused(moved, 409, "illegal_transition")
        assert body["details"] == {"status": "pending", "allowed": ["confirmed", "cancelled"]}
        assert await seen(p, token) == asked


async def test_an_address_is_required_and_nothing_else_changes(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p)
        body = refused(await post(p, client_email=None), 400, "invalid_request")
        assert body["details"]["fields"][0]["field"] == "client_email"
        assert await stored(p) == (0, 0)
        booked = await p.book(client_email=None)  # staff book as ever
        assert booked["status"] == "confirmed"
        await p.desk.set_organization(clients_confirm_by_mail=False)
        assert (await post(p, client_email=None, start_time="2024-01-26T14:00:00Z")).json()["manage_token"]


async def test_a_hold_may_be_used_for_it(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p)
        wish = {"appointment_type_id": p.desk.org.type_id, "start_time": START}
        held = answered(await p.desk.client.post(f"/v1/public/{p.desk.org.slug}/holds", json=wish), "hold")[
            "id"
        ]
        asked = (await post(p, hold_id=held)).json()["appointment"]
        assert (asked["status"], asked["start_time"], asked["expires_at"]) == ("pending", START, UNTIL)
        refused(await post(p, hold_id=held), 409, "hold_gone")
        assert answered(await by_link(p, await linked(p), "confirm"), "appointment")["status"] == "confirmed"


async def test_a_replay_is_answered_as_the_first_time_and_brings_no_token(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p)
        key = {"Idempotency-Key": "once"}
        first = await post(p, key)
        token = await linked(p)
        for _ in range(2):
            again = await post(p, key)
            assert again.headers["idempotent-replayed"] == "true"
            assert again.json() == first.json()
            answered(await by_link(p, token, "confirm"), "appointment")
        assert await stored(p) == (1, 1)
        rehearsed = await p.desk.client.post(
            f"/v1/public/{p.desk.org.slug}/appointments",
            json=p.desk.org.wish(start_time="2024-01-26T14:00:00Z"),
            params={"dry_run": "true"},
        )
        assert rehearsed.json()["appointment"]["status"] == "pending"
        assert len(await p.mails()) == 2  # those of the confirmation


async def test_a_replayed_booking_that_was_not_by_mail_has_one_more_link(opening: Opening) -> None:
    """Also when the setting was changed in between."""
    async with opening() as p:
        key = {"Idempotency-Key": "once"}
        first = (await post(p, key)).json()
        await by_mail(p)
        again = (await post(p, key)).json()
        assert again["appointment"] == first["appointment"]
        for token in (first["manage_token"], again["manage_token"]):
            assert (await seen(p, token))["id"] == first["appointment"]["id"]


async def test_what_waits_counts_for_the_caps_of_its_client_and_of_its_address(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p, maxOpenPerClient=2)
        starts = [f"2024-01-25T{hour:02}:00:00Z" for hour in range(20)]
        responses = await asyncio.gather(*(post(p, start_time=start) for start in starts))
        assert sorted(each.json().get("code", "") for each in responses) == [""] * 2 + ["too_many_open"] * 18
        responses = await asyncio.gather(
            *(
                post(p, start_time=f"2024-01-26T{hour:02}:00:00Z", client_email=f"client{hour}@example.com")
                for hour in range(20)
            )
        )
        assert sorted(each.json().get("code", "") for each in responses) == [""] * 3 + ["too_many_holds"] * 17
        # What is confirmed holds nothing any more, but is still that client's.
        tokens = [token_of(mail) for mail in await p.mails()]
        assert len(tokens) == 5
        for token in tokens:
            answered(await by_link(p, token, "confirm"), "appointment")
        refused(await post(p, start_time="2024-01-27T09:00:00Z"), 409, "too_many_open")
        for hour in range(5):
            answer = await post(
                p, start_time=f"2024-01-27T{hour:02}:00:00Z", client_email=f"new{hour}@example.com"
            )
            assert answer.status_code == 200


async def test_of_a_confirmation_and_a_cancellation_at_once_one_is_made(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p, maxOpenPerClient=None)
        for hour in range(6):
            await post(p, start_time=f"2024-01-25T{hour:02}:00:00Z")
            token = token_of((await p.mails())[0])
            answers = await asyncio.gather(
                *(by_link(p, token, what) for what in ("confirm", "cancel", "confirm"))
            )
            status = (await seen(p, token))["status"]
            assert answers[1].status_code == 200
            assert status == "cancelled"
            assert {each.status_code for each in answers} <= {200, 409}
            told_of_it = (await told(p))[-2:]
            if answers[0].status_code == 200 or answers[2].status_code == 200:
                assert told_of_it == ["appointment.created", "appointment.cancelled"]
            await p.mails()


async def test_many_confirmations_at_once_make_one_appointment(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p)
        await post(p)
        token = await linked(p)
        answers = await asyncio.gather(*(by_link(p, token, "confirm") for _ in range(10)))
        assert len({each.text for each in answers}) == 1
        assert await told(p) == ["appointment.created"]
        assert len(await p.mails()) == 2


async def test_no_webhook_is_told_before_it_is_confirmed(opening: Opening) -> None:
    async with opening(webhooks_allow_private=True) as p:
        await by_mail(p)
        wish = {"url": "http://127.0.0.1:9/hook", "events": ["*", "appointment.*"]}
        made = (await p.desk.staff.post("/v1/webhooks", json=wish)).json()["data"]["id"]
        await post(p)
        await p.mails()
        span = {"from": "2024-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"}
        await p.desk.staff.post(f"/v1/webhooks/{made}/replay", json=span)

        def asked(tx: Tx) -> list[str]:
            return list(tx.execute(select(events.c.type).where(events.c.seq.is_not(None))).scalars())

        assert "booking.asked" in await p.db.read(asked)
        deliveries = (await p.desk.staff.get(f"/v1/webhooks/{made}/deliveries")).json()["data"]
        assert "booking.asked" not in [each["event"] for each in deliveries]
        refused(
            await p.desk.staff.get("/v1/events", params={"types": "booking.asked"}), 400, "invalid_request"
        )
        unknown = await p.desk.staff.post("/v1/webhooks", json=wish | {"events": ["booking.asked"]})
        assert unknown.status_code == 400


async def test_staff_see_which_mails_ask_and_may_send_them_again_while_they_wait(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p)
        asked = (await post(p)).json()["appointment"]
        await p.mails()
        [mail] = (await p.desk.staff.get("/v1/mails")).json()["mails"]
        assert (mail["event"], mail["audience"], mail["to"]) == ("booking.asked", "client", ADDRESS)
        assert mail["appointment_id"] == asked["id"]
        answered(await p.desk.staff.post(f"/v1/mails/{mail['id']}/replay"), "mail")
        token = await linked(p)
        answered(await by_link(p, token, "cancel"), "appointment")
        refused(await p.desk.staff.post(f"/v1/mails/{mail['id']}/replay"), 409, "conflict")
        p.clock.forward(hours=1)
        await p.work()
        refused(await p.desk.staff.post(f"/v1/mails/{mail['id']}/replay"), 409, "conflict")


async def test_a_mail_that_comes_too_late_is_not_sent(opening: Opening, mailbox: Mailbox) -> None:
    async with opening() as p:
        await by_mail(p)
        await post(p)
        await mailbox.close()
        await p.work()
        p.clock.forward(minutes=45)
        await mailbox.open()
        p.clock.forward(hours=1)
        assert await p.mails() == []
        assert await stored(p) == (0, 0)


async def test_a_type_can_be_deleted_once_nothing_waits(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p)
        path = f"/v1/calendar/appointment-types/{p.desk.org.type_id}"
        for what in ("cancel", None):
            await post(p)
            token = await linked(p)
            refused(await p.desk.staff.delete(path), 409, "in_use")
            if what:
                answered(await by_link(p, token, what), "appointment")
            else:
                p.clock.forward(minutes=30)
        assert (await p.desk.staff.delete(path)).status_code == 200
        assert await stored(p) == (0, 0)


async def test_other_addresses_can_be_given_once_it_is_confirmed(opening: Opening) -> None:
    """And the old one, which was asked, is told so."""
    async with opening() as p:
        await by_mail(p)
        p.id = (await post(p)).json()["appointment"]["id"]
        token = await linked(p)
        await by_link(p, token, "confirm")
        await p.mails()
        await p.change(client_email="john@example.com")
        refused(await by_link(p, token, "confirm"), 404, "not_found")
        assert {mail.recipients[0] for mail in await p.mails()} == {ADDRESS, "john@example.com"}


@pytest.mark.parametrize(
    ("lacking", "named"),
    [({"smtp_host": ""}, "KALENDS_SMTP_HOST"), ({"public_url": ""}, "KALENDS_PUBLIC_URL")],
)
async def test_it_takes_a_server_that_mails_links(
    opening: Opening, lacking: dict[str, str], named: str
) -> None:
    async with opening(**lacking) as p:
        changed = await p.desk.staff.patch("/v1/organization", json={"clients_confirm_by_mail": True})
        body = refused(changed, 400, "invalid_request")
        assert body["error"].startswith("clients_confirm_by_mail can't be true: this server's operator has ")
        assert named in body["error"]
        assert body["details"]["fields"][0]["field"] == "clients_confirm_by_mail"
        shown = answered(await p.desk.staff.get("/v1/organization"), "organization")
        assert shown["clients_confirm_by_mail"] is False
        await p.desk.set_organization(clients_confirm_by_mail=False)


async def test_where_no_links_are_mailed_any_more_nobody_books_unconfirmed(opening: Opening) -> None:
    def confirming(tx: Tx) -> None:
        tx.execute(update(organizations).values(clients_confirm_by_mail=True))

    async with opening(smtp_host="") as q:
        await q.db.write(confirming)
        response = await post(q)
        body = refused(response, 503, "unavailable")
        assert body["error"].startswith("Bookings have to be confirmed by mail here, and no mails are sent")
        assert response.headers["retry-after"]
        assert await stored(q) == (0, 0)
        # What is shown may be sent back.
        shown = answered(await q.desk.staff.get("/v1/organization"), "organization")
        assert answered(await q.desk.staff.patch("/v1/organization", json=shown), "organization")[
            "clients_confirm_by_mail"
        ]


async def test_nobody_confirms_what_is_anothers(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p)
        await post(p)
        token = await linked(p)
        other = await make_org(p.db, p.clock.now())
        async with client_of(p.desk.app, other.key) as staff:
            assert (await staff.get(APPOINTMENTS)).json()["appointments"] == []
            assert (await staff.get("/v1/mails")).json()["mails"] == []
        refused(
            await by_link(p, token[:-1] + ("A" if token[-1] != "A" else "B"), "confirm"), 404, "not_found"
        )
        assert answered(await by_link(p, token, "confirm"), "appointment")["status"] == "confirmed"


async def test_the_hold_that_is_used_gives_its_place_to_what_waits(opening: Opening) -> None:
    async with opening() as p:
        await by_mail(p)
        starts = [f"2024-01-25T{hour:02}:00:00Z" for hour in range(5)]
        held = []
        for start in starts:
            wish = {"appointment_type_id": p.desk.org.type_id, "start_time": start}
            held.append(
                answered(await p.desk.client.post(f"/v1/public/{p.desk.org.slug}/holds", json=wish), "hold")[
                    "id"
                ]
            )
        refused(await post(p), 409, "too_many_holds")
        for number, (start, id_) in enumerate(zip(starts, held, strict=True)):
            address = f"client{number}@example.com"
            assert (await post(p, start_time=start, hold_id=id_, client_email=address)).status_code == 200
        refused(await post(p), 409, "too_many_holds")
