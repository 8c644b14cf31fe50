"""What keys and people leave behind who go, and what of it goes with them."""

from collections.abc import AsyncIterator, Sequence

import pytest

from kalends.core.caller import Member
from kalends.core.errors import NotFound, Unauthorized
from kalends.db.database import Database
from kalends.db.opening import open_database
from kalends.ids import digest
from kalends.passkeys import Passkey
from kalends.schemas.feeds import FeedCreate
from kalends.schemas.made import Made
from kalends.schemas.people import PersonChange, PersonCreate
from kalends.services.leaving import feeds, revocation
from kalends.services.outbox import makers, parties
from kalends.services.outbox.parties import Party
from kalends.services.setup import keys, links, passkeys, people, sessions
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org

pytestmark = pytest.mark.anyio

NOW = StoppedClock().now()
AWAY = PersonChange(active=False)


@pytest.fixture
async def db(own_url: str) -> AsyncIterator[Database]:
    database = open_database(own_url, pool_size=2)
    try:
        await database.migrate()
        yield database
    finally:
        await database.close()


@pytest.fixture
async def org(db: Database) -> Org:
    return await make_org(db, NOW)


async def person(db: Database, party: Party, name: str) -> str:
    """The id of somebody who was added by a party."""
    wish = PersonCreate.model_validate({"name": name, "scopes": ["admin"]})
    return (await db.write(people.create, party, wish, NOW)).id


async def entered(db: Database, party: Party, person_id: str) -> Member:
    """Somebody who came in by a link that a party made."""
    link = await db.write(links.invite, party, person_id, NOW)
    token = await db.write(links.enter, link, "", NOW)
    assert token is not None
    return await member_by(db, token)


async def member_by(db: Database, token: str) -> Member:
    return (await db.read(sessions.find, [digest(token)]))[digest(token)]


async def is_in(db: Database, member: Member) -> bool:
    return bool(await db.read(sessions.find, [member.session]))


async def key(db: Database, party: Party, name: str) -> str:
    """The id of a key that a party made."""
    made = await db.write(keys.create, party, name=name, lifetime=None, now=NOW)
    return str(made["id"])


async def revoke(db: Database, org: Org, key_id: str, *, with_made: bool = False) -> revocation.Revoked:
    return await db.write(
        revocation.revoke, parties.operator(org.id), key_id, NOW, real_now=NOW, with_made=with_made
    )


async def send_away(
    db: Database, party: Party, person_id: str, wish: PersonChange = AWAY, *, with_made: bool = False
) -> revocation.Dismissed:
    return await db.write(
        revocation.change_person, party, person_id, wish, NOW, real_now=NOW, with_made=with_made
    )


def names(made: Made) -> dict[str, list[str | None]]:
    """What each kind has, by what it is called."""
    found: dict[str, Sequence[str | None]] = {
        "keys": [each.name for each in made.keys],
        "people": [each.name for each in made.people],
        "entered": [each.name for each in made.entered],
        "feeds": [each.kind for each in made.feeds],
    }
    return {kind: list(each) for kind, each in found.items() if each}


async def test_what_a_dismissed_admin_has_made_is_told_and_goes_if_wanted(db: Database, org: Org) -> None:
    operator = parties.operator(org.id)
    rogue = await entered(db, operator, await person(db, operator, "Rogue"))
    other = await entered(db, operator, await person(db, operator, "Other"))
    party = parties.member(rogue)
    back = await person(db, party, "Back door")
    await key(db, party, "Mine")
    await db.write(feeds.create, party, FeedCreate(), NOW)
    await key(db, parties.member(other), "Theirs")
    told = {"keys": ["Mine"], "people": ["Back door"], "feeds": ["appointments"]}
    demoted = await send_away(db, operator, rogue.person_id, PersonChange(scopes=["read"]))
    assert names(demoted.still_standing) == told
    away = await send_away(db, operator, rogue.person_id)
    assert (names(away.still_standing), away.taken_along) == (told, Made())
    assert (await db.read(people.get, org.id, back)).active
    gone = await send_away(db, operator, rogue.person_id, with_made=True)
    assert (gone.still_standing, names(gone.taken_along)) == (Made(), told)
    assert not (await db.read(people.get, org.id, back)).active
    assert names(await db.read(revocation.standing, operator, rogue.person_id, NOW)) == {}
    kept = [each.name for each in await db.read(keys.all_of, org.id) if each.revoked_at is None]
    assert kept == ["Test key", "Theirs"]


