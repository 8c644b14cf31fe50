"""The stations of the tour: what is asked of each operation, and what each is made to refuse.

One function for each part of the API.
"""

import base64
from typing import Any

from sqlalchemy import delete

from kalends.db.tables import type_calendars
from kalends.demo import ORG_ID
from kalends.services.booking import manage_links
from kalends.services.leaving.webhooks import MOST_WEBHOOKS
from kalends.services.outbox import event_order
from kalends.services.setup.blocked_time import MOST_TIMES
from kalends.services.setup.organizations import MOST_FORMER_SLUGS
from kalends.services.setup.sources import MOST_SOURCES
from tests.support.elsewhere import busy
from tests.support.organizations import JANE
from tests.support.pictures import png
from tests.support.receiver import Receiver
from tests.support.tour import DAV, FRIDAY, HOOK, LIMIT, START, TYPE, Tour

WISH: dict[str, Any] = {"appointment_type_id": TYPE} | JANE
"""The reference's own example."""
THURSDAY = START[:10]
CLIENT = WISH | {"start_time": f"{FRIDAY}T09:00:00Z", "answers": {"first_visit": True}}
QUESTION = {"id": "first_visit", "type": "checkbox", "label": "Is it your first visit?", "required": False}
SKIPPED, REPEATED = "2024-03-31T02:30:00", "2024-10-27T02:30:00"
"""In Berlin the one does not exist, and the other happens twice."""
BLOCK: dict[str, Any] = {"all": True, "start_time": f"{FRIDAY}T11:00:00Z", "end_time": f"{FRIDAY}T12:00:00Z"}
BIG = b'{"client_notes": "' + b"." * 70_000 + b'"}'


async def whole(tour: Tour) -> None:
    """Walk it all."""
    await health(tour)
    await organization(tour)
    await people(tour)
    await types(tour)
    room = await calendars(tour)
    await hours(tour)
    async with Receiver() as receiver:
        webhook = await webhooks(tour, receiver)
        await appointments(tour)
        await blocks(tour)
        await holds(tour)
        await search(tour)
        await public(tour)
        await mails(tour)
        await feeds(tour)
        await confirmation(tour)
        await shares(tour)
        await deliveries(tour, webhook)
    await events(tour)
    for operation in list(tour.asked):
        await tour.spoil(operation)
    await refused_by_the_rules(tour, room)
    await refused_by_the_clocks(tour)
    await refused_at_the_gate(tour)
    await refused_by_the_state(tour, room)
    await too_late(tour)
    await moved(tour)


async def health(tour: Tour) -> None:
    await tour.ask("health.live")
    await tour.ask("health.ready")


async def organization(tour: Tour) -> None:
    await tour.ask("organization.get")
    await tour.ask("organization.change", {"notification_email": "desk@example.com"})
    await tour.refuse("organization.change", "already_exists", {"slug": "neighbours"})
    await tour.ask("organization.delete_logo")
    await tour.refuse("organization.delete_logo", "not_found")
    await tour.ask("organization.set_logo", png())
    await tour.refuse("organization.set_logo", "not_a_picture", b"<svg/>")
    await tour.refuse("organization.set_logo", "body_too_large", BIG * 3)
    await tour.app.state.context.key_use.flush()
    await tour.ask("keys.current")
    key = await tour.ask("keys.create", {"name": "Web", "scopes": ["read", "write"], "expires_in_days": 90})
    await tour.ask("keys.list")
    await tour.ask("keys.revoke", id=key["key"]["id"])


