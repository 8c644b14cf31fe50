"""The colours of types and calendars on the pages for staff."""

import re

import pytest
from fastapi import FastAPI

from kalends.core.colors import DARK, LIGHT, SHAPE_CONTRAST, TEXT_CONTRAST, contrast
from kalends.web.staff_colors import MOST
from kalends.web.themes import marks
from tests.support.desk import at
from tests.web.staff import DAY, Staff, fields_in, reasons_in, staff_at

pytestmark = pytest.mark.anyio

STYLES = re.compile(r'<link rel="stylesheet" href="(/staff/colors\.css[^"]*)">')
WEEK, LIST = DAY.replace("day", "week"), "/staff/list?from=2024-01-25"


@pytest.fixture
async def staff(app: FastAPI) -> Staff:
    return await staff_at(app)


def marked(text: str) -> list[str]:
    """The classes of colours on a page, in its order."""
    return re.findall(r'class="[^"]*\b(k-\w+)', text)


async def test_an_appointment_has_the_colour_of_its_type_or_else_of_its_calendar(staff: Staff) -> None:
    desk = staff.desk
    red = (await desk.add_type(color="#B91C1C"))["id"]
    room = await desk.room("Room 1", color="#0A6")
    await desk.set_type(calendarIds=[desk.org.calendar_id, room])
    await desk.booked(at("10:00"), calendar_id=desk.org.calendar_id)  # neither has one
    await desk.booked(at("11:00"), appointment_type_id=red, calendar_id=desk.org.calendar_id)
    last = await desk.booked(at("12:00"), calendar_id=room)
    client = f"/staff/clients/{last['id']}"
    for path, wanted in (
        (DAY, ["k-b91c1c", "k-00aa66", "k-00aa66"]),  # the second is the head of the room
        (WEEK, ["k-b91c1c", "k-00aa66"]),
        (LIST, ["k-b91c1c", "k-00aa66"]),
        (client, ["k-00aa66", "k-b91c1c"]),
    ):
        page = (await staff.see(path)).text
        assert marked(page) == wanted, path
        assert STYLES.findall(page) == ["/staff/colors.css?c=00aa66-b91c1c"]
    styles = await staff.see("/staff/colors.css?c=00aa66-b91c1c")
    assert (styles.headers["content-type"], styles.text.count("\n")) == ("text/css; charset=utf-8", 2)
    assert styles.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert re.findall(r"^\.(k-\w+)\{", styles.text, re.MULTILINE) == ["k-00aa66", "k-b91c1c"]


async def test_without_colours_everything_looks_as_the_organization_does(staff: Staff) -> None:
    await staff.desk.booked()
    for path in (DAY, WEEK, LIST):
        page = (await staff.see(path)).text
        assert (marked(page), STYLES.findall(page)) == ([], [])


def test_what_stands_on_a_colour_can_be_read() -> None:
    for color in ("000000", "ffffff", "ffff00", "3b82f6", "888888", "00ff00"):
        pairs = re.findall(r"light-dark\((#\w+),(#\w+)\)", marks(color))
        assert len(pairs) == 2
        for scheme, edge, tint in zip((LIGHT, DARK), *pairs, strict=True):
            assert contrast(scheme.text, tint) >= TEXT_CONTRAST
            assert min(contrast(edge, each) for each in (tint, scheme.surface)) >= SHAPE_CONTRAST


@pytest.mark.parametrize("named", ["red", "12345", "#123456", "123456-", "-".join(["123456"] * (MOST + 1))])
async def test_what_names_no_colours_is_not_there(staff: Staff, named: str) -> None:
    assert (await staff.open("/staff/colors.css", c=named)).status_code == 404


async def test_more_colours_than_can_be_told_apart_are_cut_off(staff: Staff) -> None:
    for number in range(MOST + 1):
        await staff.desk.room(color=f"#{number:06x}")
    [address] = STYLES.findall((await staff.see()).text)
    assert (await staff.see(address)).text.count("\n") == MOST


async def test_colours_are_set_in_forms(staff: Staff) -> None:
    await staff.desk.booked()
    place = f"/staff/settings/calendars/{staff.desk.org.calendar_id}"
    kind = f"/staff/settings/types/{staff.desk.org.type_id}"
    for path, form, color in ((place, "calendar", "#00aa66"), (kind, "type", "#b91c1c")):
        fields = fields_in(await staff.see(path), form)
        assert fields["color"] == ""
        refused = await staff.send(path, **fields | {"color": "reddish", "do": "save"})
        assert "Colour" in reasons_in(refused)[0]
        await staff.do(path, **fields | {"color": f" {color} ", "do": "save"})
        shown = fields_in(await staff.see(path), form)
        assert shown["color"] == color
        assert f"k-{color[1:]}" in marked((await staff.see()).text)
    for path, form in ((kind, "type"), (place, "calendar")):
        await staff.do(path, **fields_in(await staff.see(path), form) | {"color": "", "do": "save"})
    assert marked((await staff.see()).text) == []