async def test_who_is_only_renamed_is_told_nothing(db: Database, org: Org) -> None:
    operator = parties.operator(org.id)
    ana = await entered(db, operator, await person(db, operator, "Ana"))
    await key(db, parties.member(ana), "Web")
    renamed = await send_away(db, operator, ana.person_id, PersonChange(name="Ana P."))
    assert (renamed.person.name, renamed.still_standing) == ("Ana P.", Made())


async def test_what_somebody_who_is_deleted_has_made_goes_too(db: Database, org: Org) -> None:
    operator = parties.operator(org.id)
    rogue = await entered(db, operator, await person(db, operator, "Rogue"))
    await key(db, parties.member(rogue), "Mine")
    for with_made in (False, True):
        again = await person(db, operator, "Rogue")
        member = await entered(db, operator, again)
        await key(db, parties.member(member), "More")
        gone = await db.write(
            revocation.remove_person, operator, again, NOW, real_now=NOW, with_made=with_made
        )
        told = gone.taken_along if with_made else gone.still_standing
        assert names(told) == {"keys": ["More"]}
    with pytest.raises(NotFound):
        await db.write(revocation.remove_person, operator, "psn_none", NOW, real_now=NOW)


async def test_what_was_made_as_somebody_else_goes_with_the_key_that_made_the_link(
    db: Database, org: Org
) -> None:
    """Through any number of people: a thief may go from one account to the next."""
    operator, thief = parties.operator(org.id), parties.staff(org.caller)
    staff = [await person(db, operator, name) for name in ("Ana", "Ben", "Carl")]
    honest = await entered(db, operator, staff[0])
    await key(db, parties.member(honest), "Honest")
    party = thief
    for hop, each in enumerate(staff):
        member = await entered(db, party, each)
        party = parties.member(member)
        await key(db, party, f"Hop {hop}")
    last = await person(db, party, "Last")
    # And round about: by a link that they made for themselves.
    member = await entered(db, party, staff[2])
    await key(db, parties.member(member), "Round")
    told = {
        "keys": ["Hop 0", "Hop 1", "Hop 2", "Round"],
        "people": ["Last"],
        "entered": ["Ana", "Ben", "Carl"],
    }
    assert names((await revoke(db, org, org.caller.key_id)).still_standing) == told
    assert await is_in(db, member)
    assert names((await revoke(db, org, org.caller.key_id, with_made=True)).taken_along) == told
    assert not await is_in(db, member)
    assert not (await db.read(people.get, org.id, last)).active
    # What Ana made in a session of her own stays, and so does she.
    assert await is_in(db, honest)
    kept = [each.name for each in await db.read(keys.all_of, org.id) if each.revoked_at is None]
    assert kept == ["Honest"]


async def test_the_chain_of_who_made_a_link_does_not_grow_without_end(db: Database, org: Org) -> None:
    operator = parties.operator(org.id)
    ana, ben = [await person(db, operator, name) for name in ("Ana", "Ben")]
    party = parties.staff(org.caller)
    for each in (ana, ben) * 5:
        party = parties.member(await entered(db, party, each))
    stored = await db.write(makers.stamp, party)
    assert sorted(makers.chain_of(stored)) == sorted([ana, ben, org.caller.key_id])


async def test_a_session_that_has_ended_makes_nothing(db: Database, org: Org) -> None:
    operator = parties.operator(org.id)
    ana = await person(db, operator, "Ana")
    thief = await entered(db, parties.staff(org.caller), ana)
    await revoke(db, org, org.caller.key_id, with_made=True)
    with pytest.raises(Unauthorized):
        await key(db, parties.member(thief), "Late")
    with pytest.raises(Unauthorized):
        await db.write(links.invite, parties.member(thief), ana, NOW)