async def people(tour: Tour) -> None:
    wish = {"name": "Ben Okafor", "email": "ben@example.com", "scopes": ["read", "write"]}
    key = {"Idempotency-Key": "ben"}
    ben = (await tour.ask("people.create", wish, headers=key))["person"]["id"]
    await tour.refuse("people.create", "idempotency_key_reused", wish | {"name": "Bob"}, headers=key)
    await tour.refuse("people.create", "already_exists", wish)
    await tour.refuse("people.create", "not_found", {"name": "Bea", "calendar_id": "cal_none"})
    await tour.ask("people.list")
    await tour.ask("people.get", id=ben)
    await tour.ask("people.invite", {"send": False}, id=ben)
    await tour.ask("people.change_one", {"language": "de"}, id=ben)
    other = {"name": "Bea Moreau", "email": "bea@example.com"}
    bea = (await tour.ask("people.create", other))["person"]["id"]
    await tour.refuse("people.change_one", "already_exists", {"email": "ben@example.com"}, id=bea)
    await tour.ask("people.delete", id=bea)


async def types(tour: Tour) -> None:
    wish = {"name": "Annual Review", "durationMinutes": 45, "bufferAfterMinutes": 15, "color": "#10b981"}
    made = (await tour.ask("appointment_types.create", wish))["appointmentType"]
    await tour.ask("appointment_types.list", query={"isActive": "true"})
    await tour.ask("appointment_types.get", id=TYPE)
    questions = {"bookingQuestions": [QUESTION]}
    await tour.ask("appointment_types.update", {"id": TYPE, **questions})
    await tour.ask("appointment_types.change_one", {"durationMinutes": 50}, id=made["id"])
    await tour.refuse("appointment_types.delete", "in_use", id=TYPE)
    await tour.ask("appointment_types.delete", id=made["id"])


async def hours(tour: Tour) -> None:
    saturday = {"day_of_week": 6, "start_time": "10:00:00", "end_time": "13:00:00"}
    week = [
        {"day_of_week": day, "start_time": "09:00:00", "end_time": "17:00:00", "is_active": True}
        for day in range(1, 6)
    ]
    window = (await tour.ask("availability.create", saturday))["schedule"]
    await tour.ask("availability.list")
    await tour.ask("availability.delete", id=window["id"])
    await tour.ask("availability.replace", {"schedules": week})
    elsewhere = {"schedules": [week[0] | {"appointment_type_id": "unknown"}]}
    await tour.refuse("availability.replace", "not_found", elsewhere)

    evenings = {"day_of_week": 2, "start_time": "17:00:00", "end_time": "20:00:00"}
    wish = {"name": "Evenings", "timezone": "Europe/Berlin", "windows": [evenings]}
    schedule = (await tour.ask("schedules.create", wish))["schedule"]
    await tour.ask("schedules.list")
    await tour.ask("schedules.get", id=schedule["id"])
    later = {"windows": [evenings | {"end_time": "21:00:00"}]}
    await tour.ask("schedules.change_one", later, id=schedule["id"])

    await days(tour, "overrides", {})
    await days(tour, "schedule_overrides", {"schedule_id": schedule["id"]})
    calendar = {"name": "Evening desk", "schedule_id": schedule["id"]}
    desk = (await tour.ask("calendars.create", calendar))["calendar"]
    await tour.refuse("schedules.delete", "in_use", id=schedule["id"])
    await tour.ask("calendars.change_one", {"schedule_id": None}, id=desk["id"])
    await tour.ask("schedules.delete", id=schedule["id"])


async def days(tour: Tour, which: str, of: dict[str, str]) -> None:
    wish = {
        "date": "2024-12-24",
        "windows": [{"start_time": "09:00:00", "end_time": "12:00:00"}],
        "reason": "Christmas Eve",
    }
    override = (await tour.ask(f"{which}.create", wish, **of))["override"]
    await tour.ask(f"{which}.get", id=override["id"], **of)
    await tour.ask(f"{which}.change_one", {"windows": []}, id=override["id"], **of)
    await tour.ask(f"{which}.list", query={"from": "2024-12-01", "to": "2024-12-31"}, **of)
    await tour.ask(f"{which}.delete", id=override["id"], **of)
    holidays = await tour.ask(f"{which}.add_holidays", {"country": "DE", "year": 2024}, **of)
    for each in holidays["overrides"]:
        await tour.ask(f"{which}.delete", id=each["id"], **of)


