"""No page for staff shows or changes anything for those who have no business there."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import update

from kalends.app import create_app
from kalends.db.database import Database
from kalends.db.tables import deliveries
from kalends.schemas.blocks import Block
from kalends.services.setup import as_seen
from kalends.settings import Settings
from kalends.web import (
    first_run,
    settings_calendars,
    settings_closures,
    settings_deliveries,
    settings_feeds,
    settings_hours,
    settings_keys,
    settings_leaving,
    settings_logo,
    settings_mails,
    settings_organization,
    settings_people,
    settings_sources,
    settings_types,
    settings_webhooks,
    staff_appointments,
    staff_blocks,
    staff_bookings,
    staff_calendar,
    staff_changes,
    staff_clients,
    staff_colors,
    staff_details,
    staff_lists,
    staff_months,
    staff_moves,
    staff_settings,
)
from tests.support.clock import StoppedClock
from tests.support.desk import THURSDAY, Desk, at, open_desk
from tests.support.pictures import png
from tests.web.browsers import OURS, browser_of
from tests.web.clients import main_of
from tests.web.setup_forms import FILES, OF_ONES_OWN, SETUP_FORMS
from tests.web.staff import Staff, entered, staff_at

pytestmark = pytest.mark.anyio

OURS_ALONE = (
    settings_deliveries,
    settings_feeds,
    settings_keys,
    settings_leaving,
    settings_mails,
    settings_people,
    settings_webhooks,
    first_run,
    settings_calendars,
    settings_closures,
    settings_hours,
    settings_logo,
    settings_organization,
    settings_sources,
    settings_types,
    staff_appointments,
    staff_blocks,
    staff_bookings,
    staff_calendar,
    staff_changes,
    staff_clients,
    staff_colors,
    staff_details,
    staff_lists,
    staff_months,
    staff_moves,
    staff_settings,
)
SECRET = "Jane Doe of the clinic"
"""What nobody else may read."""
SOURCE = {"kind": "ics", "url": "https://93.184.215.14/private-8c1f0e44/basic.ics"}
FOREIGN: list[dict[str, str]] = [{}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}]
FORMS: dict[str, dict[str, str]] = {
    "/staff/appointments/{appointment_id}/status": {"version": "1", "status": "completed"},
    "/staff/appointments/{appointment_id}/notes": {"version": "1", "notes": "Changed"},
    "/staff/appointments/{appointment_id}/cancel": {"version": "1", "reason": "Changed"},
    "/staff/appointments/{appointment_id}/undo": {"version": "2"},
    "/staff/appointments/{appointment_id}/move": {"version": "1", "date": THURSDAY, "time": "10:00"},
    "/staff/appointments/{appointment_id}/change": {"version": "1", "name": "Changed", "minutes": "60"},
    "/staff/new": {"date": THURSDAY, "time": "12:00", "name": "Changed", "key": "k"},
    "/staff/blocks": {"date": THURSDAY, "from": "15:00", "to_date": THURSDAY, "to": "16:00"},
    "/staff/blocks/{block_id}/change": {
        "calendar": "",
        "date": THURSDAY,
        "from": "09:00",
        "to_date": THURSDAY,
        "to": "10:00",
        "repeat": "once",
        "weeks": "1",
        "until": "",
        "reason": "Changed",
    },
    "/staff/blocks/{block_id}/days": {"day": THURSDAY, "do": "free"},
    "/staff/blocks/{block_id}/remove": {},
    "/staff/settings/people": {"name": "Changed", "scopes": "read"},
    "/staff/settings/people/{person_id}": {"name": "Changed", "scopes": "read"},
    "/staff/settings/people/{person_id}/link": {},
    "/staff/settings/people/{person_id}/active": {"active": "0"},
    "/staff/settings/people/{person_id}/made": {},
    "/staff/settings/people/{person_id}/remove": {},
    "/staff/settings/keys": {"name": "Changed", "scopes": "read"},
    "/staff/settings/keys/{key_id}/revoke": {"with": "made"},
    "/staff/settings/webhooks": {"url": "https://93.184.215.14/changed", "events": "*"},
    "/staff/settings/webhooks/{webhook_id}": {"url": "https://93.184.215.14/moved", "events": "*"},
    "/staff/settings/webhooks/{webhook_id}/secret": {},
    "/staff/settings/webhooks/{webhook_id}/test": {},
    "/staff/settings/webhooks/{webhook_id}/deliveries": {"date": "2024-01-20", "time": "00:00"},
    "/staff/settings/webhooks/{webhook_id}/deliveries/{delivery_id}/replay": {},
    "/staff/settings/webhooks/{webhook_id}/active": {"active": "0"},
    "/staff/settings/webhooks/{webhook_id}/remove": {},
    "/staff/settings/feeds": {"kind": "busy"},
    "/staff/settings/feeds/{feed_id}/remove": {},
    "/staff/settings/mails/{mail_id}/replay": {},
    **SETUP_FORMS,
}
"""What each form sends to have its way."""
SHOWN_ONCE = {
    "/staff/settings/people",
    "/staff/settings/people/{person_id}/link",
    "/staff/settings/keys",
    "/staff/settings/webhooks",
    "/staff/settings/webhooks/{webhook_id}/secret",
    "/staff/settings/feeds",
}
"""The forms that are answered with a secret, instead of leading on."""
THEIR_OWN = {f"/staff/settings/{each}" for each in ("feeds", "keys", "people", "webhooks")}
"""The forms that name nothing that another organization has."""
ONE_BY_ONE = tuple(f"/staff/settings/{each}" for each in ("people", "keys", "webhooks", "feeds", "mails"))
"""How the paths of forms begin that work one after the other."""
FOR_ADMINS = ("/staff/settings/people", "/staff/settings/keys")
"""How the paths of pages begin that only admins see."""


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """The method and path of every page of these modules."""
    modules = {each.__name__ for each in OURS_ALONE}
    return sorted(
        (method, route.path or "")
        for route in iter_route_contexts(app.routes)
        for method in set(route.methods or ()) - {"HEAD"}
        if (route.path or "").startswith("/staff") and route.endpoint.__module__ in modules
    )


@dataclass
class House:
    """An organization with an appointment and a block, and somebody who may do everything there."""

    staff: Staff
    ids: dict[str, str]
    spare: dict[str, dict[str, str]]
    """What the routes are about that need something of their own."""

    def path(self, route: str) -> str:
        """The path of a route, about what this organization has."""
        spare = self.spare.get(route, {})
        return re.sub(r"\{(\w+)\}", lambda found: {**self.ids, **spare}[found[1]], route)

    def form(self, route: str) -> dict[str, str]:
        """The form for a route, about what this organization has."""
        calendar = self.ids["calendar_id"]
        own = {
            "/staff/new": {"type": self.ids["type_id"]},
            "/staff/blocks": {"calendar": calendar},
            "/staff/blocks/{block_id}/change": {"calendar": calendar, "seen": self.ids["block_seen"]},
            "/staff/blocks/{block_id}/days": {"seen": self.ids["weekly_seen"]},
            "/staff/settings/people": {"calendar_id": calendar},
            "/staff/settings/feeds": {"calendar_id": calendar},
            "/staff/settings/types/new": {"need-0-calendars": calendar},
            "/staff/settings/organization": {"slug": self.staff.desk.org.slug},
        }
        return FORMS[route] | own.get(route, {})

    async def ask(
        self, browser: httpx.AsyncClient, method: str, route: str, headers: dict[str, str] = OURS
    ) -> httpx.Response:
        """Ask for a page, or send its form."""
        is_form = method == "POST"
        data, files = (self.form(route), FILES.get(route)) if is_form else (None, None)
        return await browser.request(method, self.path(route), data=data, files=files, headers=headers)

    async def all(self) -> Any:
        """Everything that could have been changed."""
        staff = self.staff.desk.staff
        asked = ["/v1/events?limit=1000"]  # first, since reading them makes deliveries
        own = ["appointments", "blocks", "calendars", "feeds", "appointment-types", "availability"]
        own += ["schedules", "overrides", f"calendars/{self.ids['calendar_id']}/sources"]
        asked += [f"/v1/calendar/{each}" for each in own] + ["/v1/organization"]
        asked += ["/v1/people", "/v1/webhooks", f"/v1/webhooks/{self.ids['webhook_id']}/deliveries"]
        found = [(await staff.get(each)).json() for each in [*asked, "/v1/mails", "/v1/keys"]]
        for each in found[-1]["keys"]:  # asking counts
            del each["requests_this_hour"], each["last_used_at"]
        return found


@pytest.fixture
async def app(url: str, clock: StoppedClock) -> AsyncIterator[FastAPI]:
    """An application that would send mails, if its worker worked."""
    settings = Settings(
        database_url=url,
        worker=False,
        smtp_host="127.0.0.1",
        smtp_from="desk@example.com",
        public_url="http://kalends.test",
    )
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def house(app: FastAPI, db: Database) -> House:
    staff = await staff_at(app, organization=SECRET)
    desk = staff.desk
    booked = await desk.booked(client_name=SECRET, client_notes=SECRET)
    cancelled = await desk.booked(at("16:00"), client_name=SECRET)
    await desk.changed(cancelled, status="cancelled")
    wish = {"calendar_id": desk.org.calendar_id, "start_time": at("09:00"), "end_time": at("10:00")}
    blocked = await desk.staff.post("/v1/calendar/blocks", json=wish | {"reason": SECRET})
    weekly = await desk.staff.post(
        "/v1/calendar/blocks", json=wish | {"reason": SECRET, "rule": {"count": 2}, "force": True}
    )
    seen = [as_seen.mark(Block.model_validate(each.json()["block"])) for each in (blocked, weekly)]
    assert (await desk.staff.put("/v1/organization/logo", content=png(10, 10))).status_code == 200
    made = await _settings(desk)
    # A mail that has failed can be sent again.
    failed = update(deliveries).where(deliveries.c.id == made["mail_id"]).values(status="failed", due_at=None)
    await db.write(lambda tx: tx.execute(failed).rowcount)
    ids = made | {
        "appointment_id": booked["id"],
        "block_id": blocked.json()["block"]["id"],
        "block_seen": seen[0],
        "weekly_seen": seen[1],
        "day": THURSDAY,
        "month": THURSDAY[:7],
        "type": desk.org.type_id,
        "calendar": desk.org.calendar_id,
        "type_id": desk.org.type_id,
        "calendar_id": desk.org.calendar_id,
        "schedule_id": (await desk.make("schedules", "schedule", name="Evenings"))["id"],
        "override_id": (await desk.make("overrides", "override", date="2024-02-01"))["id"],
        "source_id": (await desk.make(f"calendars/{desk.org.calendar_id}/sources", "source", **SOURCE))["id"],
    }
    settings = "/staff/settings"
    spare = {
        "/staff/appointments/{appointment_id}/undo": {"appointment_id": cancelled["id"]},
        "/staff/blocks/{block_id}/days": {"block_id": weekly.json()["block"]["id"]},
        f"{settings}/types/{{type_id}}/remove": {"type_id": (await desk.add_type())["id"]},
        f"{settings}/calendars/{{calendar_id}}/remove": {"calendar_id": await desk.room()},
    }
    return House(staff, ids, spare)


async def _settings(desk: Desk) -> dict[str, str]:
    """Make one of everything that programs and people need. Returns their ids."""

    async def make(path: str, **body: Any) -> Any:
        answer = await desk.staff.post(f"/v1/{path}", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    hook = (await make("webhooks", url="https://93.184.215.14/hook", name=SECRET, events=["*"]))["data"]["id"]
    tested = await make(f"webhooks/{hook}/test")
    mails = (await desk.staff.get("/v1/mails")).json()["mails"]
    return {
        "person_id": (await make("people", name=SECRET))["person"]["id"],
        "key_id": (await make("keys", name=SECRET))["key"]["id"],
        "feed_id": (await make("calendar/feeds"))["feed"]["id"],
        "webhook_id": hook,
        "delivery_id": tested["data"]["id"],
        "mail_id": next(each["id"] for each in mails if each["audience"] == "client"),
    }


async def test_every_form_is_among_them(app: FastAPI, house: House) -> None:
    assert {path for method, path in routes(app) if method == "POST"} == set(FORMS)
    assert {method for method, _ in routes(app)} == {"GET", "POST"}
    assert len(routes(app)) >= 19


@pytest.mark.parametrize("route", [each for each in FORMS if not each.startswith(ONE_BY_ONE)])
async def test_each_form_works_for_those_who_may(house: House, route: str) -> None:
    """So that what is refused below is not refused for another reason."""
    before = await house.all()
    answer = await house.ask(house.staff.browser, "POST", route)
    assert (answer.status_code, await house.all() != before) == (303, True)


@pytest.mark.slow
async def test_each_form_of_the_settings_works_for_those_who_may(house: House) -> None:
    for route in FORMS:
        if route.startswith(ONE_BY_ONE):
            before = await house.all()
            answer = await house.ask(house.staff.browser, "POST", route)
            assert answer.status_code == (200 if route in SHOWN_ONCE else 303), route
            assert await house.all() != before, route


async def test_without_a_session_nothing_is_shown_and_nothing_changes(app: FastAPI, house: House) -> None:
    before = await house.all()
    async with browser_of(app) as stranger:
        for method, route in routes(app):
            answer = await house.ask(stranger, method, route)
            assert answer.status_code in (303, 401), (method, route)
            assert SECRET not in answer.text
            if answer.status_code == 303:
                assert answer.headers["location"].startswith("/staff/sign-in"), (method, route)
    assert await house.all() == before


@pytest.mark.slow
@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_a_session_that_has_ended_shows_and_changes_nothing(
    app: FastAPI, house: House, clock: StoppedClock, how: str
) -> None:
    staff, browser = house.staff.desk.staff, house.staff.browser
    assert (await house.staff.open()).status_code == 200
    if how == "revoked":
        for person in (await staff.get("/v1/people")).json()["people"]:
            assert (await staff.patch(f"/v1/people/{person['id']}", json={"active": False})).is_success
    else:
        clock.forward(days=15)
    before = await house.all()
    for method, route in routes(app):
        answer = await house.ask(browser, method, route)
        assert answer.status_code == (303 if method == "GET" else 401), (method, route)
        assert SECRET not in answer.text
        assert answer.headers.get("location", "/staff/sign-in").startswith("/staff/sign-in"), route
    assert await house.all() == before


async def test_the_staff_of_others_see_and_change_nothing(app: FastAPI, house: House) -> None:
    other = await entered(app, await open_desk(app), "admin")
    before = await house.all()
    for method, route in routes(app):
        answer = await house.ask(other.browser, method, route)
        assert SECRET not in answer.text, (method, route)
        if method == "POST" or "_id}" in route:
            leads = answer.status_code == 303 and method == "GET"
            is_own = route in OF_ONES_OWN | THEIR_OWN and answer.status_code in (200, 303, 409)
            assert answer.status_code == 404 or leads or is_own, (method, route, answer.status_code)
    assert await house.all() == before
    theirs = (await other.desk.staff.get("/v1/calendar/appointments")).json()
    assert theirs["appointments"] == []


async def test_who_may_only_read_changes_nothing(app: FastAPI, house: House) -> None:
    reader = await entered(app, house.staff.desk, "read")
    before = await house.all()
    for method, route in routes(app):
        answer = await house.ask(reader.browser, method, route)
        if method == "POST":
            assert answer.status_code == 403, route
        elif route.startswith(FOR_ADMINS):
            assert (answer.status_code, SECRET in main_of(answer)) == (403, False), route
        else:
            is_form = route in ("/staff/new", "/staff/start/hours", "/staff/start/type") or route.endswith(
                ("/move", "/cancel", "/change")
            )
            assert answer.status_code in ((403,) if is_form else (200, 303)), route
    assert await house.all() == before


async def test_what_was_typed_is_kept_when_a_session_has_ended(app: FastAPI, house: House) -> None:
    typed = {"version": "1", "notes": '"><b>Mine'}
    path = house.path("/staff/appointments/{appointment_id}/notes")
    async with browser_of(app) as stranger:
        answer = await stranger.post(path, data=typed, headers=OURS)
    assert answer.status_code == 401
    assert "<h1>You are signed out</h1>" in answer.text
    assert f'action="{path}"' in answer.text
    assert 'name="notes" value="&#34;&gt;&lt;b&gt;Mine"' in answer.text
    # What it leads to is a page where one signs in, and it opens beside this one.
    assert 'href="/staff/sign-in" target="_blank"' in answer.text
    async with browser_of(app) as stranger:
        secret = await stranger.post("/staff/me/password", data={"password": "geheim 1234"}, headers=OURS)
    assert (secret.status_code, "geheim" in secret.text) == (401, False)


async def test_who_may_not_is_told_so(app: FastAPI, house: House) -> None:
    reader = await entered(app, house.staff.desk, "read")
    answer = await house.ask(reader.browser, "POST", "/staff/blocks")
    assert "<h1>You may not do this</h1>" in answer.text
    writer = await entered(app, house.staff.desk, "write")
    page = await writer.see(house.path("/staff/blocks/{block_id}"))
    assert "Give this time back" not in page.text
    answer = await house.ask(writer.browser, "POST", "/staff/blocks/{block_id}/remove")
    assert answer.status_code == 403


async def test_pages_of_others_send_no_forms(app: FastAPI, house: House) -> None:
    before = await house.all()
    for route in FORMS:
        for headers in FOREIGN:  # and test_guard.py has all that there are
            answer = await house.ask(house.staff.browser, "POST", route, headers)
            assert answer.status_code == 403, (route, headers)
    assert await house.all() == before


async def test_no_looking_changes_anything(app: FastAPI, house: House) -> None:
    before = await house.all()
    for method, route in routes(app):
        if method == "GET":
            answer = await house.ask(house.staff.browser, "GET", route)
            assert answer.status_code in (200, 303), route
            # A stylesheet has nothing that its address does not say.
            kept = answer.headers.get("content-type", "").startswith("text/css")
            assert answer.headers["cache-control"] == "no-store" or kept
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert await house.all() == before
