"""What people of the staff may do to each other, and what they leave behind."""

import asyncio
import runpy
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from kalends import passwords
from kalends.core.caller import Member
from kalends.core.errors import AlreadyExists, Conflict, KeyRevoked, NotFound, ScopeMissing, Unauthorized
from kalends.db.database import Database, Tx
from kalends.db.opening import open_database
from kalends.db.tables import events
from kalends.ids import digest
from kalends.passkeys import Passkey
from kalends.schemas.calendars import CalendarCreate
from kalends.schemas.people import PersonChange, PersonCreate
from kalends.services.leaving import revocation
from kalends.services.outbox import makers, parties
from kalends.services.setup import calendars, keys, links, passkeys, people, sessions
from tests.support.clock import StoppedClock
from tests.support.organizations import Org, make_org

pytestmark = pytest.mark.anyio

NOW = StoppedClock().now()


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


async def member(db: Database, org: Org, name: str = "Ana", *scopes: str) -> Member:
    """Somebody who is signed in."""

    def sign_in(tx: Tx) -> Member:
        wish = PersonCreate.model_validate({"name": name, "scopes": list(scopes) or ["admin"]})
        person = people.create(tx, parties.operator(org.id), wish, NOW)
        token = sessions.begin(tx, org.id, person.id, "Browser", NOW)
        return sessions.find(tx, [digest(token)])[digest(token)]

    return await db.write(sign_in)


async def test_nobody_takes_away_their_own_right(db: Database, org: Org) -> None:
    ana, ben = await member(db, org), await member(db, org, "Ben")
    party = parties.member(ana)
    for wish in ({"active": False}, {"scopes": ["read", "write", "delete"]}):
        change = PersonChange.model_validate(wish)
        with pytest.raises(Conflict):
            await db.write(people.change, party, ana.person_id, change, NOW)
        await db.write(people.change, party, ben.person_id, change, NOW)
    with pytest.raises(Conflict):
        await db.write(people.remove, party, ana.person_id, NOW)
    renamed = await db.write(people.change, party, ana.person_id, PersonChange(name="Ana P."), NOW)
    assert (renamed.name, renamed.scopes, renamed.active) == ("Ana P.", ["admin"], True)
    assert await db.write(people.remove, party, ben.person_id, NOW) == ben.person_id


async def test_a_person_is_told_of_by_name_and_makes_nothing_once_sent_away(db: Database, org: Org) -> None:
    ana = await member(db, org)
    party = parties.member(ana)
    assert (party.actor.kind, party.actor.id, party.actor.name) == ("person", ana.person_id, "Ana")
    assert party.may_force
    await db.write(keys.create, party, name="Web", lifetime=None, now=NOW)
    operator, change = parties.operator(org.id), PersonChange(active=False)
    await db.write(people.change, operator, ana.person_id, change, NOW)
    with pytest.raises(Unauthorized):
        await db.write(keys.create, party, name="Late", lifetime=None, now=NOW)
    await db.write(people.remove, operator, ana.person_id, NOW)
    with pytest.raises(Unauthorized):
        await db.write(keys.create, party, name="Later", lifetime=None, now=NOW)
    [web] = [each for each in await db.read(keys.all_of, org.id) if each.name == "Web"]
    assert makers.maker_of(web) == party.actor


async def test_scopes_are_those_of_keys(db: Database, org: Org) -> None:
    writer = await member(db, org, "Wim", "write")
    assert [writer.may(scope) for scope in ("read", "write", "delete", "admin")] == [True, True, False, False]
    with pytest.raises(ScopeMissing):
        writer.need("admin")
    assert not parties.member(writer).may_force
    assert replace(writer, scopes=frozenset({"admin"})).may("delete")


async def test_an_address_is_one_persons_in_an_organization(db: Database, org: Org) -> None:
    other = await make_org(db, NOW)
    wish = PersonCreate(name="Ana", email="Ana@Example.com")
    await db.write(people.create, parties.operator(org.id), wish, NOW)
    await db.write(people.create, parties.operator(other.id), wish, NOW)
    twin = PersonCreate(name="Ben", email="ana@example.com")
    with pytest.raises(AlreadyExists):
        await db.write(people.create, parties.operator(org.id), twin, NOW)
    assert len(await db.read(sessions.known, "ANA@example.com")) == 2