async def calendars(tour: Tour) -> str:
    """A room that serves no type; its id."""
    await tour.ask("calendars.list")
    room = (await tour.ask("calendars.create", {"name": "Room 2", "color": "#10b981"}))["calendar"]["id"]
    await tour.ask("calendars.get", id=room)
    await tour.ask("calendars.change_one", {"name": "Room 2, first floor"}, id=room)
    await sources(tour, str(room))
    third = (await tour.ask("calendars.create", {"name": "Room 3"}))["calendar"]["id"]
    await tour.ask("calendars.delete", id=third)
    return str(room)


async def sources(tour: Tour, calendar: str) -> None:
    """A calendar elsewhere, which is read twice; then there are as many as there may be."""
    of = {"calendar_id": calendar}
    wish = {"kind": "caldav", "url": DAV, "username": "weber", "password": "an app password"}
    source = (await tour.ask("sources.create", wish, **of))["source"]["id"]
    await tour.read_sources()
    await tour.ask("sources.list", **of)
    await tour.ask("sources.get", id=source, **of)
    await tour.ask("sources.refresh", id=source, **of)
    await tour.ask("sources.delete", id=source, **of)
    for _ in range(MOST_SOURCES):
        last = await tour.ask("sources.create", wish, **of)
    await tour.refuse("sources.create", "conflict", wish, **of)
    await tour.ask("sources.delete", id=last["source"]["id"], **of)


async def webhooks(tour: Tour, receiver: Receiver) -> str:
    """A webhook whose receiver answers; its id."""
    wish = {"name": "Our CRM", "url": HOOK, "events": ["appointment.*"]}
    webhook = (await tour.ask("webhooks.create", wish))["data"]["id"]
    await tour.ask("webhooks.list")
    await tour.ask("webhooks.get", id=webhook)
    await tour.ask("webhooks.change_one", {"events": ["appointment.created"]}, id=webhook)
    await tour.ask("webhooks.rotate_secret", id=webhook)
    await tour.ask("webhooks.change_one", {"url": receiver.url("/hook")}, id=webhook)
    return str(webhook)


async def appointments(tour: Tour) -> None:
    made = (await tour.ask("appointments.create", WISH))["appointment"]
    mine = {"id": made["id"]}
    await tour.refuse("appointments.create", "slot_taken", WISH)
    await tour.ask("appointments.get", **mine)
    await tour.ask("appointments.list", query={"from": THURSDAY, "to": THURSDAY})
    await tour.ask("clients.list", query={"q": "jane"})
    await tour.ask("appointments.update", mine | {"internal_notes": "Bring the file."})
    await tour.ask("appointments.change", {"status": "completed"}, **mine)
    for wish, code, headers in (
        ({"status": "no_show"}, "precondition_failed", {"If-Match": '"1"'}),
        ({"status": "pending"}, "illegal_transition", {}),
        ({"cancellation_reason": "Ill"}, "conflict", {}),
    ):
        await tour.refuse("appointments.change", code, wish, headers=headers, **mine)
        await tour.refuse("appointments.update", code, mine | wish, headers=headers)
    await tour.ask("appointments.history", **mine)
    await tour.ask("appointments.manage_link", {"keep_others": True}, **mine)
    await tour.refuse("appointments.undo_cancellation", "illegal_transition", **mine)
    later = WISH | {"start_time": "2024-02-02T09:00:00Z", "duration_minutes": 45}
    other = {"id": (await tour.ask("appointments.create", later))["appointment"]["id"]}
    for taken in (False, True):
        await tour.ask("appointments.change", {"status": "cancelled"}, **other)
        undo = "appointments.undo_cancellation"
        if taken:
            instead = (await tour.ask("appointments.create", later))["appointment"]["id"]
            await tour.refuse(undo, "precondition_failed", headers={"If-Match": '"1"'}, **other)
            await tour.refuse(undo, "slot_taken", **other)
            await tour.ask("appointments.change", {"status": "cancelled"}, id=instead)
        else:
            await tour.ask(undo, **other)


