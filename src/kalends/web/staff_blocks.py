"""Blocking time, seeing why it is blocked, and giving it back."""

from datetime import date

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import Conflict, IdempotencyKeyReused, Malformed, NotFound, Refusal
from kalends.db.database import Tx
from kalends.schemas.appointments import Actor
from kalends.schemas.blocks import Block, BlockAnswer, BlockCreate
from kalends.schemas.wire import Deleted
from kalends.services.setup import blocks, calendars
from kalends.web import problems
from kalends.web.block_forms import BlockSheet
from kalends.web.forms import Form, form_of, validated
from kalends.web.readers import Reader
from kalends.web.sent import Name
from kalends.web.staff_calendar import day_page
from kalends.web.staff_pages import (
    chosen_in,
    day_in,
    key_in,
    moment_in,
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
        back=reader.link(f"/staff/day/{dates.local(block.start_time, zone).date()}"),
        remove=reader.link(f"/staff/blocks/{block_id}/remove") if call.member.may("delete") else None,
    )


@router.get("/{block_id}/remove")
async def ask_again(block_id: Name, call: Entered) -> Response:
    """Lead to the block, which has the button."""
    return lead_to(call, reader_of(call).link(f"/staff/blocks/{block_id}"))


@router.post("/{block_id}/remove")
async def remove(block_id: Name, change: EnteredWriting) -> Response:
    """Give the time of a block back, and lead to its day."""
    change.member.need("delete")
    reader = reader_of(change)
    block, _ = await change.db.read(_block, change.org_id, block_id)
    await change.make(Deleted.of, blocks.remove, change.party, block_id, change.now)
    return lead_to(change, reader.link(f"/staff/day/{dates.local(block.start_time, change.timezone).date()}"))


async def _refused(
    change: EnteredChange, form: Form, on: date, only: tuple[str, ...], refusal: Refusal
) -> Response:
    reader = reader_of(change)
    sheet = BlockSheet.filled(reader, form, only).refused(refusal, reader, change.timezone, change.now)
    return await day_page(change, on, only, sheet, status=problems.noted(change.request, refusal))


def _wish(change: EnteredChange, form: Form) -> BlockCreate:
    """Return the block that was filled in. Raises Malformed, InvalidTime."""
    calendar = form.text("calendar")
    return validated(
        BlockCreate,
        {
            "start_time": moment_in(form, "date", "from", change.timezone),
            "end_time": moment_in(form, "to_date", "to", change.timezone),
            "force": form.text("force") == "1",
            **({"calendar_id": calendar} if calendar else {"all": True}),
            **form.sent("reason"),
        },
    )


def _block(tx: Tx, org_id: str, block_id: str) -> tuple[Block, str | None]:
    """Return a block, and the name of its calendar; None if it is of all. Raises NotFound."""
    block = blocks.get(tx, org_id, block_id)
    if block.calendar_id is None:
        return block, None
    return block, calendars.names(tx, org_id).get(block.calendar_id)


def _by(actor: Actor | None, reader: Reader) -> str | None:
    return None if actor is None else who(actor, reader)