async def test_a_key_that_is_revoked_leaves_no_link_that_waits(db: Database, org: Org) -> None:
    operator, thief = parties.operator(org.id), parties.staff(org.caller)
    ana, ben = [await person(db, operator, name) for name in ("Ana", "Ben")]
    link = await db.write(links.invite, thief, ana, NOW)
    own = await db.write(links.invite, operator, ben, NOW)
    assert names((await revoke(db, org, org.caller.key_id)).still_standing) == {}
    assert await db.write(links.enter, link, "", NOW) is None
    assert await db.write(links.enter, own, "", NOW) is not None


async def test_ways_in_that_others_have_made_are_told(db: Database, org: Org) -> None:
    """A password and a passkey outlive the session in which they were made."""
    operator, thief = parties.operator(org.id), parties.staff(org.caller)
    ana, ben = [await person(db, operator, name) for name in ("Ana", "Ben")]
    by_password, by_passkey = [await entered(db, thief, each) for each in (ana, ben)]
    await db.write(sessions.set_password, by_password, "hashed", NOW)
    await db.write(passkeys.add, by_passkey, Passkey(b"the thief's", b"", 0, True), "", NOW)
    for each in (by_password, by_passkey):
        await db.write(sessions.end, each)
    assert names((await revoke(db, org, org.caller.key_id)).still_standing) == {"entered": ["Ana", "Ben"]}
    await revoke(db, org, org.caller.key_id, with_made=True)
    assert names((await revoke(db, org, org.caller.key_id)).still_standing) == {}
    assert not await db.read(sessions.may_return, org.id, ana)
    assert not await db.read(sessions.may_return, org.id, ben)


async def test_who_ends_what_somebody_made_stays_with_what_they_have_made(db: Database, org: Org) -> None:
    """The founder of a practice has added everybody there, and leaves one day."""
    founder = await entered(
        db, parties.operator(org.id), await person(db, parties.operator(org.id), "Founder")
    )
    party = parties.member(founder)
    ben, carl = [await person(db, party, name) for name in ("Ben", "Carl")]
    as_ben = await entered(db, party, ben)
    await db.write(sessions.set_password, as_ben, "hashed", NOW)
    mine = parties.member(as_ben)
    await key(db, mine, "Ben's")
    dora = await entered(db, mine, await person(db, mine, "Dora"))
    await key(db, parties.member(dora), "Dora's")
    await key(db, party, "Founder's")
    gone = await send_away(db, mine, founder.person_id, with_made=True)
    assert names(gone.taken_along) == {"keys": ["Founder's"], "people": ["Carl"]}
    assert await is_in(db, as_ben)
    assert await is_in(db, dora)
    assert (await db.read(people.get, org.id, ben)).has_password
    assert not (await db.read(people.get, org.id, carl)).active


async def test_who_was_invited_is_sent_away_with_what_they_have_made(db: Database, org: Org) -> None:
    """Whoever lets somebody in answers for that alone, not for what these make."""
    operator = parties.operator(org.id)
    ana = await entered(db, operator, await person(db, operator, "Ana"))
    party = parties.member(ana)
    bea = await entered(db, party, await person(db, party, "Bea"))
    await key(db, party, "Ana's")
    await key(db, parties.member(bea), "Bea's")
    cy = await entered(db, parties.member(bea), await person(db, parties.member(bea), "Cy"))
    await key(db, parties.member(cy), "Cy's")
    told = {"keys": ["Bea's", "Cy's"], "people": ["Cy"]}
    assert names(await db.read(revocation.standing, party, bea.person_id, NOW)) == told
    gone = await send_away(db, party, bea.person_id, with_made=True)
    assert names(gone.taken_along) == told
    assert [await is_in(db, each) for each in (ana, bea, cy)] == [True, False, False]


async def test_who_was_invited_back_stays_with_what_they_make_now(db: Database, org: Org) -> None:
    operator = parties.operator(org.id)
    ana = await entered(db, operator, await person(db, operator, "Ana"))
    bea = await entered(db, parties.member(ana), await person(db, parties.member(ana), "Bea"))
    await key(db, parties.member(bea), "Bea's")
    as_ana = await entered(db, parties.member(bea), ana.person_id)
    back = parties.member(as_ana)
    await key(db, back, "Ana's")
    dan = await entered(db, back, await person(db, back, "Dan"))
    gone = await send_away(db, back, bea.person_id, with_made=True)
    assert names(gone.taken_along) == {"keys": ["Bea's"]}
    assert [await is_in(db, each) for each in (as_ana, dan, bea)] == [True, True, False]


