"""Where appointments take place, in words."""

from dataclasses import dataclass

from kalends.delivery.plain_text import lines, one_line
from kalends.schemas.appointments import Appointment
from kalends.schemas.offered import Location
from kalends.words.sentences import marked
from kalends.words.sentences import translate as _

_CALLED = marked("By phone: we will call you")
_CALLED_AT = marked("By phone: we will call you at {number}")
_CALLING = marked("By phone: please call {number}")
_CALL = marked("By phone: we call")
_CALL_AT = marked("By phone: we call {number}")
_CALL_COMES = marked("By phone: the client calls {number}")
_YOURS = marked("At your address")
_THEIRS = marked("At the client's address")


@dataclass(frozen=True, slots=True)
class Where:
    """Where an appointment takes place: an address has `lines`, all else one. `link` is that of a call."""

    lines: tuple[str, ...]
    link: str | None = None

    @property
    def in_one_line(self) -> str:
        """As headers, titles and map programs want it."""
        return ", ".join(self.lines)


def where_of(
    place: Location | None, about: Appointment, language: str, *, to_staff: bool = False
) -> Where | None:
    """Return where an appointment takes place, as its client or staff are told; None if that is not said."""
    if place is None:
        return None
    match place.kind:
        case "address":
            known = [one_line(line).rstrip(" ,") for line in lines(place.value or "").split("\n")]
            shown = tuple(line for line in known if line)
            return Where(shown) if shown else None
        case "link":
            link = one_line(place.value or "")
            return Where((link,), link)
        case "phone":
            return Where((_by_phone(place.value, about.client_phone, language, to_staff=to_staff),))
        case "client_address":
            return Where((_(language, _THEIRS if to_staff else _YOURS),))


def _by_phone(ours: str | None, theirs: str | None, language: str, *, to_staff: bool) -> str:
    """Return who calls whom: the client our number, if there is one, else we them."""
    if ours is not None:
        sentence = _CALL_COMES if to_staff else _CALLING
    elif theirs is not None:
        sentence = _CALL_AT if to_staff else _CALLED_AT
    else:
        sentence = _CALL if to_staff else _CALLED
    return _(language, sentence).format(number=one_line(ours or theirs or ""))