async def test_the_calendar_is_the_organizations_own(db: Database, org: Org) -> None:
    other = await make_org(db, NOW)
    wish = PersonCreate(name="Ana", calendar_id=other.calendar_id)
    with pytest.raises(NotFound):
        await db.write(people.create, parties.operator(org.id), wish, NOW)


async def test_no_event_tells_a_password(db: Database, org: Org) -> None:
    ana = await member(db, org)
    stored = passwords.hashed("correct horse battery")
    await db.write(sessions.set_password, ana, stored, NOW)
    await db.write(people.change, parties.operator(org.id), ana.person_id, PersonChange(name="Ana P."), NOW)

    def payloads(tx: Tx) -> str:
        return str(tx.execute(select(events.c.payload).where(events.c.org_id == org.id)).scalars().all())

    told = await db.read(payloads)
    assert '"has_password": true' in told
    assert stored not in told
    assert stored.partition(":")[2] not in told


def test_a_password_is_right_or_not() -> None:
    stored = passwords.hashed("Grüße, 世界")
    assert passwords.is_right("Grüße, 世界", stored)
    assert not passwords.is_right("grüße, 世界", stored)
    assert passwords.hashed("Grüße, 世界") != stored  # each has a salt of its own
    assert not passwords.is_right("", None)
    assert not passwords.is_right("anything", None)


def test_passwords_are_stored_at_their_cost_and_stay_right() -> None:
    stored = (
        "b4855fdf57e332b946d612feffd4ea3b:134520927c7864a0912e2f18f74af632ef1eccb8273de0af8b1ff576c7734b4f"
    )
    as_served = runpy.run_path(passwords.__file__)  # without the cost of tests
    assert as_served["COST"] == 2**16
    assert as_served["is_right"]("Grüße, 世界", stored)


async def test_a_calendar_that_is_gone_keeps_nobody_in(db: Database, org: Org) -> None:
    party = parties.operator(org.id)
    room = await db.write(calendars.create, party, CalendarCreate(name="Room"), NOW)
    ana = await db.write(people.create, party, PersonCreate(name="Ana", calendar_id=room.id), NOW)
    await db.write(calendars.remove, party, room.id, NOW)
    assert (await db.read(people.get, org.id, ana.id)).calendar_id is None
    gone = await db.write(people.change, party, ana.id, PersonChange(active=False), NOW)
    assert not gone.active


async def test_who_is_sent_away_meanwhile_is_not_signed_in(db: Database, org: Org) -> None:
    ana = await member(db, org)
    stored = passwords.hashed("a long password")
    await db.write(sessions.set_password, ana, stored, NOW)
    known = await db.read(sessions.known_as, ana)
    assert await db.write(sessions.sign_in, known, "Browser", NOW) is not None
    other = replace(known, password="another")
    assert await db.write(sessions.sign_in, other, "Browser", NOW) is None
    party = parties.operator(org.id)
    await db.write(people.change, party, ana.person_id, PersonChange(active=False), NOW)
    assert await db.write(sessions.sign_in, known, "Browser", NOW) is None
    # Who comes back needs a new link.
    await db.write(people.change, party, ana.person_id, PersonChange(active=True), NOW)
    assert await db.write(sessions.sign_in, known, "Browser", NOW) is None


async def test_links_that_a_key_made_for_others_end_with_it(db: Database, org: Org) -> None:
    """Whoever had the key may have come in as somebody else."""
    ana = await member(db, org)
    thief = parties.staff(org.caller)
    first = await db.write(links.invite, thief, ana.person_id, NOW)
    token = await db.write(links.enter, first, "", NOW)
    assert token is not None
    as_ana = (await db.read(sessions.find, [digest(token)]))[digest(token)]
    await db.write(sessions.set_password, as_ana, passwords.hashed("a long password"), NOW)
    link = await db.write(links.invite, thief, ana.person_id, NOW)
    operator = parties.operator(org.id)
    await db.write(revocation.revoke, operator, org.caller.key_id, NOW, real_now=NOW, with_made=True)
    assert await db.read(sessions.find, [digest(token)]) == {}
    assert await db.write(links.enter, link, "", NOW) is None
    assert not (await db.read(people.get, org.id, ana.person_id)).has_password
    with pytest.raises(KeyRevoked):
        await db.write(links.invite, thief, ana.person_id, NOW)


