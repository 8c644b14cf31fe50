"""Blocking time, seeing why it is blocked, and giving it back."""

from datetime import date, datetime

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import Conflict, IdempotencyKeyReused, InvalidTime, Malformed, NotFound, Refusal
from kalends.db.database import Tx
from kalends.schemas.appointments import Actor
from kalends.schemas.blocks import Block, BlockAnswer, BlockCreate
from kalends.schemas.wire import Deleted
from kalends.services.setup import blocks, calendars
from kalends.web import problems
from kalends.web.block_forms import CHOSEN, INSTEAD, BlockSheet
from kalends.web.forms import Form, form_of, validated
from kalends.web.readers import Reader
from kalends.web.sent import Name, start_in
from kalends.web.staff_calendar import day_page
from kalends.web.staff_moments import must_be_meant
from kalends.web.staff_pages import (
    chosen_in,
    day_in,
    key_in,
    moment_in,
    on_the_clock,
    shown_span,
    staff_page,
    today,
)
from kalends.web.staff_visits import Entered, EnteredChange, EnteredWriting
from kalends.web.told_history import who
from kalends.web.visits import lead_to, reader_of
from kalends.words import dates

router = APIRouter(prefix="/staff/blocks", include_in_schema=False)


@router.get("")
async def back(call: Entered) -> Response:
    """Lead to today: the form is on the page of each day."""
    return lead_to(call, reader_of(call).link("/staff"))


@router.post("")
async def create(change: EnteredWriting) -> Response:
    """Block time, once for each form, and lead to its day."""
    form = await form_of(change.request)
    reader, only = reader_of(change), chosen_in(change.request)
    on = day_in(form.text("date")) or today(change)
    try:
        wish = _wish(change, form)
        # What lasts until today or longer may have begun before.
        doubtful = min(wish.end_time, max(wish.start_time, change.now))
        must_be_meant(form, doubtful, change.timezone, change.now)
        once = change.for_form(f"block:{key_in(form)}")
        await once.make(BlockAnswer.of, blocks.create, change.party, wish, change.now)
    except (Malformed, Conflict, NotFound, IdempotencyKeyReused) as refusal:
        return await _refused(change, form, on, only, refusal)
    return lead_to(change, reader.link(f"/staff/day/{on}", calendar=",".join(only) or None))


@router.get("/{block_id}")
async def see(block_id: Name, call: Entered) -> Response:
    """Show a block."""
    block, calendar = await call.db.read(_block, call.org_id, block_id)
    reader, zone = reader_of(call), call.timezone
    last = dates.local(block.instances[-1].start_time, zone).date()
    return staff_page(
        call,
        "staff/block.html",
        reader.say("Blocked time"),
        reader,
        when=shown_span(reader, block.start_time, block.end_time, zone),
        zone=reader.zone_name(zone, block.start_time),
        calendar=calendar,
        reason=block.reason,
        by=_by(block.created_by, reader),
        count=len(block.instances),
        last=reader.long_day(last),
        day=(on := dates.local(block.start_time, zone).date()),
        back=reader.link(f"/staff/day/{on}"),
        remove=reader.link(f"/staff/blocks/{block_id}/remove") if call.member.may("delete") else None,
    )


@router.get("/{block_id}/remove")
async def ask_again(block_id: Name, call: Entered) -> Response:
    """Lead to the block, which has the button."""
    return lead_to(call, reader_of(call).link(f"/staff/blocks/{block_id}"))


@router.post("/{block_id}/remove")
async def remove(block_id: Name, change: EnteredWriting) -> Response:
    """Give the time of a block back, and lead to its day. Sent again, it leads there, too."""
    change.member.need("delete")
    on = day_in((await form_of(change.request)).text("day"))
    try:
        block, _ = await change.db.read(_block, change.org_id, block_id)
        await change.make(Deleted.of, blocks.remove, change.party, block_id, change.now)
    except NotFound:
        if on is None:
            raise
    else:
        on = dates.local(block.start_time, change.timezone).date()
    return lead_to(change, reader_of(change).link(f"/staff/day/{on}"))


async def _refused(
    change: EnteredChange, form: Form, on: date, only: tuple[str, ...], refusal: Refusal
) -> Response:
    reader = reader_of(change)
    sheet = BlockSheet.filled(reader, form, only, change.timezone).refused(
        refusal, reader, change.timezone, change.now
    )
    return await day_page(change, on, only, sheet, status=problems.noted(change.request, refusal))


def _wish(change: EnteredChange, form: Form) -> BlockCreate:
    """Return the block that was filled in. Raises Malformed, InvalidTime."""
    calendar = form.given("calendar")
    return validated(
        BlockCreate,
        {
            "start_time": _moment(form, "date", "from", change.timezone),
            "end_time": _moment(form, "to_date", "to", change.timezone),
            "force": form.text("force") == "1",
            **({"calendar_id": calendar} if calendar else {"all": True}),
            **form.sent("reason"),
        },
    )


def _moment(form: Form, day: str, time: str, zone: str) -> datetime:
    """Return the instant that was chosen, or that the fields `day` and `time` say. Raises Malformed,
    InvalidTime; if clocks skip the time or show it twice, with the `field` that is meant."""
    if another := form.text(f"{time}{INSTEAD}"):
        return start_in(another, zone)
    if chosen := form.text(f"{time}{CHOSEN}"):
        found = start_in(chosen, zone)
        if on_the_clock(found, zone) == (form.text(day), form.text(time)):
            return found  # which clocks may show twice
    try:
        return moment_in(form, day, time, zone)
    except InvalidTime as refusal:
        raise type(refusal)(refusal.message, **refusal.details, field=time) from None


def _block(tx: Tx, org_id: str, block_id: str) -> tuple[Block, str | None]:
    """Return a block, and the name of its calendar; None if it is of all. Raises NotFound."""
    block = blocks.get(tx, org_id, block_id)
    if block.calendar_id is None:
        return block, None
    return block, calendars.names(tx, org_id).get(block.calendar_id)


def _by(actor: Actor | None, reader: Reader) -> str | None:
    return None if actor is None else who(actor, reader)
