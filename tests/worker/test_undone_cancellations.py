"""What is mailed of a cancellation that somebody of the staff can still undo."""

import pytest

from tests.support.desk import APPOINTMENTS
from tests.support.practice import Opening, Practice
from tests.web.staff import Staff, entered
from tests.worker.mails import JANE, TO_BE_CONFIRMED, told, travel

pytestmark = [pytest.mark.anyio, pytest.mark.both]

HERE = "http://kalends.test"
"""Where browsers of tests are signed in."""
CANCELLED, CONFIRMED = "Your appointment was cancelled", "Your appointment is confirmed"


async def cancelled(p: Practice) -> Staff:
    """Somebody who has just cancelled the last appointment on its page."""
    ana = await entered(p.desk.app, p.desk, "write")
    version = str((await p.desk.get(p.id))["version"])
    await ana.do(f"/staff/appointments/{p.id}/cancel", version=version, reason="Ill")
    return ana


async def undo(p: Practice, by: Staff) -> None:
    version = str((await p.desk.get(p.id))["version"])
    await by.do(f"/staff/appointments/{p.id}/undo", version=version)


async def test_the_client_is_told_once_it_can_not_be_undone(opening: Opening) -> None:
    async with opening(public_url=HERE) as p:
        await p.book()
        await p.mails()
        await cancelled(p)
        assert await p.mails() == []
        await travel(p, 0, seconds=11)
        assert told(await travel(p, 1, seconds=1), JANE) == [CANCELLED]
        await travel(p, 0, minutes=5)


async def test_what_was_undone_is_told_to_nobody(opening: Opening) -> None:
    async with opening(public_url=HERE) as p:
        await p.book()
        await p.mails()
        for _ in range(2):
            ana = await cancelled(p)
            assert await p.mails() == []
            p.clock.forward(seconds=9)
            await undo(p, ana)
            await travel(p, 0, minutes=5)
        # Nobody was awake meanwhile: it is the same.
        await undo(p, await cancelled(p))
        p.clock.forward(seconds=1)
        await cancelled(p)
        assert told(await travel(p, 1, minutes=1), JANE) == [CANCELLED]
        await p.change(status="confirmed")
        assert told(await p.mails(), JANE) == [CONFIRMED]
        assert {each.status for each in await p.deliveries() if each.audience == "client"} == {
            "delivered",
            "skipped",
        }


async def test_a_request_that_waits_again_is_told_to_nobody(opening: Opening) -> None:
    async with opening(public_url=HERE) as p:
        await p.desk.set_type(**TO_BE_CONFIRMED)
        await p.ask()
        await p.mails()
        await undo(p, await cancelled(p))
        await travel(p, 0, minutes=5)
        assert (await p.desk.get(p.id))["status"] == "pending"


async def test_taken_back_on_the_page_before_it_was_mailed(opening: Opening) -> None:
    async with opening(public_url=HERE) as p:
        await p.book()
        await p.mails()
        ana = await cancelled(p)
        path = f"/staff/appointments/{p.id}"
        await ana.do(f"{path}/status", version="2", status="confirmed")
        await travel(p, 0, minutes=5)
        # Moved at the same time, it is told.
        ana = await cancelled(p)
        await p.change(status="confirmed", start_time="2024-01-26T14:00:00Z")
        assert told(await p.mails(), JANE) == [CONFIRMED]
        await travel(p, 0, minutes=5)


async def test_a_program_cancels_at_once_and_its_undoing_is_mailed(opening: Opening) -> None:
    async with opening(public_url=HERE) as p:
        await p.book()
        await p.mails()
        for together in (False, True):
            await p.change(status="cancelled")
            first = [] if together else await p.mails()
            answer = await p.desk.staff.post(f"{APPOINTMENTS}/{p.id}/undo-cancellation")
            assert answer.status_code == 200, answer.text
            assert told([*first, *await p.mails()], JANE) == [CANCELLED, CONFIRMED]


async def test_who_was_told_in_spite_of_all_is_told_that_it_stands(opening: Opening) -> None:
    """The clocks of two servers differ by more than they should."""
    async with opening(public_url=HERE) as p:
        await p.book()
        await p.mails()
        ana = await cancelled(p)
        assert told(await travel(p, 1, seconds=12), JANE) == [CANCELLED]
        p.clock.forward(seconds=-4)
        await undo(p, ana)
        assert told(await travel(p, 1, seconds=5), JANE) == [CONFIRMED]


async def test_a_reminder_outlasts_it(opening: Opening) -> None:
    """It is due while the appointment is cancelled for a moment."""
    async with opening(public_url=HERE, kind={"reminderHours": 48}) as p:
        await p.book()
        await p.mails()
        await travel(p, 0, days=3, hours=1, minutes=59, seconds=57)
        ana = await cancelled(p)
        await travel(p, 0, seconds=5)
        await undo(p, ana)
        assert told(await travel(p, 1, seconds=20), JANE) == ["Reminder"]
        # Once it was sent, it is not sent again.
        await undo(p, await cancelled(p))
        await travel(p, 0, days=1)
