"""Where mails to staff lead, and in which language they are."""

from typing import Any

import pytest

from tests.support.answers import answered, refused
from tests.support.letters import BASE
from tests.support.practice import DESK, Opening, Practice
from tests.worker.mails import TO_BE_CONFIRMED

pytestmark = pytest.mark.anyio

BOTH = ("text/plain", "text/html")


async def to_desk(p: Practice) -> dict[str, str]:
    """Both parts of the one mail that the desk gets."""
    [mail] = [mail for mail in await p.mails() if mail.recipients == [DESK]]
    return {kind: mail.part(kind) for kind in BOTH} | {"subject": mail.subject}


async def hire(p: Practice, **fields: Any) -> None:
    wish = {"name": "Ana", "email": DESK} | fields
    answer = await p.desk.staff.post("/v1/people", json=wish)
    assert answer.status_code == 200, answer.text


async def test_every_mail_leads_to_the_page_of_its_appointment(opening: Opening) -> None:
    async with opening() as p:
        await p.ask()
        for change in (None, lambda: p.move("2024-01-26T14:00:00Z"), p.cancel):
            if change is not None:
                await change()
            parts = await to_desk(p)
            for kind in BOTH:
                assert "See it on the pages for staff:" in parts[kind]
                assert f"{BASE}/staff/appointments/{p.id}" in parts[kind]
                assert "/staff/requests/" not in parts[kind]


async def test_only_who_may_decide_is_sent_a_link_for_it(opening: Opening) -> None:
    """The mailbox of nobody in particular leads to the page, where people sign in."""
    async with opening() as p:
        await p.desk.set_type(**TO_BE_CONFIRMED)
        people: list[tuple[int, dict[str, Any] | None]] = [
            (9, None),
            (10, {"scopes": ["admin"], "email": "other@clinic.example"}),
            (11, {"scopes": ["read", "delete"]}),
        ]
        for hour, person in people:
            if person is not None:
                await hire(p, **person)
            await p.ask(start_time=f"2024-01-25T{hour:02}:00:00Z")
            parts = await to_desk(p)
            for kind in BOTH:
                assert "/staff/requests/" not in parts[kind]
                assert "Confirm or decline it on the pages for staff:" in parts[kind]


async def test_mails_are_in_the_language_of_the_person_with_the_address(opening: Opening) -> None:
    async with opening() as p:
        await p.desk.set_organization(language="es")
        await hire(p, language="de-AT")
        await p.desk.set_type(**TO_BE_CONFIRMED)
        await p.ask()
        parts = await to_desk(p)
        assert parts["subject"].startswith("Zu bestätigen: Tax Consultation, Donnerstag, 25. Jänner 2024")
        for kind in BOTH:
            assert "In Ihrem Namen bestätigen oder ablehnen:" in parts[kind]
            assert "Behalten Sie diesen Link für sich" in parts[kind]
        [person] = (await p.desk.staff.get("/v1/people")).json()["people"]
        path = f"/v1/people/{person['id']}"
        answered(await p.desk.staff.patch(path, json={"language": None}), "person")
        await p.cancel()
        assert "jueves, 25 de enero" in (await to_desk(p))["subject"]


async def test_without_the_servers_address_there_are_no_links(opening: Opening) -> None:
    async with opening(public_url="") as p:
        await hire(p)
        await p.desk.set_type(**TO_BE_CONFIRMED)
        await p.ask()
        assert "/staff/" not in str(await to_desk(p))


async def test_a_replayed_mail_has_a_link_of_its_own(opening: Opening) -> None:
    async with opening() as p:
        await hire(p)
        await p.desk.set_type(**TO_BE_CONFIRMED)
        await p.ask()
        first = (await to_desk(p))["text/plain"]
        found = (await p.desk.staff.get("/v1/mails")).json()["mails"]
        [mail] = [each for each in found if each["audience"] == "staff"]
        answered(await p.desk.staff.post(f"/v1/mails/{mail['id']}/replay"), "mail")
        second = (await to_desk(p))["text/plain"]
        assert first != second
        assert first.count("/staff/requests/") == second.count("/staff/requests/") == 1
        assert "/staff/requests/" not in (await p.desk.staff.get("/v1/events")).text
        await p.change(status="confirmed")
        refused(await p.desk.staff.post(f"/v1/mails/{mail['id']}/replay"), 409, "conflict")