async def test_who_came_in_as_the_one_who_ends_it_goes(db: Database, org: Org) -> None:
    operator = parties.operator(org.id)
    ana = await entered(db, operator, await person(db, operator, "Ana"))
    bea = await entered(db, parties.member(ana), await person(db, parties.member(ana), "Bea"))
    thief = await entered(db, parties.member(bea), ana.person_id)
    await key(db, parties.member(thief), "The thief's")
    gone = await send_away(db, parties.member(ana), bea.person_id, with_made=True)
    assert names(gone.taken_along) == {"keys": ["The thief's"], "entered": ["Ana"]}
    assert [await is_in(db, each) for each in (ana, thief)] == [True, False]


@pytest.mark.parametrize("made_by_it", [False, True])
async def test_who_ends_it_spares_nobody_who_came_in_as_them(
    db: Database, org: Org, made_by_it: bool
) -> None:
    """The victim looks after it themselves."""
    operator, thief = parties.operator(org.id), parties.staff(org.caller)
    ana = await person(db, thief if made_by_it else operator, "Ana")
    honest = await entered(db, operator, ana)
    await key(db, parties.member(honest), "Honest")
    ben = await entered(db, parties.member(honest), await person(db, parties.member(honest), "Ben"))
    as_ana = await entered(db, thief, ana)
    await db.write(sessions.set_password, as_ana, "the thief's", NOW)
    honest = await entered(db, operator, ana)
    await key(db, parties.member(as_ana), "Thief's")
    await person(db, parties.member(as_ana), "Back door")
    party = parties.member(honest)
    told = await db.read(revocation.standing, party, org.caller.key_id, NOW)
    gone = await db.write(revocation.revoke, party, org.caller.key_id, NOW, real_now=NOW, with_made=True)
    expected = {"keys": ["Thief's"], "people": ["Back door"], "entered": ["Ana"]}
    assert names(told) == names(gone.taken_along) == expected
    assert (await is_in(db, honest), await is_in(db, ben)) == (True, True)
    assert not await is_in(db, as_ana)
    assert not (await db.read(people.get, org.id, ana)).has_password
    kept = [each.name for each in await db.read(keys.all_of, org.id) if each.revoked_at is None]
    assert kept == ["Honest"]


@pytest.mark.parametrize("how", ["password", "passkey"])
async def test_another_way_in_ends_the_link_that_waits(db: Database, org: Org, how: str) -> None:
    operator = parties.operator(org.id)
    ana = await entered(db, operator, await person(db, operator, "Ana"))
    ben = await person(db, operator, "Ben")
    await db.write(passkeys.add, ana, Passkey(b"one", b"", 0, True), "", NOW)
    [phone] = await db.read(passkeys.all_of, ana)
    link = await db.write(links.invite, parties.member(ana), ana.person_id, NOW)
    other = await db.write(links.invite, parties.member(ana), ben, NOW)
    if how == "password":
        await db.write(sessions.set_password, ana, "hashed", NOW)
    else:
        await db.write(passkeys.remove, ana, phone.id)
    assert await db.write(links.enter, link, "", NOW) is None
    assert await db.write(links.enter, other, "", NOW) is not None


async def test_the_link_of_the_demo_waits_on(db: Database, org: Org) -> None:
    operator = parties.operator(org.id)
    ana = await person(db, operator, "Ana")
    link = await db.write(links.invite, operator, ana, NOW, token="everybody's", again=True)
    token = await db.write(links.enter, link, "", NOW)
    assert token is not None
    await db.write(sessions.set_password, await member_by(db, token), "hashed", NOW)
    own = await db.write(links.invite, operator, ana, NOW)
    for each in (link, own, link):
        assert await db.write(links.enter, each, "", NOW) is not None
    assert await db.write(links.enter, own, "", NOW) is None