async def blocks(tour: Tour) -> None:
    """They are gone afterwards."""
    noon = {"start_time": f"{THURSDAY}T12:00:00Z", "end_time": f"{THURSDAY}T13:00:00Z"}
    rule = {"days_of_week": [1, 4], "until": "2024-02-29", "except_dates": ["2024-02-12"]}
    wish = noon | {"all": True, "rule": rule, "reason": "Team lunch"}
    lunch = {"id": (await tour.ask("blocks.create", wish))["block"]["id"]}
    await tour.ask("blocks.list", query={"from": THURSDAY, "to": "2024-01-31"})
    await tour.ask("blocks.get", **lunch)
    longer = {"end_time": f"{THURSDAY}T13:30:00Z"}
    await tour.ask("blocks.change_one", longer, **lunch)
    over_jane = {"end_time": f"{THURSDAY}T14:30:00Z"}
    await tour.refuse("blocks.create", "appointments_in_the_way", wish | over_jane)
    await tour.refuse("blocks.change_one", "appointments_in_the_way", over_jane, **lunch)
    await tour.ask("blocks.delete", **lunch)


async def holds(tour: Tour) -> None:
    wish = {"appointment_type_id": TYPE, "start_time": f"{THURSDAY}T10:00:00Z", "ttl_seconds": 300}
    key = {"Idempotency-Key": "visit-17"}
    hold = (await tour.ask("holds.create", wish, headers=key))["hold"]["id"]
    await tour.refuse("holds.create", "idempotency_key_reused", wish | {"ttl_seconds": 60}, headers=key)
    await tour.refuse("holds.create", "slot_taken", wish)
    await tour.ask("holds.get", id=hold)
    await tour.refuse("appointments.create", "hold_mismatch", WISH | {"hold_id": hold})
    await tour.refuse("appointments.create", "hold_gone", WISH | {"hold_id": "hold_unknown"})
    await tour.ask("holds.delete", id=hold)


async def search(tour: Tour) -> None:
    asked = {"appointment_type_id": TYPE, "from": THURSDAY, "to": THURSDAY, "timezone": "Europe/Berlin"}
    await tour.ask("slots.search", query=asked)
    await tour.ask("slots.explain", query={"appointment_type_id": TYPE, "start_time": START})
    await tour.ask("days.search", query=asked | {"to": FRIDAY})


async def public(tour: Tour) -> None:
    page = {"slug": "demo"}
    await tour.ask("public.page", **page)
    asked = {"appointment_type_id": TYPE, "from": FRIDAY, "to": FRIDAY, "timezone": "Europe/Berlin"}
    await tour.ask("public.slots", query=asked, **page)
    await tour.ask("public.explain", query={"appointment_type_id": TYPE, "start_time": START}, **page)
    await tour.ask("public.days", query=asked | {"from": THURSDAY}, **page)
    wish = {"appointment_type_id": TYPE, "start_time": CLIENT["start_time"]}
    hold = (await tour.ask("public.hold", wish, **page))["hold"]["id"]
    await tour.ask("public.held", id=hold, **page)
    await tour.refuse("public.book", "hold_mismatch", CLIENT | {"start_time": START, "hold_id": hold}, **page)
    booked = await tour.ask("public.book", CLIENT | {"hold_id": hold}, **page)
    await tour.refuse("public.book", "hold_gone", CLIENT | {"hold_id": hold}, **page)
    await tour.refuse("public.book", "slot_taken", CLIENT, **page)
    hold = (await tour.ask("public.hold", wish | {"start_time": f"{FRIDAY}T15:00:00Z"}, **page))["hold"]["id"]
    await tour.ask("public.release", id=hold, **page)

    link = {"token": booked["manage_token"]}
    await tour.ask("manage.get", **link)
    await tour.ask("manage.correct", {"client_phone": "+1 234 567 890", "client_notes": "By car."}, **link)
    at, day = {"start_time": START}, {"from": FRIDAY, "to": FRIDAY}
    days = day | {"from": THURSDAY, "timezone": "Europe/Berlin"}
    searches = (
        ("manage.slots", "slots.search", day),
        ("manage.explain", "slots.explain", at),
        ("manage.days", "days.search", days),
    )
    for clients, _, query in searches:
        await tour.ask(clients, query=query, **link)
    await tour.ask("manage.reschedule", {"start_time": f"{FRIDAY}T11:00:00Z"}, **link)
    await tour.refuse("manage.reschedule", "slot_taken", {"start_time": START}, **link)
    await tour.ask("files.appointment", **link)
    await tour.ask("manage.cancel", {"reason": "I am ill."}, **link)
    await tour.refuse("manage.reschedule", "illegal_transition", at, **link)
    moving = {"appointment_type_id": TYPE, "moving": booked["appointment"]["id"]}
    for clients, staffs, query in searches:
        await tour.refuse(clients, "illegal_transition", query=query, **link)
        await tour.refuse(staffs, "illegal_transition", query=query | moving)
    await tour.refuse("manage.correct", "illegal_transition", {"client_notes": "By bike."}, **link)


