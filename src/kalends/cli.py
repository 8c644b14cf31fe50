"""The command `kalends`. Errors are one line on standard error and a non-zero status."""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Concatenate

import typer
from pydantic import ValidationError

from kalends import serving
from kalends.clock import SystemClock
from kalends.core.errors import Malformed, Refusal
from kalends.core.hours import stamp
from kalends.core.plans import DEFAULT
from kalends.db import migrating
from kalends.db.database import Database, P, T, Tx
from kalends.db.opening import open_database
from kalends.services import keys, organizations
from kalends.settings import Settings

app = typer.Typer(
    help="A self-hosted appointment server.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
org_app = typer.Typer(help="Organizations.", no_args_is_help=True, rich_markup_mode=None)
key_app = typer.Typer(help="API keys.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(org_app, name="org")
app.add_typer(key_app, name="key")

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]
Org = Annotated[str, typer.Option("--org", help="The organization's id or slug.")]

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def main() -> None:
    """Run the command line; whatever is wrong with it or the world is said in one line."""
    try:
        status = app(standalone_mode=False)
    except (Refusal, ValueError, OSError) as error:
        status = _fail(_sentence(error))
    except Exception as error:
        if not hasattr(error, "format_message"):  # not one of the parser's own
            raise
        status = _fail(f"{error.format_message()} (see kalends --help)", status=2)
    sys.exit(status or 0)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Server processes.")] = 1,
    demo: Annotated[
        bool, typer.Option("--demo", help="Serve a throw-away database with an example.")
    ] = False,
    worker: Annotated[
        bool | None,
        typer.Option(
            "--worker/--no-worker",
            help="Work off what happens without a request, too; by default as KALENDS_WORKER says.",
        ),
    ] = None,
    migrate: Annotated[bool, typer.Option("--migrate/--no-migrate", help="Migrate first.")] = True,
    as_json: Json = False,
) -> None:
    """Serve the API."""

    def announce(facts: serving.Facts) -> None:
        _say(facts.as_dict(), facts.for_people(), as_json)

    serving.serve(
        Settings(),
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
    """Work off what happens without a request, until told to stop. `serve` does it, too, unless
    --no-worker."""

    def announce() -> None:
        _say({"worker": True}, "Kalends works. Ctrl-C stops it.", as_json)

    serving.work(Settings(), announce=announce)


@app.command()
def migrate(as_json: Json = False) -> None:
    """Bring the database to the newest schema."""

    asyncio.run(serving.prepare(Settings(), migrate=True))
    revision = migrating.newest()
    _say({"revision": revision}, f"The database is at revision {revision}.", as_json)


@org_app.command("create")
def org_create(
    name: str,
    timezone: Annotated[str, typer.Option(help="IANA name, such as Europe/Berlin.")] = "UTC",
    slug: Annotated[str | None, typer.Option(help="Made from the name where left out.")] = None,
    plan: Annotated[str, typer.Option(help="starter, professional or enterprise.")] = DEFAULT,
    requests_per_hour: Annotated[int | None, typer.Option(help="The enterprise plan's own limit.")] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="For trying things out: keys are vst_test_….")
    ] = False,
    language: Annotated[
        str | None, typer.Option(help="Of mails to staff, such as de or en-GB; en if left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an organization."""
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
    name: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read, write, delete or admin; again for more. All but admin where left out."),
    ] = None,
    expires: Annotated[str | None, typer.Option(help="A lifetime such as 12h, 90d or 8w.")] = None,
    as_json: Json = False,
) -> None:
    """Make an API key. It is shown this once."""
    row = _write(
        keys.create,
        org,
        name=name,
        scopes=scope or keys.DEFAULT_SCOPES,
        lifetime=_lifetime(expires),
        now=_now(),
    )
    shown = {field: _plain(row[field]) for field in ("id", "key", "scopes", "expires_at")}
    until = f"until {shown['expires_at']}" if row["expires_at"] else "for good"
    text = f"{row['key']}\n\n{row['id']}: {', '.join(row['scopes'])}, {until}. The key is not shown again."
    _say(shown, text, as_json)


@key_app.command("list")
def key_list(org: Org, as_json: Json = False) -> None:
    """List an organization's API keys."""
    fields = ("id", "prefix", "name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    shown = [{field: _plain(getattr(row, field)) for field in fields} for row in _write(keys.all_of, org)]
    _say({"keys": shown}, _table(shown), as_json)


@key_app.command("revoke")
def key_revoke(key_id: str, as_json: Json = False) -> None:
    """Revoke an API key, from its next request on."""
    since = stamp(_write(keys.revoke, key_id, _now()))
    _say({"id": key_id, "revoked_at": since}, f"{key_id} is revoked since {since}.", as_json)


def _now() -> datetime:
    return SystemClock().now()


def _write(unit: Callable[Concatenate[Tx, P], T], *args: P.args, **kw: P.kwargs) -> T:
    return _with_database(lambda database: database.write(unit, *args, **kw))


def _with_database(use: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        database = open_database(Settings().database_url, pool_size=1)
        try:
            await serving.ready(database)
            return await use(database)
        finally:
            await database.close()

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
        first = error.errors()[0]
        if not first["loc"]:  # it is about several settings, and names them itself
            return first["msg"].removeprefix("Value error, ")
        return f"KALENDS_{'_'.join(map(str, first['loc'])).upper()}: {first['msg']}"
    text = error.message if isinstance(error, Refusal) else str(error)
    return f"{text} ({error.__cause__})" if isinstance(error, Refusal) and error.__cause__ else text


def _fail(sentence: str, *, status: int = 1) -> int:
    typer.echo(f"kalends: {' '.join(sentence.split())}", err=True)
    return status
