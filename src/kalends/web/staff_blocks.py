"""Blocking time, seeing why it is blocked, changing that, and giving it back."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from kalends.core.errors import (
    Conflict,
    IdempotencyKeyReused,
    InvalidTime,
    Malformed,
    NotFound,
    PreconditionFailed,
    Refusal,
)
from kalends.db.database import Tx
from kalends.schemas.appointments import Actor
from kalends.schemas.blocks import Block, BlockAnswer, BlockChange, BlockCreate, BlockedTime
from kalends.schemas.wire import Deleted
from kalends.schemas.wrong_fields import malformed, wrong
from kalends.services.setup import as_seen, blocks, calendars
from kalends.web import block_rules, problems
from kalends.web.block_forms import CHOSEN, INSTEAD, BlockSheet, action_for
from kalends.web.block_rules import DAYS
from kalends.web.forms import Form, form_of, validated
from kalends.web.readers import Reader
from kalends.web.sent import Name, start_in
from kalends.web.settings_pages import asked_again
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
from kalends.web.staff_visits import Entered, EnteredCall, EnteredChange, EnteredToWrite, EnteredWriting
from kalends.web.told_history import who
from kalends.web.visits import lead_to, reader_of
from kalends.words import dates
from kalends.words.sentences import marked

_GIVE_ALL_BACK = marked("Give all these times back?")
_ALL_TIMES = marked("{calendar}: {count} times, from {first} to {last}. They can be booked again then.")

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
    """Show a block; if it comes again, at the time that the address says."""
    return await _page(call, block_id, _sent_moment(call.request.query_params.get("at", "")))


@router.get("/{block_id}/change")
async def ask_to_change(block_id: Name, call: EnteredToWrite) -> Response:
    """Show the form that changes a block."""
    block, _ = await call.db.read(_block, call.org_id, block_id)
    action = reader_of(call).link(f"/staff/blocks/{block_id}/change")
    return await _form(call, block, BlockSheet.of(action, block, call.timezone, as_seen.mark(block)))


@router.post("/{block_id}/change")
async def change_one(block_id: Name, change: EnteredWriting) -> Response:
    """Change a block in what was touched, and lead to it."""
    form, reader, zone = await form_of(change.request), reader_of(change), change.timezone
    block, _ = await change.db.read(_block, change.org_id, block_id)
    action = reader.link(f"/staff/blocks/{block_id}/change")
    seen = _seen_in(form)
    try:
        shown = BlockSheet.of(action, block, zone, seen)
        wish = _changes(change, form, block, shown)
        if form.typed("date", "to_date") != {name: shown.typed[name] for name in ("date", "to_date")}:
            start, end = wish.sent().get("start_time"), wish.sent().get("end_time")
            first, last = start or block.start_time, end or block.end_time
            must_be_meant(form, min(last, max(first, change.now)), zone, change.now)
        await _make(change, block_id, seen, wish)
    except (Malformed, Conflict, NotFound, PreconditionFailed) as refusal:
        if isinstance(refusal, PreconditionFailed):
            block, _ = await change.db.read(_block, change.org_id, block_id)
        sheet = BlockSheet.filled(action, form, zone).refused(refusal, reader, zone, change.now)
        if isinstance(refusal, PreconditionFailed):
            sheet = replace(sheet, typed={**sheet.typed, "seen": as_seen.mark(block)})
        return await _form(change, block, sheet, status=problems.noted(change.request, refusal))
    return lead_to(change, reader.link(f"/staff/blocks/{block_id}"))


@router.post("/{block_id}/days")
async def change_day(block_id: Name, change: EnteredWriting) -> Response:
    """Give back one of the days on which a block comes again, or block it again. Sent again, it leads on."""
    form, reader = await form_of(change.request), reader_of(change)
    block, _ = await change.db.read(_block, change.org_id, block_id)
    seen, freeing = _seen_in(form), form.given("do") == "free"
    if (day := day_in(form.given("day"))) is None:
        raise malformed([wrong("day", "must be a date", "date")])
    if block.rule is None:
        raise NotFound("This block comes once.")
    if (day.isoformat() in block.rule.except_dates) is not freeing:
        try:
            rule = block_rules.with_day(block.rule, day, left_out=freeing)
            wish = validated(BlockChange, {"rule": rule, "force": form.text("force") == "1"})
            await _make(change, block_id, seen, wish)
        except (Malformed, Conflict, PreconditionFailed) as refusal:
            action = reader.link(f"/staff/blocks/{block_id}/days")
            sheet = BlockSheet(action, form.typed("day", "do"))
            sheet = sheet.refused(refusal, reader, change.timezone, change.now)
            status = problems.noted(change.request, refusal)
            on = (each.start_time for each in block.instances if block_rules.day_of(each, block) == day)
            return await _page(change, block_id, next(on, None), sheet, status=status)
    if freeing:
        return lead_to(change, reader.link(f"/staff/day/{day}"))
    return lead_to(change, reader.link(f"/staff/blocks/{block_id}"))


@router.get("/{block_id}/remove")
async def ask_again(block_id: Name, call: Entered) -> Response:
    """Ask whether all the times of a block are to be given back. One that comes once has the button."""
    block, calendar = await call.db.read(_block, call.org_id, block_id)
    reader, zone = reader_of(call), call.timezone
    here = reader.link(f"/staff/blocks/{block_id}")
    if block.rule is None or not call.member.may("delete") or not call.member.may("write"):
        return lead_to(call, here)
    first, last = (dates.local(block.instances[each].start_time, zone).date() for each in (0, -1))
    day = day_in(call.request.query_params.get("day", "")) or first
    return asked_again(
        call,
        reader,
        None,
        "",
        action=reader.link(f"/staff/blocks/{block_id}/remove"),
        back=here,
        hint=reader.say(_ALL_TIMES).format(
            calendar=calendar or reader.say("All calendars"),
            count=len(block.instances),
            first=reader.long_day(first),
            last=reader.long_day(last),
        ),
        question=_GIVE_ALL_BACK,
        button=marked("Give all these times back"),
        sends={"day": day.isoformat()},
    )


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
        on = on or dates.local(block.start_time, change.timezone).date()
    return lead_to(change, reader_of(change).link(f"/staff/day/{on}"))


async def _refused(
    change: EnteredChange, form: Form, on: date, only: tuple[str, ...], refusal: Refusal
) -> Response:
    reader = reader_of(change)
    sheet = BlockSheet.filled(action_for(reader, only), form, change.timezone).refused(
        refusal, reader, change.timezone, change.now
    )
    return await day_page(change, on, only, sheet, status=problems.noted(change.request, refusal))


async def _make(change: EnteredChange, block_id: str, seen: str, wish: BlockChange) -> None:
    """Change a block as it was `seen`. Raises what the service does, and PreconditionFailed."""
    await change.make(
        BlockAnswer.of,
        as_seen.change,
        change.org_id,
        seen,
        lambda tx: blocks.get(tx, change.org_id, block_id),
        lambda tx: blocks.change(tx, change.party, block_id, wish, change.now),
    )


async def _page(
    call: EnteredCall,
    block_id: str,
    at: datetime | None,
    sheet: BlockSheet | None = None,
    *,
    status: int = 200,
) -> Response:
    """Return the page of a block, at that of its times which is `at` a moment. `sheet` is what was
    refused."""
    block, calendar = await call.db.read(_block, call.org_id, block_id)
    reader, zone = reader_of(call), call.timezone
    time = _time_at(block, call.now if at is None else at)
    on = dates.local(time.start_time, zone).date()
    path, last = f"/staff/blocks/{block_id}", dates.local(block.instances[-1].start_time, zone).date()
    left_out = [] if block.rule is None else map(date.fromisoformat, block.rule.except_dates)
    may_remove = call.member.may("delete")
    return staff_page(
        call,
        "staff/block.html",
        reader.say("Blocked time"),
        reader,
        status=status,
        sheet=sheet,
        when=shown_span(reader, time.start_time, time.end_time, zone),
        zone=reader.zone_name(zone, time.start_time),
        calendar=calendar,
        reason=block.reason,
        by=_by(block.created_by, reader),
        rule=None if block.rule is None else block_rules.in_words(block.rule, reader),
        count=len(block.instances),
        last=reader.long_day(last),
        day=on,
        only_day=block_rules.day_of(time, block),
        left_out=[(each, reader.long_day(each)) for each in left_out if each >= today(call)],
        seen=as_seen.mark(block),
        back=reader.link(f"/staff/day/{on}"),
        change=reader.link(f"{path}/change"),
        days=reader.link(f"{path}/days"),
        remove=reader.link(f"{path}/remove") if may_remove else None,
        ask_to_remove=reader.link(f"{path}/remove", day=on.isoformat()) if may_remove else None,
    )


async def _form(call: EnteredCall, block: Block, sheet: BlockSheet, *, status: int = 200) -> Response:
    """Return the page that changes a block."""
    reader = reader_of(call)
    return staff_page(
        call,
        "staff/block_change.html",
        reader.say("Change blocked time"),
        reader,
        status=status,
        sheet=sheet,
        repeats=block.rule is not None,
        calendars=await call.db.read(calendars.all_of, call.org_id),
        weekdays=block_rules.weekdays(reader),
        back=reader.link(f"/staff/blocks/{block.id}"),
    )


def _changes(change: EnteredChange, form: Form, block: Block, shown: BlockSheet) -> BlockChange:
    """Return what was touched in the form that changes a block. Raises Malformed, InvalidTime."""
    sent: dict[str, Any] = {"force": form.text("force") == "1"}

    def touched(*names: str) -> bool:
        return any(form.given(name) != shown.typed[name] for name in names)

    if touched("calendar"):
        calendar = form.text("calendar")
        sent |= {"calendar_id": calendar} if calendar else {"all": True}
    for name, day, time in (("start_time", "date", "from"), ("end_time", "to_date", "to")):
        if touched(day, time) or form.text(f"{time}{INSTEAD}") or form.text(f"{time}{CHOSEN}"):
            sent[name] = _moment(form, day, time, change.timezone)
    if touched("reason"):
        sent["reason"] = form.text("reason")
    if not block_rules.weekly(form):
        if touched("repeat"):
            sent["rule"] = None
    elif touched("repeat", "date", *block_rules.FIELDS) or set(form.all(DAYS)) != set(shown.days):
        sent["rule"] = block_rules.changed_rule(form, shown.typed, block.rule)
    return validated(BlockChange, sent)


def _time_at(block: Block, at: datetime) -> BlockedTime:
    """Return that of the times of a block which is at a moment, else the next one, else the last."""
    return next((each for each in block.instances if each.end_time > at), block.instances[-1])


def _sent_moment(text: str) -> datetime | None:
    """Return the moment that an address says; None for what is none."""
    try:
        return start_in(text, "UTC")
    except InvalidTime:
        return None


def _seen_in(form: Form) -> str:
    """Return the mark of the block as a form was made for it. Raises Malformed if it says none."""
    if not (seen := form.given("seen")):
        raise malformed([wrong("seen", "must be that of the block as it was shown", "required")])
    return seen


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
            **({"rule": block_rules.rule_in(form)} if block_rules.weekly(form) else {}),
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
