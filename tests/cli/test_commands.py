"""The command line, as the operator types it."""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from kalends.clock import SystemClock
from kalends.db import migrating
from kalends.db.database import Tx
from kalends.db.opening import open_database
from kalends.ids import digest
from kalends.schemas.appointments import Actor
from kalends.schemas.feeds import FeedCreate
from kalends.schemas.people import PersonCreate
from kalends.schemas.queries import EventsQuery
from kalends.schemas.sources import SourceCreate
from kalends.schemas.webhooks import WebhookCreate
from kalends.services.leaving import feeds, webhooks
from kalends.services.outbox import event_order, event_pages, parties
from kalends.services.outbox.parties import Party
from kalends.services.setup import calendars, keys, links, organizations, people, sources
from kalends.vault import read_key
from tests.support.commands import run


def kalends(url: str, *arguments: str | bytes, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run(*arguments, env=os.environ | {"KALENDS_DATABASE_URL": url}, cwd=cwd)


def said(url: str, *arguments: str) -> dict[str, Any]:
    """What a command says with --json: one object on stdout, nothing else."""
    done = kalends(url, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.slow
def test_a_new_operators_first_commands(empty_url: str) -> None:
    assert said(empty_url, "migrate") == {"revision": migrating.newest()}
    org = said(empty_url, "org", "create", "Praxis Müller", "--timezone", "Europe/Berlin")
    assert org == {
        "id": org["id"],
        "name": "Praxis Müller",
        "slug": "praxis-muller",
        "timezone": "Europe/Berlin",
    }
    assert org["id"].startswith("org_")

    by_slug = said(empty_url, "key", "create", "--org", "praxis-muller")
    assert by_slug.keys() == {"id", "key", "scopes", "expires_at"}
    assert by_slug["scopes"] == ["read", "write", "delete"]
    assert by_slug["expires_at"] is None
    by_id = said(
        empty_url,
        *("key", "create", "--org", org["id"], "--name", "Web", "--expires", "90d"),
        *("--scope", "read", "--scope", "admin"),
    )
    assert by_id["scopes"] == ["read", "admin"]
    assert by_id["expires_at"].endswith("Z")

    listed = said(empty_url, "org", "list")["organizations"]
    assert [(each["id"], each["plan"], each["sandbox"]) for each in listed] == [
        (org["id"], "enterprise", False)
    ]
    revoked = said(empty_url, "key", "revoke", by_id["id"])
    assert revoked["id"] == by_id["id"]
    keys = said(empty_url, "key", "list", "--org", org["id"])["keys"]
    assert [(key["id"], key["revoked_at"]) for key in keys] == [
        (by_slug["id"], None),
        (by_id["id"], revoked["revoked_at"]),
    ]
    assert by_slug["key"] not in json.dumps(keys)
    assert by_slug["key"].startswith(keys[0]["prefix"])

    german = said(empty_url, "org", "create", "Praxis", "--language", "de_AT")
    assert stored_language(empty_url, german["id"]) == "de-AT"
    assert stored_language(empty_url, org["id"]) is None

    sandbox = said(empty_url, "org", "create", "Sand", "--sandbox", "--slug", "sand")
    assert said(empty_url, "key", "create", "--org", sandbox["id"])["key"].startswith("vst_test_")


@pytest.mark.slow
def test_names_are_one_line(empty_url: str) -> None:
    org = said(empty_url, "org", "create", " Praxis\nMüller\u202e\x07 ")
    assert (org["name"], org["slug"]) == ("Praxis Müller", "praxis-muller")
    key = said(empty_url, "key", "create", "--org", org["id"], "--name", "Front\r\n\u2066desk")
    [kept] = said(empty_url, "key", "list", "--org", org["id"])["keys"]
    assert (kept["id"], kept["name"]) == (key["id"], "Front desk")
    for wrong in ("", "\u200b", "x" * 256):
        refused = kalends(empty_url, "key", "create", "--org", org["id"], "--name", wrong)
        assert (refused.returncode, "1 to 255 characters" in refused.stderr) == (1, True)


def stored_language(url: str, org_id: str) -> str | None:
    async def read() -> str | None:
        database = open_database(url, pool_size=1)
        try:
            return (await database.read(organizations.get, org_id)).language
        finally:
            await database.close()

    return asyncio.run(read())


def test_commands_talk_to_people_too(empty_url: str) -> None:
    made = kalends(empty_url, "org", "create", "Acme")
    assert made.returncode == 0
    assert "acme" in made.stdout
    key = kalends(empty_url, "key", "create", "--org", "acme")
    assert key.stdout.startswith("vst_")
    assert "not shown again" in key.stdout
    table = kalends(empty_url, "key", "list", "--org", "acme").stdout.splitlines()
    assert table[0].split() == [
        *("id", "prefix", "name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at"),
        "created_by",
    ]
    assert len(table) == 2
    assert kalends(empty_url, "org", "list").stdout.count("acme") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["org", "create", "X", "--timezone", "Mars/X"], "is not a time zone"),
        (["org", "create", "X", "--plan", "gold"], "no plan 'gold'"),
        (["org", "create", "   "], "The name must have"),
        (["org", "create", "\u202e\x07", "--slug", "x"], "The name must have 1 to 255 characters"),
        (["org", "create", b"Praxis \xff", "--slug", "x"], "The name must have 1 to 255 characters"),
        (["org", "create", "X", "--language", "German please"], "is not a language tag"),
        (["key", "create", "--org", "nobody"], "no organization"),
        (["key", "list", "--org", "nobody"], "no organization"),
        (["key", "revoke", "key_none"], "no API key"),
        (["key", "create"], "Missing option '--org'"),
        (["key", "create", "--org", "x", "--expires", "soon"], "is not a lifetime"),
        (["nonsense"], "No such command"),
        (["serve", "--port", "99999"], "--port"),
        (["serve", "--demo", "--host", "0.0.0.0"], "loopback"),
    ],
)
def test_errors_are_one_line(tmp_path: Path, arguments: list[str | bytes], sentence: str) -> None:
    done = kalends(f"sqlite:///{tmp_path / 'k.db'}", *arguments)
    assert done.returncode not in (0, None)
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("kalends: ")
    assert sentence in line


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://root:hunter2@localhost/x", "the database URL must be"),
        ("postgresql://nobody@127.0.0.1:1/x", "can't be reached"),
        ("sqlite:////nonexistent/folder/x.db", "can't use its database file"),
    ],
)
@pytest.mark.parametrize("arguments", [["migrate"], ["serve"], ["org", "list"]])
def test_a_database_out_of_reach_is_one_line(url: str, sentence: str, arguments: list[str]) -> None:
    done = kalends(url, *arguments)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert sentence in line
    assert "hunter2" not in line