async def mails(tour: Tour) -> None:
    """Those of the public booking, which was moved and cancelled: of them only the last is still wanted."""
    await tour.db.write(event_order.number, ORG_ID, tour.clock.now(), mail=True)
    newest = (await tour.ask("mails.list", query={"limit": "2"}))["mails"]
    of_it = {"appointment_id": newest[0]["appointment_id"], "limit": "100"}
    sent = [
        each for each in (await tour.ask("mails.list", query=of_it))["mails"] if each["audience"] == "client"
    ]
    await tour.ask("mails.get", id=sent[0]["id"])
    await tour.ask("mails.replay", id=sent[0]["id"])
    await tour.refuse("mails.replay", "conflict", id=sent[-1]["id"])


async def confirmation(tour: Tour) -> None:
    """A booking that its client has to confirm: nothing is sent here, so its link is not the mail's."""
    await tour.ask("organization.change", {"clients_confirm_by_mail": True})
    asked = await tour.ask("public.book", CLIENT, slug="demo")
    id_ = asked["appointment"]["id"]
    token = await tour.db.write(manage_links.issue, ORG_ID, id_, tour.clock.now())
    await tour.ask("manage.confirm", {}, token=token)
    await tour.ask("manage.cancel", {}, token=token)
    await tour.refuse("manage.confirm", "illegal_transition", {}, token=token)
    await tour.ask("organization.change", {"clients_confirm_by_mail": False})


async def shares(tour: Tour) -> None:
    """More than one client may have, and more than may be held from one address."""
    await tour.ask("appointment_types.change_one", {"maxOpenPerClient": 1}, id=TYPE)
    booked = await tour.ask("public.book", CLIENT, slug="demo")
    later = {"start_time": f"{FRIDAY}T12:00:00Z"}
    await tour.refuse("public.book", "too_many_open", CLIENT | later, slug="demo")
    await tour.ask("manage.cancel", {}, token=booked["manage_token"])
    await tour.ask("appointment_types.change_one", {"maxOpenPerClient": 5}, id=TYPE)
    wish = {"appointment_type_id": TYPE} | later
    hold = (await tour.ask("public.hold", wish, slug="demo"))["hold"]["id"]
    await tour.refuse("public.hold", "too_many_holds", wish, slug="demo")
    await tour.ask("public.release", id=hold, slug="demo")


async def feeds(tour: Tour) -> None:
    made = await tour.ask("feeds.create", {})
    await tour.ask("feeds.list")
    await tour.ask("files.feed", token=made["url"].rpartition("/")[2].removesuffix(".ics"))
    await tour.ask("feeds.delete", id=made["feed"]["id"])


async def deliveries(tour: Tour, webhook: str) -> None:
    """What went to the webhook, and goes there once more; then it is deleted."""
    await tour.worker.take_events()
    await tour.worker.courier.finish()
    found = await tour.ask("webhooks.deliveries", id=webhook, query={"status": "delivered", "limit": "1"})
    await tour.ask("webhooks.replay_delivery", id=webhook, delivery_id=found["data"][0]["id"])
    span = {"from": "2024-01-20T00:00:00Z", "to": "2024-01-21T00:00:00Z"}
    await tour.ask("webhooks.replay", span, id=webhook)
    await tour.ask("webhooks.test", id=webhook)
    await tour.ask("webhooks.change_one", {"active": False}, id=webhook)
    await tour.refuse("webhooks.test", "conflict", id=webhook)
    await tour.ask("webhooks.delete", id=webhook)


