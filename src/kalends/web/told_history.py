"""The history of an appointment, as sentences that say who did what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kalends.core.lifecycle import CONFIRMATION_EXPIRED
from kalends.schemas.appointments import Actor, HistoryEntry
from kalends.schemas.fields import as_moment
from kalends.web.readers import Reader
from kalends.web.staff_pages import shown_moment
from kalends.words.sentences import marked

_KINDS = {
    "client": marked("The client"),
    "system": marked("Kalends"),
    "operator": marked("The operator of the server"),
}
_KEY, _NAMELESS_KEY = marked("The API key {name}"), marked("An API key")
_SOMEBODY = marked("Somebody")
_MADE = marked("{who} booked it.")
_ASKED = marked("{who} asked for it.")
_STATUSES = {
    "pending": marked("{who} set it to be confirmed again."),
    "confirmed": marked("{who} confirmed it."),
    "completed": marked("{who} marked it as completed."),
    "cancelled": marked("{who} cancelled it."),
    "no_show": marked("{who} marked it as not attended."),
}
_REASONED = marked("{who} cancelled it: {reason}")
_LAPSED = marked("It was not confirmed in time, so it was cancelled.")
_RESTORED = marked("{who} took the cancellation back.")
_MOVED = marked("{who} moved it from {before} to {after}.")
_LENGTHENED = marked("{who} changed its length.")
_REASSIGNED = marked("{who} gave it to {after} instead of {before}.")
_RETYPED = marked("{who} made it {after} instead of {before}.")
_CHANGED = marked("{who} changed: {what}.")
_FIELDS: Mapping[str, str] = {
    "client_name": marked("Name"),
    "client_email": marked("E-mail"),
    "client_phone": marked("Phone"),
    "client_language": marked("Language"),
    "client_timezone": marked("Time zone"),
    "client_notes": marked("Notes"),
    "internal_notes": marked("Internal notes"),
    "answers": marked("Answers"),
    "cancellation_reason": marked("Reason"),
}
"""What else can change, as it is called on the page."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was done at once, and when."""

    when: str
    sentences: Sequence[str]


@dataclass(frozen=True, slots=True)
class Telling:
    """Tells a history to its reader. Times are those of the organization's `zone`, and `calendars` has the
    names of its calendars by id."""

    reader: Reader
    zone: str
    calendars: Mapping[str, str]

    def of(self, history: Sequence[HistoryEntry]) -> list[Told]:
        """Return what was done, the latest first."""
        return [
            Told(shown_moment(self.reader, each.at, self.zone), self._sentences(each))
            for each in reversed(history)
        ]

    def _sentences(self, entry: HistoryEntry) -> list[str]:
        by = who(entry.actor, self.reader)
        if entry.before is None:
            sentence = _ASKED if entry.after["status"] == "pending" else _MADE
            return [self.reader.say(sentence).format(who=by)]
        before, after = entry.before, entry.after
        told = [*self._of_status(before, after), *self._of_place(before, after)]
        others = [self.reader.say(_FIELDS[name]) for name in _FIELDS if name in after]
        if "cancellation_reason" in after and "status" in after:
            others.remove(self.reader.say(_FIELDS["cancellation_reason"]))
        if others:
            told.append((_CHANGED, {"what": ", ".join(others)}))
        return [self.reader.say(sentence).format(who=by, **filled) for sentence, filled in told]

    def _of_status(
        self, before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> list[tuple[str, dict[str, str]]]:
        if "status" not in after:
            return []
        status, reason = after["status"], after.get("cancellation_reason")
        if reason == CONFIRMATION_EXPIRED:
            return [(_LAPSED, {})]
        if status == "cancelled" and reason:
            return [(_REASONED, {"reason": reason})]
        if before["status"] == "cancelled":
            return [(_RESTORED, {})]
        return [(_STATUSES[status], {})]

    def _of_place(
        self, before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> list[tuple[str, dict[str, str]]]:
        """Return what is told of when, where and as what it takes place."""
        told = []
        if "start_time" in after:
            times = {"before": self._time(before), "after": self._time(after)}
            told.append((_MOVED, times))
        elif "end_time" in after:
            told.append((_LENGTHENED, {}))
        if "calendars" in after and before.get("calendars"):
            told.append((_REASSIGNED, {"before": self._names(before), "after": self._names(after)}))
        if "appointment_type_id" in after and "appointment_type" in after:
            types = {
                "before": before["appointment_type"]["name"],
                "after": after["appointment_type"]["name"],
            }
            told.append((_RETYPED, types))
        return told

    def _time(self, fields: Mapping[str, Any]) -> str:
        return shown_moment(self.reader, as_moment(fields["start_time"]), self.zone)

    def _names(self, fields: Mapping[str, Any]) -> str:
        ids = [each["calendar_id"] for each in fields["calendars"]]
        return ", ".join(self.calendars.get(id_, id_) for id_ in ids)


def who(actor: Actor | None, reader: Reader) -> str:
    """Return who did something, as the beginning of a sentence. What is older than the record of that has
    nobody."""
    if actor is not None and actor.kind == "api_key":
        return reader.say(_KEY).format(name=actor.name) if actor.name else reader.say(_NAMELESS_KEY)
    if actor is not None and actor.kind in _KINDS:
        return reader.say(_KINDS[actor.kind])
    return reader.say(_SOMEBODY) if actor is None or not actor.name else actor.name
