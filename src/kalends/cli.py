"""The command `kalends`. Errors are one line on standard error and a non-zero status."""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Concatenate

import typer
from email_validator import EmailNotValidError
from pydantic import ValidationError

from kalends import VERSION, serving, zone_data
from kalends.clock import SystemClock
from kalends.core.errors import Malformed, Refusal, Unavailable
from kalends.core.hours import stamp
from kalends.core.messages import Outcome
from kalends.core.plans import DEFAULT
from kalends.db import migrating
from kalends.db.database import Database, P, T, Tx
from kalends.delivery.mail import Postman
from kalends.schemas.made import Made
from kalends.schemas.people import Person, PersonChange, PersonCreate
from kalends.services.leaving import revocation
from kalends.services.outbox.makers import maker_of
from kalends.services.outbox.parties import operator
from kalends.services.setup import keys, links, organizations, people
from kalends.settings import Settings, unknown_names, wrong_values
from kalends.vault import new_key

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
org_app = typer.Typer(help="Create and list organizations.", no_args_is_help=True, rich_markup_mode=None)
key_app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)
person_app = typer.Typer(
    help="Create, list and revoke people of the staff, who sign in.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
mail_app = typer.Typer(help="Try out the mail server.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(org_app, name="org")
app.add_typer(key_app, name="key")
app.add_typer(person_app, name="person")
app.add_typer(mail_app, name="mail")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else.")]
MailIt = Annotated[
    bool, typer.Option("--mail", help="Mail the link to their e-mail address, instead of showing it.")
]
Org = Annotated[str, typer.Option("--org", help="The organization's id or slug.")]

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def main() -> None:
    """Run the command line. Whatever goes wrong is reported in one line."""
    zone_data.choose()
    try:
        status = app(standalone_mode=False)
    except (Refusal, ValueError, OSError) as error:
        status = _fail(_sentence(error))
    except Exception as error:
        if not hasattr(error, "format_message"):  # not an error of the parser
            raise
        if type(error).__name__ == "NoArgsIsHelpError":  # typer keeps the class to itself
            sys.exit(_help(error))
        status = _fail(f"{error.format_message()} (see kalends --help)", status=2)
    sys.exit(status or 0)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kalends {VERSION}")
        raise typer.Exit


@app.callback()
def kalends(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """A self-hosted appointment server.

    Settings are read from the environment (KALENDS_…) or from a file .env in this folder.
    """


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 for every address of this machine.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on; 0 for any free port.")
    ] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="The number of server processes.")] = 1,
    demo: Annotated[
        bool, typer.Option("--demo", help="Serve an example in a database that is thrown away.")
    ] = False,
    worker: Annotated[
        bool | None,
        typer.Option(
            "--worker/--no-worker",
            help="Run the background worker inside the server; by default as KALENDS_WORKER says.",
        ),
    ] = None,
    migrate: Annotated[
        bool, typer.Option("--migrate/--no-migrate", help="Migrate the database to the newest schema first.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Serve the API.

    Example: kalends serve --host 0.0.0.0 --port 80 --workers 4
    """

    def announce(facts: serving.Facts) -> None:
        _say(facts.as_dict(), facts.for_people(), as_json)

    serving.serve(
        _settings(),
        host=host,
        port=port,
        workers=workers,
        demo=demo,
        worker=worker,
        migrate=migrate,
        announce=announce,
    )


@app.command()
def worker(as_json: Json = False) -> None:
    """Run the background worker: webhooks, mails, expiry.

    It runs until it is stopped. `kalends serve` runs one, too, unless --no-worker is given.
    """

    def announce() -> None:
        version = zone_data.choose()
        text = f"Kalends works (time zone data: {version}). Ctrl-C stops it."
        _say({"worker": True, "zone_data": version}, text, as_json)

    serving.work(_settings(), announce=announce)


@app.command()
def migrate(as_json: Json = False) -> None:
    """Migrate the database to the newest schema.

    `kalends serve` does this first, unless --no-migrate is given.
    """
    settings = _settings()
    serving.begin(settings)
    asyncio.run(serving.prepare(settings, migrate=True))
    revision = migrating.newest()
    _say({"revision": revision}, f"The database is at revision {revision}.", as_json)


@org_app.command("create")
def org_create(
    name: Annotated[str, typer.Argument(help="Its name, as clients read it.")],
    timezone: Annotated[
        str, typer.Option(help="Its time zone: an IANA name, such as Europe/Berlin.")
    ] = "UTC",
    slug: Annotated[
        str | None, typer.Option(help="Its name in URLs; made from its name if left out.")
    ] = None,
    plan: Annotated[str, typer.Option(help="Its plan: starter, professional or enterprise.")] = DEFAULT,
    requests_per_hour: Annotated[
        int | None, typer.Option(help="The limit for all of its keys together; for the enterprise plan only.")
    ] = None,
    sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox", help="Make it a sandbox, for trying things out; its keys begin with vst_test_."
        ),
    ] = False,
    language: Annotated[
        str | None, typer.Option(help="The language of mails to staff, such as de or en-GB; en if left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Create an organization.

    Example: kalends org create "Praxis Müller" --timezone Europe/Berlin
    """
    row = _write(
        organizations.create,
        name=name,
        timezone=timezone,
        slug=slug,
        plan=plan,
        requests_per_hour=requests_per_hour,
        sandbox=sandbox,
        language=language,
        now=_now(),
    )
    shown = {field: row[field] for field in ("id", "name", "slug", "timezone")}
    _say(shown, f"{row['id']}  {row['slug']}  {row['timezone']}  {row['name']}", as_json)


@org_app.command("list")
def org_list(as_json: Json = False) -> None:
    """List the organizations."""
    rows = _write(organizations.all_of)
    fields = ("id", "slug", "timezone", "plan", "sandbox", "name")
    shown = [{field: getattr(row, field) for field in fields} for row in rows]
    _say({"organizations": shown}, _table(shown), as_json)


@key_app.command("create")
def key_create(
    org: Org,
    name: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What it may do: read, write, delete or admin. Repeat it for several; if left out, all but "
            "admin."
        ),
    ] = None,
    expires: Annotated[str | None, typer.Option(help="A lifetime such as 12h, 90d or 8w.")] = None,
    as_json: Json = False,
) -> None:
    """Create an API key. It is shown only this once.

    Example: kalends key create --org praxis-muller --name "Web page" --scope read --expires 90d
    """
    lifetime = _lifetime(expires)

    def make(tx: Tx) -> dict[str, Any]:
        party = operator(organizations.row_of(tx, org).id)
        scopes = scope or keys.DEFAULT_SCOPES
        return keys.create(tx, party, _now(), name=name, scopes=scopes, lifetime=lifetime)

    row = _write(make)
    shown = {field: _plain(row[field]) for field in ("id", "key", "scopes", "expires_at")}
    until = f"until {shown['expires_at']}" if row["expires_at"] else "for good"
    text = f"{row['key']}\n\n{row['id']}: {', '.join(row['scopes'])}, {until}. The key is not shown again."
    _say(shown, text, as_json)


