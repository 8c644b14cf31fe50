"""What can be booked, in its reader's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from kalends.core.caller import Host
from kalends.schemas.appointment_types import BookingQuestion
from kalends.schemas.offered import QuestionTexts, TypeTexts
from kalends.schemas.public import ClientType, PublicCalendar
from kalends.web.forms import ANSWER
from kalends.web.readers import Reader
from kalends.words.sentences import marked

_OWN = TypeTexts()
_PLACES = {
    "phone": marked("By phone"),
    "link": marked("Online"),
    "client_address": marked("At your place"),
}
_AT_HOME = frozenset({"address", "client_address"})
"""The kinds of places where people meet: only the clocks there count."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question in the reader's language. `options` are pairs: what is stored, and what is read."""

    id: str
    type: str
    label: str
    required: bool
    options: Sequence[tuple[str, str]]

    @property
    def field(self) -> str:
        """The name of its field in forms."""
        return f"{ANSWER}{self.id}"


@dataclass(frozen=True)
class Kind:
    """A type of appointments, as its reader sees it. Texts that are not translated stay as they are."""

    type_: ClientType
    host: Host
    reader: Reader

    @property
    def name(self) -> str:
        """What it is called."""
        return self._texts.name or self.type_.name

    @property
    def description(self) -> str:
        """What is to be known of it, in lines."""
        return self._texts.description or self.type_.description or ""

    @property
    def confirmation_text(self) -> str | None:
        """What is to be known once it is booked, in lines."""
        return self._texts.confirmation_text or self.type_.confirmation_text

    @property
    def length(self) -> str:
        """How long it takes: `60 min`."""
        return self.reader.length(self.type_.duration_minutes)

    @property
    def price(self) -> str | None:
        """What it costs, if that is said."""
        price = self.type_.price
        if price is None:
            return None
        return self.reader.price(Decimal(str(price.amount)), price.currency) if price.amount else self._free

    @property
    def place(self) -> str | None:
        """Where it takes place, in lines, if that is said. The link to a call is only for those who have
        booked."""
        location = self.type_.location
        if location is None:
            return None
        if location.kind == "address":
            return location.value or self.host.address
        return self.reader.say(_PLACES[location.kind])

    @property
    def is_in_person(self) -> bool:
        """Whether people meet at a place, so that only the clocks there count."""
        location = self.type_.location
        return location is None or location.kind in _AT_HOME

    @property
    def zone(self) -> str:
        """The zone (IANA name) in which its times are told: the reader's, unless people meet at a place."""
        return self.host.timezone if self.is_in_person else self.reader.zone or self.host.timezone

    @property
    def path(self) -> str:
        """The path of its page."""
        return f"/{self.host.slug}/{self.type_.slug}"

    @cached_property
    def questions(self) -> list[Question]:
        """What is asked."""
        return [self._question(each) for each in self.type_.questions]

    def person(self, calendar_id: str | None) -> PublicCalendar | None:
        """Return the calendar with this id, if clients may choose it."""
        return next((each for each in self.type_.calendars if each.id == calendar_id), None)

    def _question(self, question: BookingQuestion) -> Question:
        texts = self._texts.questions.get(question.id) or QuestionTexts()
        own = question.options or []
        translated = texts.options or []
        shown = translated if len(translated) == len(own) else own
        return Question(
            question.id,
            question.type,
            texts.label or question.label,
            question.required,
            list(zip(own, shown, strict=True)),
        )

    @property
    def _free(self) -> str:
        return self.reader.say("Free of charge")

    @cached_property
    def _texts(self) -> TypeTexts:
        """Its texts in the reader's language, by lookup (RFC 4647), or else of another region."""
        known = {tag.lower(): texts for tag, texts in self.type_.texts.items()}
        tag = self.reader.tag.lower()
        while tag:
            if tag in known:
                return TypeTexts.model_validate(known[tag])
            tag = tag.rpartition("-")[0]
        if self.reader.language == (self.host.language or "").partition("-")[0].lower():
            return _OWN  # it is written in this language already
        akin = (known[each] for each in known if each.partition("-")[0] == self.reader.language)
        return TypeTexts.model_validate(next(akin, _OWN))
