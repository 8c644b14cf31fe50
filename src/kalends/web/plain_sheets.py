"""Forms of the settings: what was typed into them, and what speaks against it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, TypeVar

from starlette.responses import Response

from kalends.core.errors import Malformed, Refusal
from kalends.web import staff_problems
from kalends.web.forms import Form
from kalends.web.readers import Reader
from kalends.web.settings_pages import settings_page
from kalends.web.staff_pages import new_key
from kalends.web.staff_visits import EnteredCall
from kalends.words.sentences import marked


class HasId(Protocol):
    """A thing with an id."""

    @property
    def id(self) -> str:
        """What identifies it; ids are in the order in which things were made."""


H = TypeVar("H", bound=HasId)
SCOPES: Mapping[str, str] = {
    "read": marked("See everything"),
    "write": marked("Book, change and set up"),
    "delete": marked("Delete"),
    "admin": marked("Everything, also people and keys"),
}
"""What people and keys may do."""
PAGE = 50
"""So many things stand on a page."""
_BLIND = marked("Please choose “{read}”, too: without it, people see no page.")
_SPENT = marked("This form was sent already, with something else in it. To make one more, send it again.")


@dataclass(frozen=True, slots=True)
class PlainSheet:
    """A form, whose fields are called as in the API. `typed` is by the names of fields, and `chosen` has the
    boxes that are checked, by the names of groups. `problems` are sentences by the names of fields; `alert`
    is what the page says first, with what is `listed`: the ids of fields, and what is wrong with each. A
    thing is made once by its `key`."""

    typed: Mapping[str, str]
    chosen: Mapping[str, Collection[str]] = field(default_factory=dict)
    key: str = field(default_factory=new_key)
    problems: Mapping[str, str] = field(default_factory=dict)
    alert: str | None = None
    listed: Sequence[tuple[str | None, str]] = ()

    @classmethod
    def filled(cls, form: Form, fields: Collection[str], groups: Collection[str] = ()) -> Self:
        """Return the form as it was sent."""
        chosen = {name: list(dict.fromkeys(form.all(name))) for name in groups}
        return cls(form.typed(*fields), chosen, form.text("key") or new_key())

    def refused(
        self,
        refusal: Refusal,
        reader: Reader,
        labels: Mapping[str, str],
        said: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the form with what speaks against it. `labels` are those of the fields, in their order;
        `said` has what refusals mean here, by their codes."""
        if refusal.code == "idempotency_key_reused":
            return replace(self, key=new_key(), alert=reader.say(_SPENT))
        problems = self._problems(refusal, reader)
        known = {name: words for name, words in problems.items() if name in labels}
        if not known:
            sentence = (said or {}).get(refusal.code)
            plainly = staff_problems.plainly(refusal, reader)
            return replace(self, alert=plainly if sentence is None else reader.say(sentence))
        listed = [
            (name, f"{reader.say(label)} – {known[name]}") for name, label in labels.items() if name in known
        ]
        return replace(
            self, problems=known, alert=reader.say("Please check what you entered."), listed=listed
        )

    def _problems(self, refusal: Refusal, reader: Reader) -> dict[str, str]:
        found: dict[str, str] = {}
        for entry in refusal.details.get("fields", ()) if isinstance(refusal, Malformed) else ():
            name = entry["field"].partition(".")[0].partition("[")[0]
            found.setdefault(name, self._problem(name, entry, reader))
        return found

    def _problem(self, name: str, entry: Mapping[str, Any], reader: Reader) -> str:
        if name in self.chosen and not self.chosen[name]:
            return reader.say("Please choose at least one.")
        if name in self.typed and not self.typed[name].strip():
            return reader.say("Please fill this in.")
        if name == "url" and entry["code"] != "too_long":
            return reader.say(
                "Please enter an address on the public internet, such as https://example.org/hook."
            )
        if name == "scopes" and entry["code"] == "invalid":
            return reader.say(_BLIND).format(read=reader.say(SCOPES["read"]))
        return staff_problems.of_field(entry, reader)


def shown_once(
    call: EnteredCall,
    reader: Reader,
    room: str,
    title: str,
    *,
    back: str,
    label: str,
    secret: str | None,
    hint: str,
) -> Response:
    """Return the page that shows a secret, this once. If the form was sent before (`secret` is None), it says
    that it was shown."""
    return settings_page(
        call,
        "staff/settings/once.html",
        title,
        reader,
        room=room,
        back=back,
        label=label,
        secret=secret,
        hint=hint,
    )


def cut(things: Sequence[H], cursor: str | None) -> tuple[Sequence[H], str | None]:
    """Return those of some things that stand on a page: the first after the one with the id `cursor`, in the
    order of their ids; and the cursor of the next page, None if this is the last."""
    after = [each for each in things if cursor is None or each.id > cursor]
    return after[:PAGE], after[PAGE - 1].id if len(after) > PAGE else None


def scopes_in_words(scopes: Collection[str], reader: Reader) -> str:
    """Return what scopes allow, in words."""
    shown = ["admin"] if "admin" in scopes else [each for each in SCOPES if each in scopes]
    return "; ".join(reader.say(SCOPES[each]) for each in shown)