def test_a_bad_setting_is_one_line(tmp_path: Path) -> None:
    done = run("org", "list", env=os.environ | {"KALENDS_LOG_LEVEL": "loud"}, cwd=tmp_path)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("kalends: KALENDS_LOG_LEVEL: ")


def test_two_slugs_may_not_be_the_same(empty_url: str) -> None:
    assert kalends(empty_url, "org", "create", "Acme").returncode == 0
    done = kalends(empty_url, "org", "create", "Acme!")
    assert done.returncode == 1
    assert "already an organization with the slug 'acme'" in done.stderr


def test_an_outdated_schema_is_said_and_left_alone(empty_url: str) -> None:
    import asyncio

    from sqlalchemy import text

    from kalends.db.opening import open_database

    async def age() -> None:
        database = open_database(empty_url, pool_size=1)
        await database.write(lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = '0000'")))
        await database.close()

    kalends(empty_url, "migrate")
    asyncio.run(age())
    done = kalends(empty_url, "org", "list")
    assert done.returncode == 1
    assert "run `kalends migrate`" in done.stderr


def test_a_key_is_revoked_with_what_it_made(empty_url: str) -> None:
    said(empty_url, "migrate")
    org = said(empty_url, "org", "create", "Praxis Müller")
    first, second = (
        said(empty_url, *("key", "create", "--org", org["id"], "--name", name, "--scope", "admin"))
        for name in ("First", "Second")
    )
    operator = {"kind": "operator", "id": None, "name": None}
    listed = said(empty_url, "key", "list", "--org", org["id"])["keys"]
    assert [each["created_by"] for each in listed] == [operator] * 2
    made = asyncio.run(_let_make(empty_url, first["key"]))
    kinds = ("keys", "people", "feeds", "webhooks", "sources")
    nothing: dict[str, Any] = {kind: [] for kind in (*kinds, "entered")}

    told = kalends(empty_url, "key", "revoke", first["id"])
    assert (told.returncode, told.stderr) == (0, "")
    assert "--with-made" in told.stdout
    assert all(id_ in told.stdout for id_ in made.values())
    revoked = said(empty_url, "key", "revoke", first["id"])
    assert revoked.keys() == {"id", "revoked_at", "still_standing", "taken_along"}
    standing = {kind: [each["id"] for each in things] for kind, things in revoked["still_standing"].items()}
    assert standing == {kind: [made[kind]] for kind in kinds} | {"entered": []}
    assert revoked["taken_along"] == nothing
    gone = said(empty_url, "key", "revoke", first["id"], "--with-made")
    assert gone["still_standing"] == nothing
    taken = {kind: [each["id"] for each in things] for kind, things in gone["taken_along"].items()}
    assert taken == standing
    text = kalends(empty_url, "key", "list", "--org", org["id"]).stdout
    assert "operator" in text
    assert first["id"] in text.splitlines()[-1], "the key that it made names it"

    happened = asyncio.run(_events(empty_url, org["id"]))
    created, revocations = ("key.created", "operator"), ("key.revoked", "operator")
    assert [each for each in happened if each[1] == "operator"] == [
        *(created, created, revocations, revocations),
        ("person.updated", "operator"),
        *((f"{kind}.deleted", "operator") for kind in ("feed", "webhook", "source")),
    ]
    assert second["id"] not in str(gone)


def test_a_person_comes_in_by_a_link_from_the_command_line(empty_url: str) -> None:
    said(empty_url, "migrate")
    org = said(empty_url, "org", "create", "Praxis Müller")
    ana = said(empty_url, *("person", "create", "--org", org["id"], "--name", "Ana", "--scope", "admin"))
    assert ana.keys() == {"id", "name", "scopes", "enter_url"}
    assert (ana["name"], ana["scopes"]) == ("Ana", ["admin"])
    again = said(empty_url, "person", "link", ana["id"])
    assert again.keys() == ana.keys()
    paths = [urlsplit(each["enter_url"]).path for each in (ana, again)]
    assert all(path.startswith("/staff/enter/") for path in paths)
    assert asyncio.run(_enter(empty_url, paths)) == [False, True]

    ben = kalends(
        empty_url,
        *("person", "create", "--org", "praxis-muller", "--name", "Ben"),
        "--email",
        "b@example.com",
    )
    assert (ben.returncode, ben.stderr) == (0, "")
    assert "/staff/enter/" in ben.stdout.splitlines()[0]
    assert "once" in ben.stdout
    assert "KALENDS_PUBLIC_URL is not set" in ben.stdout
    listed = said(empty_url, "person", "list", "--org", org["id"])["people"]
    assert [(each["name"], each["email"], each["active"]) for each in listed] == [
        ("Ana", None, True),
        ("Ben", "b@example.com", True),
    ]
    assert listed[1]["scopes"] == ["read", "write", "delete"]
    assert not [path for path in paths if path.rpartition("/")[2] in str(listed)]

    mails = {"KALENDS_SMTP_HOST": "mail.example", "KALENDS_SMTP_FROM": "booking@clinic.example"}
    mails |= {"KALENDS_DATABASE_URL": empty_url, "KALENDS_PUBLIC_URL": "https://book.example"}
    mailed = run("person", "link", listed[1]["id"], "--mail", env=os.environ | mails)
    assert (mailed.returncode, mailed.stderr) == (0, "")
    assert "The worker mails the link to b@example.com." in mailed.stdout
    assert "/staff/enter/" not in mailed.stdout

    key = asyncio.run(_key_of(empty_url, ana["id"]))
    told = kalends(empty_url, "person", "revoke", ana["id"])
    assert (told.returncode, told.stderr) == (0, "")
    assert "goes on working (unless --with-made is given)" in told.stdout
    assert f"  key {key}  Mine" in told.stdout
    for option, (left, gone) in (((), ([key], [])), (("--with-made",), ([], [key]))):
        revoked = said(empty_url, "person", "revoke", ana["id"], *option)
        assert (revoked["id"], revoked["active"]) == (ana["id"], False)
        assert [each["id"] for each in revoked["still_standing"]["keys"]] == left
        assert [each["id"] for each in revoked["taken_along"]["keys"]] == gone
    for wrong, why in (
        (["person", "link", ana["id"]], "not active"),
        (["person", "link", "psn_none"], "no person"),
        (["person", "link", listed[1]["id"], "--mail"], "KALENDS_SMTP_HOST"),
        (["person", "create", "--org", org["id"], "--name", "Cleo", "--mail"], "no e-mail address"),
        (["person", "revoke", "psn_none"], "no person"),
        (["person", "list", "--org", "nobody"], "no organization"),
        (["person", "create", "--org", "nobody", "--name", "Cleo"], "no organization"),
        (["person", "create", "--org", org["id"], "--name", "Cleo", "--scope", "all"], "--scope"),
        (["person", "create", "--org", org["id"], "--name", " "], "name is required"),
        (["person", "create", "--org", org["id"], "--name", "Cleo", "--email", "no"], "--email"),
        (
            ["person", "create", "--org", org["id"], "--name", "Cleo", "--email", "B@example.com"],
            "Somebody else",
        ),
    ):
        refused = kalends(empty_url, *wrong)
        assert refused.returncode != 0
        assert why in refused.stderr, refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_key_for_secrets_is_made(empty_url: str) -> None:
    one, other = (said(empty_url, "secrets-key")["key"] for _ in range(2))
    assert one != other
    assert len(read_key(one)) == 32
    assert len(read_key(kalends(empty_url, "secrets-key").stdout)) == 32


async def _enter(url: str, paths: list[str]) -> list[bool]:
    """Whether each of these links signs somebody in."""
    database = open_database(url, pool_size=1)
    try:
        tokens = [path.rpartition("/")[2] for path in paths]
        now = SystemClock().now()
        return [await database.write(links.enter, token, "Browser", now) is not None for token in tokens]
    finally:
        await database.close()


async def _key_of(url: str, person_id: str) -> str:
    """A key that somebody has made: its id."""

    def make(tx: Tx) -> str:
        actor = Actor(kind="person", id=person_id, name="Ana")
        party = Party(people.owner_of(tx, person_id), actor)
        return str(keys.create(tx, party, name="Mine", lifetime=None, now=SystemClock().now())["id"])

    database = open_database(url, pool_size=1)
    try:
        return await database.write(make)
    finally:
        await database.close()


async def _let_make(url: str, key: str) -> dict[str, str]:
    """A key, a person, a feed, a webhook and a source, made with this key: their ids."""

    def make(tx: Tx) -> dict[str, str]:
        party, now = parties.staff(keys.find(tx, [digest(key)])[digest(key)]), SystemClock().now()
        wish = WebhookCreate(url="https://example.com/hook", events=["*"])
        source = SourceCreate(kind="ics", url="https://example.com/calendar.ics")
        return {
            "keys": keys.create(tx, party, name="Third", lifetime=None, now=now)["id"],
            "people": people.create(tx, party, PersonCreate(name="Ana"), now).id,
            "feeds": feeds.create(tx, party, FeedCreate(), now)[0].id,
            "webhooks": webhooks.create(tx, party, wish, now, mail=False).id,
            "sources": sources.create(tx, party, calendars.default_id(tx, party.org_id), source, now).id,
        }

    database = open_database(url, pool_size=1)
    try:
        return await database.write(make)
    finally:
        await database.close()


async def _events(url: str, org_id: str) -> list[tuple[str, str]]:
    """The kinds of an organization's events, and whose they are."""
    database = open_database(url, pool_size=1)
    try:
        await database.write(event_order.number, org_id, SystemClock().now(), mail=False)
        page = await database.read(event_pages.page, org_id, EventsQuery.model_validate({"limit": 100}))
        return [(each.type, each.actor.kind) for each in page.events if each.actor]
    finally:
        await database.close()