async def events(tour: Tour) -> None:
    await tour.ask("events.list", query={"types": "appointment.created,appointment.cancelled", "limit": "2"})
    beyond = base64.urlsafe_b64encode(b"e999999").decode().rstrip("=")
    await tour.refuse("events.list", "cursor_expired", query={"after": beyond})


async def refused_by_the_rules(tour: Tour, room: str) -> None:
    """Whatever can be against a time, told to staff and to clients."""
    wish = CLIENT | {"start_time": f"{FRIDAY}T13:00:00Z"}
    booked = await tour.ask("public.book", wish, slug="demo")
    await refused_at(tour, "slot_taken", START, booked)
    await refused_for_what_is_elsewhere(tour, booked)
    await refused_at(tour, "outside_hours", f"{THURSDAY}T20:00:00Z", booked)
    await refused_at(tour, "off_grid", f"{THURSDAY}T09:20:00Z", booked)
    block = (await tour.ask("blocks.create", BLOCK))["block"]
    await refused_to_staff(tour, "blocked", BLOCK["start_time"], booked)
    await tour.ask("blocks.delete", id=block["id"])
    await refused_at(tour, "too_soon", "2024-01-21T11:00:00Z", booked)
    await refused_at(tour, "too_far_ahead", "2024-06-03T10:00:00Z", booked)
    at = f"{THURSDAY}T12:00:00Z"
    await tour.ask("appointment_types.change_one", {"maxPerDay": 1}, id=TYPE)
    await refused_at(tour, "limit_reached", at, booked)
    await tour.ask("appointment_types.change_one", {"maxPerDay": None, "isActive": False}, id=TYPE)
    await refused_at(tour, "type_inactive", at, booked)
    changed = await tour.ask("appointment_types.change_one", {"isActive": True}, id=TYPE)
    [only] = changed["appointmentType"]["calendarIds"]
    await tour.ask("calendars.change_one", {"is_active": False}, id=only)
    await refused_at(tour, "calendar_inactive", at, booked)
    await tour.ask("calendars.change_one", {"is_active": True}, id=only)
    in_room = WISH | {"start_time": at, "calendar_id": room, "check": "all"}
    for operation in ("appointments.create", "holds.create"):
        await tour.refuse(operation, "calendar_not_serving", in_room)
    # A type always has a calendar, unless two are taken from it at the same instant.
    await tour.db.write(lambda tx: tx.execute(delete(type_calendars)).rowcount)
    await refused_to_clients(tour, "calendar_not_serving", at, booked)
    await tour.ask("appointment_types.change_one", {"calendarIds": [only]}, id=TYPE)


async def refused_for_what_is_elsewhere(tour: Tour, booked: Any) -> None:
    """What another calendar knows is told to staff; to clients the time is taken."""
    [calendar, *_] = (await tour.ask("calendars.list"))["calendars"]
    of, start = {"calendar_id": calendar["id"]}, f"{THURSDAY}T16:00:00Z"
    tour.elsewhere.said = busy((start, f"{THURSDAY}T16:45:00Z"))
    source = (await tour.ask("sources.create", {"kind": "ics", "url": DAV}, **of))["source"]["id"]
    await tour.read_sources()
    for operation in ("appointments.create", "holds.create"):
        await tour.refuse(operation, "busy_elsewhere", WISH | {"start_time": start})
    await refused_to_clients(tour, "slot_taken", start, booked)
    moved = {"id": booked["appointment"]["id"], "start_time": start}
    await tour.refuse("appointments.change", "busy_elsewhere", moved, id=moved["id"])
    await tour.refuse("appointments.update", "busy_elsewhere", moved)
    await tour.ask("sources.delete", id=source, **of)


