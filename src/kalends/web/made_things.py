"""What a key or a person has made, in words, for those who ask before they end it."""

from collections.abc import Iterator, Mapping

from kalends.db.database import Tx
from kalends.schemas.made import Made
from kalends.schemas.organizations import Key
from kalends.services.leaving import revocation
from kalends.services.setup import calendars
from kalends.web.readers import Reader
from kalends.web.staff_visits import EnteredCall
from kalends.words.sentences import marked

_SETTINGS = "/staff/settings"
_NAMELESS = marked("A key without a name")


def standing(tx: Tx, call: EnteredCall, maker_id: str, reader: Reader) -> list[tuple[str, str, str | None]]:
    """Return what stands of all that a key or a person has made, but for whoever asks: what kind of thing,
    what it is called, and where its page is."""
    made = revocation.standing(tx, call.party, maker_id, call.now)
    return list(_in_words(made, calendars.names(tx, call.org_id), reader))


def called(key: Key, reader: Reader) -> str:
    """Return what a key is called."""
    return key.name or reader.say(_NAMELESS)


def _in_words(made: Made, names: Mapping[str, str], reader: Reader) -> Iterator[tuple[str, str, str | None]]:
    for key in made.keys:
        yield reader.say("Key"), called(key, reader), reader.link(f"{_SETTINGS}/keys/{key.id}")
    for person in made.people:
        yield reader.say("Person"), person.name, reader.link(f"{_SETTINGS}/people/{person.id}")
    for person in made.entered:
        yield reader.say("A way to sign in as"), person.name, reader.link(f"{_SETTINGS}/people/{person.id}")
    for feed in made.feeds:
        yield reader.say("Feed"), names.get(feed.calendar_id or "", reader.say("All calendars")), None
    for webhook in made.webhooks:
        page = reader.link(f"{_SETTINGS}/webhooks/{webhook.id}")
        yield reader.say("Webhook"), webhook.name or webhook.url, page
    for source in made.sources:
        yield reader.say("Other calendar"), names.get(source.calendar_id, source.calendar_id), None
