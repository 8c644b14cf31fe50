"""What the settings ask before they leave appointments alone (`services.booking.stranded`)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from kalends.core.errors import Refusal
from kalends.db.database import Tx
from kalends.schemas.fields import as_moment
from kalends.services.booking import stranded
from kalends.web.forms import Form
from kalends.web.readers import Reader
from kalends.web.setting_forms import SURE, AllTheSame, Told, deed_in
from kalends.web.staff_problems import moment
from kalends.web.staff_visits import EnteredCall, EnteredChange
from kalends.words import dates
from kalends.words.sentences import marked

T = TypeVar("T")
_ONE = marked("Nothing is saved yet: nobody would be there for an appointment.")
_SEVERAL = marked("Nothing is saved yet: nobody would be there for {count} appointments.")


def unless(change: EnteredChange, form: Form, make: Callable[[Tx], T]) -> Callable[[Tx], T]:
    """Return a change of the settings that raises AppointmentsInTheWay if nobody would be there for some,
    unless it is asked for by the button that does it all the same."""
    sure = is_sure(form)
    return lambda tx: stranded.unless(tx, change.org_id, change.now, make, sure=sure)


def is_sure(form: Form) -> bool:
    """Return whether a form is sent by the button that does it all the same."""
    return deed_in(form)[1][-1:] == [SURE]


def asked(call: EnteredCall, refusal: Refusal, reader: Reader, form: str, deed: str) -> Told:
    """Return what a page says of AppointmentsInTheWay: which they are, and the button that does the deed all
    the same. `form` is the id of the form that was sent."""
    total, booked = refusal.details["total"], refusal.details["appointments"]
    first, last = (
        dates.local(as_moment(each), call.timezone).date().isoformat()
        for each in (booked[0]["start_time"], refusal.details["last"])
    )
    said = reader.say(_ONE) if total == 1 else reader.say(_SEVERAL).format(count=total)
    listed = reader.link("/staff/list", **{"from": first, "to": last})
    shown = [_shown(each, reader, call.timezone, call.now) for each in booked]
    return Told(said, asked=AllTheSame(shown, listed, form, f"{deed}-{SURE}"))


def _shown(each: Mapping[str, Any], reader: Reader, zone: str, now: datetime) -> tuple[str, str]:
    words = f"{moment(as_moment(each['start_time']), reader, zone, now)}, {each['client_name']}"
    return words, reader.link(f"/staff/appointments/{each['id']}")