async def refused_at(tour: Tour, code: str, start: str, booked: Any) -> None:
    """Have everything refused that would take the time at `start`: new bookings, and moving this one."""
    await refused_to_staff(tour, code, start, booked)
    await refused_to_clients(tour, code, start, booked)


async def refused_to_staff(tour: Tour, code: str, start: str, booked: Any) -> None:
    wish = WISH | {"start_time": start, "check": "all"}
    for operation in ("appointments.create", "holds.create"):
        await tour.refuse(operation, code, wish)
    if code not in ("type_inactive", "calendar_inactive"):  # staff may move what is booked, all the same
        moved = {"id": booked["appointment"]["id"], "start_time": start, "check": "all"}
        await tour.refuse("appointments.change", code, moved, id=moved["id"])
        await tour.refuse("appointments.update", code, moved)


async def refused_to_clients(tour: Tour, code: str, start: str, booked: Any) -> None:
    for operation in ("public.book", "public.hold"):
        await tour.refuse(operation, code, CLIENT | {"start_time": start}, slug="demo")
    await tour.refuse("manage.reschedule", code, {"start_time": start}, token=booked["manage_token"])


async def refused_by_the_clocks(tour: Tour) -> None:
    """Times that are none, and times of Berlin that do not exist, or happen twice."""
    await tour.ask("organization.change", {"timezone": "Europe/Berlin"})
    webhook = (await tour.ask("webhooks.create", {"url": HOOK, "events": ["*"]}))["data"]
    wish = CLIENT | {"start_time": f"{FRIDAY}T15:00:00"}
    booked = await tour.ask("public.book", wish, slug="demo")
    mine = {"id": booked["appointment"]["id"]}
    block = (await tour.ask("blocks.create", BLOCK))["block"]
    for code, start in (
        ("nonexistent_time", SKIPPED),
        ("ambiguous_time", REPEATED),
        ("invalid_time", "soon"),
    ):
        at = {"start_time": start}
        for operation in ("appointments.create", "holds.create"):
            await tour.refuse(operation, code, WISH | at)
        for operation in ("public.book", "public.hold"):
            await tour.refuse(operation, code, CLIENT | at, slug="demo")
        await tour.refuse("manage.reschedule", code, at, token=booked["manage_token"])
        await tour.refuse("appointments.change", code, at, **mine)
        await tour.refuse("appointments.update", code, mine | at)
        await tour.refuse(
            "webhooks.replay", code, {"from": start, "to": "2024-12-01T00:00:00Z"}, id=webhook["id"]
        )
        explained = {"appointment_type_id": TYPE, "start_time": start}
        await tour.refuse("slots.explain", code, query=explained)
        await tour.refuse("public.explain", code, query=explained, slug="demo")
        searched = {"appointment_type_id": TYPE, "from": start, "to": "2024-12-01"}
        await tour.refuse("slots.search", code, query=searched)
        await tour.refuse("public.slots", code, query=searched, slug="demo")
        await tour.refuse("days.search", code, query=searched)
        await tour.refuse("public.days", code, query=searched, slug="demo")
        await tour.refuse("appointments.list", code, query={"from": start})
        await tour.refuse("blocks.create", code, BLOCK | at)
        await tour.refuse("blocks.change_one", code, at, id=block["id"])
        await tour.refuse("blocks.list", code, query={"from": start})
    await tour.ask("organization.change", {"timezone": "UTC"})
    await tour.ask("webhooks.delete", id=webhook["id"])
    await tour.ask("blocks.delete", id=block["id"])
    await tour.ask("appointments.change", {"status": "completed"}, **mine)
    await tour.refuse("manage.cancel", "illegal_transition", {}, token=booked["manage_token"])