@key_app.command("list")
def key_list(org: Org, as_json: Json = False) -> None:
    """List an organization's API keys."""
    fields = ("id", "prefix", "name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    made = [(row, maker_of(row)) for row in _write(keys.all_of, org)]
    rows = [({field: _plain(getattr(row, field)) for field in fields}, maker) for row, maker in made]
    shown = [row | {"created_by": maker and maker.model_dump()} for row, maker in rows]
    text = _table([row | {"created_by": maker and (maker.id or maker.kind)} for row, maker in rows])
    _say({"keys": shown}, text, as_json)


@key_app.command("revoke")
def key_revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `kalends key list` shows it.")],
    with_made: Annotated[
        bool,
        typer.Option(
            "--with-made",
            help="Revoke and delete all that it has made, too: keys, people, links to sign in, what came of "
            "those, feeds, webhooks, sources.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Revoke an API key, from its next request on.

    What it has made is listed, and goes on working unless --with-made is given.
    """
    now = _now()

    async def revoke(database: Database) -> revocation.Revoked:
        party = operator(await database.read(keys.owner_of, key_id))
        while with_made and await database.write(revocation.empty, party, key_id, now) > 0:
            pass
        return await database.write(revocation.revoke, party, key_id, now, real_now=now, with_made=with_made)

    done = _with_database(_settings(tell=True), revoke)
    since = _plain(done.key.revoked_at)
    lines = [f"{key_id} is revoked since {since}.", *_left(done)]
    _say({"id": key_id, "revoked_at": since} | _left_in_json(done), "\n".join(lines), as_json)


def _left(done: revocation.Revoked | revocation.Dismissed) -> list[str]:
    """Return lines about what became of what a key or a person has made."""
    lines = []
    if done.still_standing != Made():
        lines += [
            "What it made goes on working (unless --with-made is given):",
            *_listed(done.still_standing),
        ]
    if done.taken_along != Made():
        lines += ["What it made is gone with it:", *_listed(done.taken_along)]
    return lines


def _left_in_json(done: revocation.Revoked | revocation.Dismissed) -> dict[str, Any]:
    return {
        "still_standing": done.still_standing.model_dump(mode="json"),
        "taken_along": done.taken_along.model_dump(mode="json"),
    }


def _listed(made: Made) -> list[str]:
    """Return a line for each thing that keys and people have made."""
    return [
        *(f"  key {each.id}  {each.name or '-'}" for each in made.keys),
        *(f"  person {each.id}  {each.name}" for each in made.people),
        *(f"  a way in as {each.id}  {each.name}" for each in made.entered),
        *(f"  feed {each.id}  {each.calendar_id or 'all calendars'}" for each in made.feeds),
        *(f"  webhook {each.id}  {each.url}" for each in made.webhooks),
        *(f"  source {each.id}  {each.url}" for each in made.sources),
    ]


@person_app.command("create")
def person_create(
    org: Org,
    name: Annotated[str, typer.Option(help="What they are called.")],
    email: Annotated[
        str | None, typer.Option(help="Their e-mail address, to sign in with together with a password.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What they may do: read, write, delete or admin. Repeat it for several; if left out, all "
            "but admin."
        ),
    ] = None,
    mail: MailIt = False,
    as_json: Json = False,
) -> None:
    """Create a person of the staff. The link by which they sign in is shown only this once.

    Example: kalends person create --org praxis-muller --name "Ana Pereira" --scope admin
    """
    settings = _settings(tell=True)
    sent = {"name": name, "email": email} | ({"scopes": scope} if scope else {})
    try:
        wish = PersonCreate.model_validate(sent)
    except ValidationError as error:
        # What is wrong with several fields together, such as a name of nothing but spaces, names them itself.
        wrong = (
            "".join(f"--{str(name).removesuffix('s')}: " for name in each["loc"][:1]) + each["msg"]
            for each in error.errors()
        )
        raise Malformed("; ".join(wrong)) from None

    def make(tx: Tx) -> Person:
        return people.create(tx, operator(organizations.row_of(tx, org).id), wish, _now())

    _say_link(settings, *_invited(settings, make, mail=mail), as_json)


@person_app.command("link")
def person_link(
    person_id: Annotated[str, typer.Argument(help="The person's id, as `kalends person list` shows it.")],
    mail: MailIt = False,
    as_json: Json = False,
) -> None:
    """Make another link by which a person signs in; the former one ends. It is shown only this once."""
    settings = _settings(tell=True)

    def find(tx: Tx) -> Person:
        return people.get(tx, people.owner_of(tx, person_id), person_id)

    _say_link(settings, *_invited(settings, find, mail=mail), as_json)


@person_app.command("list")
def person_list(org: Org, as_json: Json = False) -> None:
    """List an organization's staff."""
    found = _write(lambda tx: people.all_of(tx, organizations.row_of(tx, org).id))
    fields = ("id", "name", "email", "scopes", "calendar_id", "active", "has_password", "created_at")
    shown = [{field: _plain(getattr(each, field)) for field in fields} for each in found]
    _say({"people": shown}, _table(shown), as_json)


@person_app.command("revoke")
def person_revoke(
    person_id: Annotated[str, typer.Argument(help="The person's id, as `kalends person list` shows it.")],
    with_made: Annotated[
        bool,
        typer.Option(
            "--with-made",
            help="Revoke and delete all that they have made, too: keys, people, links to sign in, what came "
            "of those, feeds, webhooks, sources.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Sign a person out everywhere, from their next request on, and let them in no more.

    Their name stays in the history. What they have made is listed, and goes on working unless --with-made is
    given. `PATCH /v1/people/{id}` with `active` lets them in again.
    """
    now = _now()

    async def revoke(database: Database) -> revocation.Dismissed:
        party = operator(await database.read(people.owner_of, person_id))
        while with_made and await database.write(revocation.empty, party, person_id, now) > 0:
            pass
        wish = PersonChange(active=False)
        return await database.write(
            revocation.change_person, party, person_id, wish, now, real_now=now, with_made=with_made
        )

    done = _with_database(_settings(tell=True), revoke)
    person = done.person
    lines = [f"{person.id} ({person.name}) is signed out.", *_left(done)]
    _say({"id": person.id, "active": person.active} | _left_in_json(done), "\n".join(lines), as_json)


def _invited(settings: Settings, find: Callable[[Tx], Person], *, mail: bool) -> tuple[Person, str | None]:
    """Make a link by which a person signs in. Returns the person and the link's token; None if it is to be
    mailed to them."""

    def invite(tx: Tx) -> tuple[Person, str | None]:
        person = find(tx)
        party = operator(person.org_id)
        if mail:
            links.invite_by_mail(tx, party, person.id, _now(), mail=settings.mails_links)
            return person, None
        return person, links.invite(tx, party, person.id, _now())

    return _with_database(settings, lambda database: database.write(invite))


def _say_link(settings: Settings, person: Person, token: str | None, as_json: bool) -> None:
    """Show the link by which a person signs in, or where it is mailed."""
    if token is None:
        shown = {"id": person.id, "name": person.name, "scopes": person.scopes, "enter_url": None}
        _say(
            shown,
            f"{person.id}: {person.name}, {', '.join(person.scopes)}.\n"
            f"The worker mails the link to {person.email}. It works once, within seven days.",
            as_json,
        )
        return
    link = f"{settings.public_url}/staff/enter/{token}"
    shown = {"id": person.id, "name": person.name, "scopes": person.scopes, "enter_url": link}
    lines = [link, "", f"{person.id}: {person.name}, {', '.join(person.scopes)}."]
    lines += ["The link works once, within seven days."]
    if not settings.public_url:
        lines += ["KALENDS_PUBLIC_URL is not set: put the address of your server before it."]
    _say(shown, "\n".join(lines), as_json)


@app.command("secrets-key")
def secrets_key(as_json: Json = False) -> None:
    """Create a key for KALENDS_SECRETS_KEY, which encrypts the secrets of webhooks and sources. It is not
    stored."""
    key = new_key()
    _say({"key": key}, key, as_json)


@mail_app.command("test")
def mail_test(
    address: Annotated[str, typer.Argument(help="The address to send it to.")],
    org: Annotated[
        str | None, typer.Option(help="The organization in whose name it is sent: its id or slug.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send a test mail now, through the mail server of the settings.

    Example: kalends mail test you@example.com
    """
    settings = _settings(tell=True)
    if not settings.mail:
        raise Malformed("There is no mail server: set KALENDS_SMTP_HOST and KALENDS_SMTP_FROM.")
    host = "Kalends"
    if org is not None:
        host = _with_database(settings, lambda database: database.read(organizations.row_of, org)).name
    server = f"{settings.smtp_host}:{settings.smtp_port}"
    outcome = asyncio.run(_try_out(settings, address, host))
    answer = " ".join((outcome.answer or "").split())
    if not outcome.succeeded:
        trouble = outcome.trouble or f"The mail server {server} refuses this mail."
        said = f"It says: {outcome.code} {answer}" if outcome.code is not None else outcome.error
        raise Malformed(f"{trouble} ({said})")
    shown = {"address": address, "server": server, "answer": answer}
    _say(shown, f"The mail server {server} took the mail to {address}. Now see whether it arrives.", as_json)


async def _try_out(settings: Settings, address: str, host: str) -> Outcome:
    postman = Postman(settings)
    try:
        return await postman.try_out(address, host, _now())
    except EmailNotValidError as error:
        raise Malformed(f"'{address}' is not an e-mail address: {error}") from None
    finally:
        await postman.close()


def _settings(*, tell: bool = False) -> Settings:
    """Return the settings. If `tell`, for commands without a log, unknown names go to standard error."""
    try:
        settings = Settings()
    except UnicodeDecodeError:
        raise ValueError("The file .env can't be read: it must be text in UTF-8.") from None
    for sentence in unknown_names() if tell else ():
        typer.echo(f"kalends: {sentence}", err=True)
    return settings


def _now() -> datetime:
    return SystemClock().now()


def _write(unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
    return _with_database(_settings(tell=True), lambda database: database.write(unit, *args, **kw))


def _with_database(settings: Settings, use: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        async with serving.opened(settings.database_url) as database:
            await serving.ready(database)
            return await use(database)

    return asyncio.run(run())


def _lifetime(text: str | None) -> timedelta | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,5})([hdw])", text)
    if match is None:
        raise Malformed(f"'{text}' is not a lifetime; use hours, days or weeks, such as 12h, 90d or 8w.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _plain(value: Any) -> Any:
    return stamp(value) if isinstance(value, datetime) else value


def _table(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return "None."
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return ",".join(value) if isinstance(value, list) else str(value)


def _say(shown: dict[str, Any], text: str, as_json: bool) -> None:
    typer.echo(json.dumps(shown) if as_json else text)


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return wrong_values(error)
    if isinstance(error, Unavailable) and error.operator is not None:
        return error.operator
    return error.message if isinstance(error, Refusal) else str(error)


def _help(error: Any) -> int:
    """Show the help that the parser has raised. Returns the exit status."""
    error.show()
    return int(error.exit_code)


def _fail(sentence: str, *, status: int = 1) -> int:
    typer.echo(f"kalends: {' '.join(sentence.split())}", err=True)
    return status