async def test_what_came_of_such_a_link_ends_with_it_and_nothing_else(db: Database, org: Org) -> None:
    """Whoever had come in as somebody else may have made themselves ways to come back."""
    ana = await member(db, org)
    await db.write(passkeys.add, ana, Passkey(b"Ana's", b"", 0, True), "Phone", NOW)
    link = await db.write(links.invite, parties.staff(org.caller), ana.person_id, NOW)

    async def member_by(token: str | None) -> Member:
        assert token is not None
        return (await db.read(sessions.find, [digest(token)]))[digest(token)]

    thief = await member_by(await db.write(links.enter, link, "", NOW))
    await db.write(sessions.set_password, thief, "hashed", NOW)
    await db.write(passkeys.add, thief, Passkey(b"the thief's", b"", 0, True), "Another", NOW)
    await db.write(sessions.end, thief)
    known = await db.read(sessions.known_as, ana)
    by_password = await db.write(sessions.sign_in, known, "", NOW)
    found = await db.read(passkeys.find, b"the thief's")
    assert found is not None
    by_passkey = await db.write(passkeys.sign_in, found, 1, "", NOW)
    # It signed meanwhile, so whoever saw it before that is not let in.
    assert await db.write(passkeys.sign_in, found, 1, "", NOW) is None
    await db.write(passkeys.add, await member_by(by_password), Passkey(b"one more", b"", 0, True), "", NOW)
    operator = parties.operator(org.id)
    await db.write(revocation.revoke, operator, org.caller.key_id, NOW, real_now=NOW, with_made=True)
    for token in (by_password, by_passkey):
        with pytest.raises(KeyError):
            await member_by(token)
    assert not (await db.read(people.get, org.id, ana.person_id)).has_password
    assert [each.name for each in await db.read(passkeys.all_of, ana)] == ["Phone"]
    assert await db.read(sessions.may_return, org.id, ana.person_id)


async def test_a_person_has_so_many_passkeys_at_most(db: Database, org: Org) -> None:
    ana = await member(db, org)
    await db.write(passkeys.add, ana, Passkey(b"0", b"", 0, True), "\x00" + "x" * 200, NOW)
    with pytest.raises(AlreadyExists):
        await db.write(passkeys.add, ana, Passkey(b"0", b"", 0, True), "", NOW)
    for number in range(1, passkeys.MOST):
        await db.write(passkeys.add, ana, Passkey(f"{number}".encode(), b"", 0, True), "", NOW)
    with pytest.raises(Conflict, match="at most"):
        await db.write(passkeys.add, ana, Passkey(b"one more", b"", 0, True), "", NOW)
    assert {len(each.name) for each in await db.read(passkeys.all_of, ana)} == {0, 100}


@pytest.mark.parametrize("way", ["send away", "take the right", "delete"])
async def test_of_two_admins_who_send_each_other_away_one_stays(db: Database, org: Org, way: str) -> None:
    ana, ben = await member(db, org), await member(db, org, "Ben")
    sent = {"active": False} if way == "send away" else {"scopes": ["read"]}
    wish = PersonChange.model_validate(sent)

    async def send_away(who: Member, whom: Member) -> object:
        party = parties.member(who)
        if way == "delete":
            return await db.write(people.remove, party, whom.person_id, NOW)
        return await db.write(people.change, party, whom.person_id, wish, NOW)

    both = await asyncio.gather(send_away(ana, ben), send_away(ben, ana), return_exceptions=True)
    [refused] = [each for each in both if isinstance(each, BaseException)]
    assert isinstance(refused, ScopeMissing if way == "take the right" else Unauthorized)
    staff = await db.read(people.all_of, org.id)
    assert len([each for each in staff if each.active and "admin" in each.scopes]) == 1