async def refused_at_the_gate(tour: Tour) -> None:
    """What is refused of any call, before it is looked at."""
    for operation in ("organization.get", "webhooks.list"):
        await tour.refuse(operation, "unauthorized", by="client")
        await tour.refuse(operation, "key_expired", by="expired")
        await tour.refuse(operation, "key_revoked", by="revoked")
    for _ in range(LIMIT):
        await tour.clients["counted"].get("/v1/organization")
        await tour.clients["crowd"].get("/v1/public/demo")
    for operation in ("organization.get", "webhooks.list"):
        await tour.refuse(operation, "rate_limited", by="counted")
    await tour.refuse("public.page", "rate_limited", by="crowd", slug="demo")
    for operation, path in (
        ("appointments.create", {}),
        ("public.book", {"slug": "demo"}),
        ("webhooks.create", {}),
    ):
        as_text = {"Content-Type": "text/plain"}
        await tour.refuse(operation, "unsupported_media_type", b"{}", headers=as_text, **path)
        await tour.refuse(operation, "invalid_json", b'{"start_time": ', **path)
        await tour.refuse(operation, "body_too_large", BIG, **path)


async def refused_by_the_state(tour: Tour, room: str) -> None:
    calendars = (await tour.ask("calendars.list"))["calendars"]
    await tour.refuse("calendars.delete", "conflict", id=calendars[0]["id"])
    await tour.ask("appointments.create", WISH | {"calendar_id": room})
    await tour.refuse("calendars.delete", "in_use", id=room)
    for number in range(MOST_TIMES // 700):
        await tour.ask("calendars.create", {"name": f"Desk {number}"})
    block = (await tour.ask("blocks.create", BLOCK))["block"]["id"]
    every_day = {"rule": {"days_of_week": [*range(7)], "count": 732}}
    await tour.refuse("blocks.create", "conflict", BLOCK | every_day)
    await tour.refuse("blocks.change_one", "conflict", every_day, id=block)
    wish = {"url": HOOK, "events": ["*"]}
    key = {"Idempotency-Key": "our-crm"}
    for number in range(MOST_WEBHOOKS):
        each = wish | {"url": f"{HOOK}/{number}"}
        made = await tour.ask("webhooks.create", each if number else wish, headers={} if number else key)
    await tour.refuse("webhooks.create", "conflict", wish | {"url": f"{HOOK}/more"})
    for operation, path in (("webhooks.create", {}), ("webhooks.change_one", {"id": made["data"]["id"]})):
        await tour.refuse(operation, "already_exists", wish, **path)
    await tour.refuse("webhooks.create", "idempotency_key_reused", wish | {"name": "CRM"}, headers=key)


async def too_late(tour: Tour) -> None:
    """The day before an appointment, which its client may change no longer."""
    wish = CLIENT | {"start_time": f"{FRIDAY}T16:00:00Z"}
    link = {"token": (await tour.ask("public.book", wish, slug="demo"))["manage_token"]}
    tour.clock.forward(days=6)
    await tour.refuse("manage.cancel", "too_late", {}, **link)
    mine = {
        "id": (await tour.ask("appointments.create", wish | {"start_time": "2024-02-05T09:00:00Z"}))[
            "appointment"
        ]["id"]
    }
    await tour.ask("appointments.change", {"status": "cancelled"}, **mine)
    tour.clock.forward(seconds=11)
    await tour.refuse("appointments.undo_cancellation", "too_late", **mine)
    at = {"start_time": "2024-02-01T10:00:00Z"}
    await tour.refuse("manage.reschedule", "too_late", at, **link)
    day = {"from": FRIDAY, "to": FRIDAY}
    for operation, query in (("manage.slots", day), ("manage.explain", at), ("manage.days", day)):
        await tour.refuse(operation, "too_late", query=query, **link)


async def moved(tour: Tour) -> None:
    """An organization takes other slugs, until it may give up no more."""
    await tour.ask("organization.change", {"slug": "demo-tax"})
    await tour.refuse("public.page", "moved", slug="demo")
    for number in range(1, MOST_FORMER_SLUGS):
        await tour.ask("organization.change", {"slug": f"demo-{number}"})
    await tour.refuse("organization.change", "conflict", {"slug": "demo-more"})
    await tour.ask("organization.change", {"slug": "demo"})
