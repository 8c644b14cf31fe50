"""Every kind of page that clients and staff can come to, of an organization with everything that pages show.
It is all made over HTTP, so that it can be had at any server."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support.answers import answered
from tests.support.desk import APPOINTMENTS, BASE, week
from tests.support.pictures import png

SITE = "https://clinic.example"
"""A site that may show the pages."""
_LABEL = "How did you hear of us, and of which of our many services?"
QUESTIONS: list[dict[str, Any]] = [
    {"id": "text", "type": "text", "label": _LABEL},
    {"id": "textarea", "type": "textarea", "label": "What is it about?", "required": True},
    {"id": "select", "type": "select", "label": "Which?", "options": ["One", "Another"], "required": True},
    {"id": "checkbox", "type": "checkbox", "label": "I have been here before", "required": True},
    {"id": "email", "type": "email", "label": "Another address"},
    {"id": "phone", "type": "phone", "label": "Another number"},
    {"id": "number", "type": "number", "label": "How many of you?"},
]


@dataclass(frozen=True)
class Sight:
    """A page: where it is, or which form it answers there, and with which status. What is `for_staff` is seen
    by those who have come in by a link (`Walk.entry`)."""

    name: str
    path: str
    status: int = 200
    form: Mapping[str, str] | None = None
    for_staff: bool = False


@dataclass
class Walk:
    """Makes an organization with everything, and what leads to its pages. `staff` asks with its key, `client`
    without one; `now` is the time of the server."""

    staff: httpx.AsyncClient
    client: httpx.AsyncClient
    slug: str
    now: datetime
    _ids: dict[str, str] = field(default_factory=dict)
    _people: list[str] = field(default_factory=list)

    async def sights(self) -> list[Sight]:
        """Return the pages, each of them ready to be looked at, however often."""
        await self._open()
        home = f"/{self.slug}"
        tax, call = f"{home}/all-of-it", f"{home}/call"
        starts = await self._starts(9)
        await self._fill(starts[0])
        kept, wrong, embedded = [await self._held(start) for start in starts[1:4]]
        late, soon = [await self._lost(starts[4]) for _ in range(2)]
        await self._fill(starts[4])
        long_ago = {"type": self._ids["all"], "until": "2020-01-01T00:00:00Z"}
        typed = {"name": "Jane Doe", "email": "jane@example.com", "q.textarea": "It", "q.select": "One"}
        sent = long_ago | typed | {"q.checkbox": "1"}
        return [
            Sight("services", home),
            Sight("times", f"{tax}?date={starts[0][:10]}"),
            Sight("from afar", f"{call}?zone=Asia/Kathmandu&clock=12"),
            Sight("nothing free", f"{home}/later"),
            Sight("zone", f"{call}/zone?zone=Asia/Tokyo"),
            Sight("taken", f"{tax}/hold", 409, {"start": starts[0]}),
            Sight("details", f"{home}/hold/{kept}"),
            Sight("wrong details", f"{home}/hold/{wrong}", 400, {"email": "jane@"}),
            Sight("taken meanwhile", f"{home}/hold/{late}", 409, sent | {"start": starts[4]}),
            Sight("gone", f"{home}/hold/hold_nothing", 404),
            Sight("embedded", f"{tax}?embed=1"),
            Sight("embedded details", f"{home}/hold/{embedded}?embed=1"),
            Sight("embedded and booked", f"{home}/hold/{soon}?embed=1", 200, sent | {"start": starts[5]}),
            *await self._managed(starts[6:], starts[0]),
            Sight("refused", "/nothing", 404),
            Sight("sign-in", "/staff/sign-in"),
            Sight("entry", await self.entry()),
            Sight("entry by a link that has ended", "/staff/enter/nothing", 404),
            Sight("request of a link that has ended", "/staff/requests/nothing", 404),
            *await self._of_staff(starts[0]),
        ]

    async def entry(self) -> str:
        """Return the path of a link by which somebody signs in who may do everything."""
        wish = {"name": "Ana Pereira", "scopes": ["admin"]}
        answer = await self.staff.post("/v1/people", json=wish)
        assert answer.status_code == 200, answer.text
        return urlsplit(str(answer.json()["enter_url"])).path

    async def _of_staff(self, taken: str) -> list[Sight]:
        """Return the pages of staff who work with their days."""
        wish = {"appointment_type_id": self._ids["all"], "client_name": "Jane Doe", "check": "none"}
        answers = {"text": "A friend", "number": 2, "checkbox": True}
        sent = wish | {"answers": answers, "client_notes": "Two\nlines", "client_email": "jane@example.com"}
        body = sent | {"start_time": taken, "calendar_id": self._people[0], "client_phone": "+49 30 1"}
        own = answered(await self.staff.post(APPOINTMENTS, json=body), "appointment")["id"]
        later = body | {"start_time": self._at(days=3)}
        gone = answered(await self.staff.post(APPOINTMENTS, json=later), "appointment")["id"]
        answered(
            await self.staff.patch(f"{APPOINTMENTS}/{gone}", json={"status": "cancelled"}), "appointment"
        )
        times = {"start_time": self._at(days=1), "end_time": self._at(days=1, hours=2)}
        weekly = {"rule": {"count": 3}, "reason": "Lunch", "calendar_id": self._people[0]}
        block = await self._made("blocks", "block", **times, **weekly)
        day, page = taken[:10], f"/staff/appointments/{own}"
        typed = {"version": "1", "instead": taken, "calendar0": self._people[1]}
        new = {"type": self._ids["all"], "name": "Jane Doe"}
        of_day = {"calendar": "", "date": day, "from": "00:00", "to_date": day, "to": "23:59"}
        of_week = {"repeat": "weekly", "weeks": "x", "until": "2020-01-01", "days": "9"}
        found = [
            Sight("staff day", f"/staff/day/{day}"),
            Sight("staff day with a block", f"/staff/day/{self._at(days=1)[:10]}"),
            Sight("staff refused block", "/staff/blocks", 409, of_day),
            Sight("staff wrong block", "/staff/blocks", 400, {}),
            Sight("staff wrong weekly block", "/staff/blocks", 400, of_day | of_week),
            Sight("staff week", f"/staff/week/{day}"),
            Sight("staff month", f"/staff/month/{day[:7]}"),
            Sight("staff list", f"/staff/list?from={day}"),
            Sight("staff search", "/staff/list?q=jane"),
            Sight("staff wrong search", f"/staff/list?q={'a' * 201}", 400),
            Sight("staff clients", "/staff/clients"),
            Sight("staff client", page.replace("appointments", "clients")),
            Sight("staff appointment", page),
            Sight("staff stale appointment", f"{page}/status", 409, {"version": "0", "status": "no_show"}),
            Sight("staff change", f"{page}/change"),
            Sight("staff wrong change", f"{page}/change", 400, {"email": "jane@", "minutes": "x"}),
            Sight("staff move", f"{page}/move"),
            Sight("staff refused move", f"{page}/move", 409, typed),
            Sight("staff wrong move", f"{page}/move", 400, {}),
            Sight("staff cancel", f"{page}/cancel"),
            Sight("staff cancelled just now", f"/staff/appointments/{gone}"),
            Sight("staff book", f"/staff/new?type={self._ids['all']}&start={taken}"),
            Sight("staff free times", "/staff/new", 200, new | {"date": day, "show": "1"}),
            Sight("staff doubtful booking", "/staff/new", 409, new | {"date": "2020-01-01", "time": "10:00"}),
            Sight("staff refused booking", "/staff/new", 409, new | typed),
            Sight("staff wrong booking", "/staff/new", 400, new | {"email": "jane@"}),
            Sight("staff block", f"/staff/blocks/{block}"),
            Sight("staff change of a block", f"/staff/blocks/{block}/change"),
            Sight("staff block to give back", f"/staff/blocks/{block}/remove"),
            Sight("staff settings", "/staff/settings"),
            Sight("staff nothing", "/staff/nothing", 404),
            Sight("staff account", "/staff/me?first=1"),
            *await self._of_setup(),
            *await self._of_office(),
        ]
        return [replace(each, for_staff=True) for each in found]

    async def _of_office(self) -> list[Sight]:
        """Return the pages about people and programs."""
        settings = "/staff/settings"
        key = (await self._asked_for("keys", name="Web", scopes=["admin"]))["key"]["id"]
        ben = await self._asked_for("people", name="Ben", email="ben@example.com", scopes=["admin"])
        person = ben["person"]["id"]
        await self._leave_a_key(urlsplit(str(ben["enter_url"])).path)
        hook = {"url": "https://93.184.215.14/hook", "name": "Desk", "events": ["appointment.*"]}
        webhook = (await self._asked_for("webhooks", **hook))["data"]["id"]
        delivery = (await self._asked_for(f"webhooks/{webhook}/test"))["data"]["id"]
        feed = (await self._asked_for("calendar/feeds", kind="busy"))["feed"]["id"]
        deliveries = f"{settings}/webhooks/{webhook}/deliveries"
        return [
            Sight("staff people", f"{settings}/people"),
            Sight("staff wrong person", f"{settings}/people", 400, {"email": "ben@"}),
            Sight("staff person", f"{settings}/people/{person}"),
            Sight("staff link", f"{settings}/people/{person}/link", 200, {"key": "once"}),
            Sight("staff removing a person", f"{settings}/people/{person}/remove"),
            Sight("staff keys", f"{settings}/keys"),
            Sight("staff wrong key", f"{settings}/keys", 400, {"name": "x"}),
            Sight("staff key", f"{settings}/keys/{key}"),
            Sight("staff webhooks", f"{settings}/webhooks"),
            Sight("staff wrong webhook", f"{settings}/webhooks", 400, {"url": "x"}),
            Sight("staff webhook", f"{settings}/webhooks/{webhook}"),
            Sight("staff deliveries", deliveries),
            Sight("staff wrong replay", deliveries, 400, {}),
            Sight("staff delivery", f"{deliveries}/{delivery}"),
            Sight("staff feeds", f"{settings}/feeds"),
            Sight("staff removing a feed", f"{settings}/feeds/{feed}/remove"),
            Sight("staff mails", f"{settings}/mails"),
            *[Sight("staff mail", f"{settings}/mails/{each}") for each in await self._mails()],
        ]

    async def _mails(self) -> list[str]:
        """Return the id of a mail, if the server sends mails."""
        answer = await self.staff.get("/v1/mails")
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["mails"][:1]]

    async def _asked_for(self, path: str, /, **body: Any) -> Any:
        """Make something. Returns the whole answer."""
        answer = await self.staff.post(f"/v1/{path}", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def _leave_a_key(self, link: str) -> None:
        """Make a key as somebody who comes in by a link, so that there is something they leave behind."""
        wish = {"name": "Ben's own", "scopes": "read", "key": "own"}
        for path, form in ((link, {}), ("/staff/settings/keys", wish), ("/staff/sign-out", {})):
            answer = await self.staff.post(path, data=form, headers={"Sec-Fetch-Site": "same-origin"})
            assert answer.status_code in (200, 303), answer.text

    async def _of_setup(self) -> list[Sight]:
        """Return the pages with which an organization is set up."""
        settings = "/staff/settings"
        schedule = await self._made("schedules", "schedule", name="Evenings", windows=week("18:00-21:00"))
        first = self._at(days=3)[:10]
        elsewhere = {"kind": "ics", "url": "https://93.184.215.14/private-8c1f0e44/basic.ics"}
        await self._made(f"calendars/{self._people[0]}/sources", "source", **elsewhere)
        for hours in ([], [{"start_time": "10:00", "end_time": "12:00"}]):
            await self._made("overrides", "override", date=first, windows=hours, reason="Fair")
        person, type_ = f"{settings}/calendars/{self._people[0]}", f"{settings}/types/{self._ids['all']}"
        own, named = f"{settings}/hours", f"{settings}/hours/{schedule}"
        wrong = {"from-1-0": "12:00", "to-1-0": "08:00", "zone": "Atlantis"}
        asked = {
            "name": "",
            "q-0-id": "q",
            "q-0-kind": "select",
            "need-0": "a",
            "need-0-name": "",
            "need-1": "",
        }
        return [
            Sight("staff organization", f"{settings}/organization"),
            Sight("staff logo", f"{settings}/organization/logo"),
            Sight("staff wrong organization", f"{settings}/organization", 400, {"name": "", "zone": "?"}),
            Sight("staff types", f"{settings}/types"),
            Sight("staff type", type_),
            Sight("staff new type", f"{settings}/types/new"),
            Sight("staff wrong type", type_, 400, asked),
            Sight("staff hours", own),
            Sight("staff wrong hours", own, 400, wrong),
            Sight("staff other hours", named),
            Sight("staff wrong other hours", named, 400, wrong),
            Sight("staff closures", f"{settings}/closures"),
            Sight("staff wrong closures", f"{settings}/closures", 400, {"first": "", "from-0-0": "09:00"}),
            Sight("staff calendars", f"{settings}/calendars"),
            Sight("staff calendar", person),
            Sight("staff removing a calendar", f"{person}/remove"),
            Sight("staff calendar in use", f"{person}/remove", 409, {}),
            Sight("staff calendar that is left", person, 409, {"name": "Ana"}),
            Sight("staff sources", f"{person}/sources"),
            Sight("staff wrong sources", f"{person}/sources", 400, {"kind": "ics", "url": "x"}),
            Sight("staff start", "/staff/start"),
            Sight("staff start with hours", "/staff/start/hours"),
            Sight("staff start with a type", "/staff/start/type"),
            Sight("staff start wrong", "/staff/start/type", 400, {"name": "", "duration": "x"}),
            Sight("staff start done", "/staff/start/done"),
        ]

    async def _managed(self, starts: list[str], taken: str) -> list[Sight]:
        """Return the pages behind the links of appointments in every state."""
        answers = {"text": "A friend", "number": 2, "checkbox": True}
        own = await self._link(start_time=starts[0], answers=answers, client_notes="Two\nlines")
        asked = await self._asked(starts[1])
        over = await self._link(start_time=self._at(hours=-30))
        late = await self._link(start_time=self._at(minutes=30))
        left = await self._link(start_time=starts[2], status="cancelled")
        return [
            Sight("appointment", own),
            Sight("booked", f"{own}?booked=1"),
            Sight("requested", asked),
            Sight("over", over),
            Sight("too late", late),
            Sight("cancelled", left),
            Sight("correcting", f"{own}/details"),
            Sight("cancelling", f"{own}/cancel"),
            Sight("cancelling too late", f"{late}/cancel"),
            Sight("cancelling what is cancelled", f"{left}/cancel"),
            Sight("moving", f"{own}/move"),
            Sight("moving to a time that is taken", f"{own}/move", 409, {"start": taken}),
            Sight("zone of an appointment", f"{asked}/zone"),
        ]

    async def _open(self) -> None:
        """Give the organization everything that its pages can show."""
        await self._change_organization()
        answered(await self.staff.put("/v1/organization/logo", content=png(100, 100)), "organization")
        hours = week("09:00-17:00")
        answered(await self.staff.put(f"{BASE}/availability", json={"schedules": hours}), "schedules")
        self._people = [
            await self._made(
                *("calendars", "calendar"),
                name=name,
                public_name=name,
                about=about,
                color=color,
                is_public=True,
            )
            for name, about, color in (("Ana", "Speaks Portuguese", "#b91c1c"), ("Ben", None, None))
        ]
        every: dict[str, Any] = {"durationMinutes": 60, "minNoticeHours": 1, "maxDaysAhead": None}
        self._ids["all"] = await self._made(
            "appointment-types",
            "appointmentType",
            name="Everything that there is",
            slug="all-of-it",
            color="#facc15",
            description="A long talk about everything.\nBring your papers.",
            location={"kind": "address"},
            price={"amount": 80, "currency": "EUR"},
            bookingQuestions=QUESTIONS,
            confirmationText="Please ring twice.",
            calendarIds=self._people,
            clientsChoose=True,
            **every,
        )
        phone = {"location": {"kind": "phone"}, "requiresConfirmation": True}
        named = {"name": "A call", "slug": "call"}
        self._ids["call"] = await self._made(
            "appointment-types", "appointmentType", **named, **every, **phone, calendarIds=self._people[:1]
        )
        closed = every | {"maxDaysAhead": 0, "minNoticeHours": 48}
        await self._made("appointment-types", "appointmentType", name="Later", slug="later", **closed)

    async def _change_organization(self) -> None:
        told = {
            "intro": "Welcome.\nWe are glad to see you.",
            "address": "Main St 4\n10115 Berlin",
            "phone": "+49 30 1234567",
            "contact_email": "desk@example.com",
            "privacy_url": "https://example.com/privacy",
            "terms_url": "https://example.com/terms",
            "color": "#0b7a5e",
            "timezone": "Europe/Berlin",
            "indexing": True,
            "embed_origins": [SITE],
            "client_notice_hours": 2,
        }
        answered(await self.staff.patch("/v1/organization", json=told), "organization")

    async def _made(self, path: str, thing: str, /, **body: Any) -> str:
        return str(answered(await self.staff.post(f"{BASE}/{path}", json=body), thing)["id"])

    async def _starts(self, count: int) -> list[str]:
        days = [str(self.now.date() + timedelta(days=each)) for each in (2, 9)]
        asked = {"appointment_type_id": self._ids["all"], "from": days[0], "to": days[1]}
        found = await self.staff.get(f"{BASE}/slots", params=asked)
        assert found.status_code == 200, found.text
        starts = list(dict.fromkeys(each["start_time"] for each in found.json()["slots"]))
        return starts[:count]

    async def _held(self, start: str) -> str:
        wish = {"appointment_type_id": self._ids["all"], "start_time": start}
        answer = await self.client.post(f"/v1/public/{self.slug}/holds", json=wish)
        return str(answered(answer, "hold")["id"])

    async def _lost(self, start: str) -> str:
        """Return the id of a hold that is given back."""
        hold = await self._held(start)
        assert (await self.staff.delete(f"{BASE}/holds/{hold}")).status_code == 200
        return hold

    async def _fill(self, start: str) -> None:
        """Book everybody's time."""
        for person in self._people:
            await self._link(start_time=start, calendar_id=person)

    async def _link(self, status: str | None = None, **fields: Any) -> str:
        """Book by staff. Returns the path of the client's page."""
        wish = {
            "appointment_type_id": self._ids["all"],
            "client_name": "Jane Doe",
            "client_email": "jane@example.com",
            "manage_link": True,
            "check": "none",
        }
        answer = await self.staff.post(APPOINTMENTS, json=wish | fields)
        assert answer.status_code == 200, answer.text
        made = answer.json()
        if status is not None:
            path = f"{APPOINTMENTS}/{made['appointment']['id']}"
            answered(await self.staff.patch(path, json={"status": status}), "appointment")
        return f"/manage/{made['manage_token']}"

    async def _asked(self, start: str) -> str:
        """Ask for an appointment, as clients do. Returns the path of the client's page."""
        wish = {"appointment_type_id": self._ids["call"], "start_time": start, "client_name": "Jane Doe"}
        contact = {"client_phone": "+49 30 7654321", "client_timezone": "America/New_York"}
        answer = await self.client.post(f"/v1/public/{self.slug}/appointments", json=wish | contact)
        assert answer.status_code == 200, answer.text
        return f"/manage/{answer.json()['manage_token']}"

    def _at(self, **units: float) -> str:
        return (self.now + timedelta(**units)).replace(microsecond=0).isoformat()