@pytest.mark.parametrize("way", ["send away", "take the right", "delete"])
async def test_a_link_that_somebody_made_does_not_bring_them_back(db: Database, org: Org, way: str) -> None:
    ana, rogue, ben = [await member(db, org, name) for name in ("Ana", "Rogue", "Ben")]
    link = await db.write(links.invite, parties.member(rogue), ben.person_id, NOW)
    own = await db.write(links.invite, parties.member(ana), ana.person_id, NOW)
    if way == "delete":
        await db.write(people.remove, parties.member(ana), rogue.person_id, NOW)
    else:
        sent = {"active": False} if way == "send away" else {"scopes": ["read"]}
        wish = PersonChange.model_validate(sent)
        await db.write(people.change, parties.member(ana), rogue.person_id, wish, NOW)
    assert await db.write(links.enter, link, "Browser", NOW) is None
    assert await db.write(links.enter, own, "Browser", NOW) is not None


async def test_it_is_known_who_is_signed_in(db: Database, org: Org) -> None:
    ana, ben = await member(db, org), await member(db, org, "Ben")
    later = NOW + links.ENTRY - timedelta(hours=1)
    await db.write(sessions.see, ana, later)
    await db.write(links.invite, parties.member(ana), ben.person_id, NOW)
    known = await db.read(sessions.presences, org.id, later)
    assert known[ana.person_id] == sessions.Presence(seen_at=later)
    assert known[ben.person_id] == sessions.Presence(NOW, NOW + links.ENTRY)
    assert await db.read(sessions.presences, "org_other", later) == {}
    gone = await db.read(sessions.presences, org.id, NOW + sessions.LONGEST)
    assert gone == {}


@pytest.mark.parametrize("how", ["key revoked", "sent away", "signed out", "password set"])
async def test_a_session_that_has_ended_leaves_nothing_behind(db: Database, org: Org, how: str) -> None:
    """Somebody may hold a form back: the session is looked up when it begins to come."""
    ana = await member(db, org)
    await db.write(passkeys.add, ana, Passkey(b"Ana's", b"", 0, True), "Phone", NOW)
    [phone] = await db.read(passkeys.all_of, ana)
    link = await db.write(links.invite, parties.staff(org.caller), ana.person_id, NOW)
    token = await db.write(links.enter, link, "", NOW)
    assert token is not None
    thief = (await db.read(sessions.find, [digest(token)]))[digest(token)]
    operator = parties.operator(org.id)
    if how == "key revoked":
        await db.write(revocation.revoke, operator, org.caller.key_id, NOW, real_now=NOW, with_made=True)
    elif how == "sent away":
        await db.write(people.change, operator, ana.person_id, PersonChange(active=False), NOW)
    elif how == "signed out":
        await db.write(sessions.end, thief)
    else:
        await db.write(sessions.set_password, ana, "Ana's", NOW)

    async def leave() -> None:
        made = Passkey(b"the thief's", b"", 0, True)
        with pytest.raises(Unauthorized):
            await db.write(passkeys.add, thief, made, "Another", NOW)
        with pytest.raises(Unauthorized):
            await db.write(sessions.set_password, thief, "the thief's", NOW)
        with pytest.raises(Unauthorized):
            await db.write(passkeys.remove, thief, phone.id)

    await leave()
    if how == "sent away":
        await db.write(people.change, operator, ana.person_id, PersonChange(active=True), NOW)
        await leave()
    left = [] if how == "sent away" else ["Phone"]
    assert [each.name for each in await db.read(passkeys.all_of, ana)] == left
    known = await db.read(sessions.known_as, ana)
    assert known.password == ("Ana's" if how == "password set" else None)


async def test_a_passkey_that_became_another_persons_signs_nobody_in(db: Database, org: Org) -> None:
    ana, ben = await member(db, org), await member(db, org, "Ben")
    await db.write(passkeys.add, ana, Passkey(b"one", b"Ana's", 0, True), "", NOW)
    found = await db.read(passkeys.find, b"one")
    assert found is not None
    await db.write(passkeys.remove, ana, found.id)
    await db.write(passkeys.add, ben, Passkey(b"one", b"Ben's", 0, True), "", NOW)
    assert await db.write(passkeys.sign_in, found, 1, "", NOW) is None


@pytest.mark.parametrize("kind", [PersonCreate, PersonChange])
def test_people_may_see_something(kind: type[PersonCreate | PersonChange]) -> None:
    for scopes in (["read", "delete"], ["write"], ["admin"]):
        assert kind.model_validate({"name": "Ana", "scopes": scopes}).scopes == scopes
    with pytest.raises(ValidationError, match="must have read"):
        kind.model_validate({"name": "Ana", "scopes": ["delete"]})
