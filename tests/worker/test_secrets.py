"""Secrets of webhooks in the database: encrypted where a key is set, readable by nothing but that key."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select, update

from kalends import vault as vaults
from kalends.app import create_app
from kalends.clock import SystemClock
from kalends.courier import UNREADABLE, Courier
from kalends.db.database import AnyRow, Database, Tx
from kalends.db.tables import deliveries, events, receivers
from kalends.delivery.webhooks import Poster
from kalends.services.leaving import webhook_secrets
from kalends.services.outbox.events import row as event_row
from kalends.settings import Settings
from kalends.telemetry import configure
from kalends.vault import CLEAR, SealedError, Vault, read_key
from kalends.worker import Worker
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.organizations import make_org
from tests.support.plans import plan
from tests.support.receiver import Receiver
from tests.worker.signatures import is_standard

pytestmark = pytest.mark.anyio

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
WEBHOOKS = "/v1/webhooks"


@dataclass
class KeyedServers:
    """A server and its workers, each with keys of its own."""

    url: str
    db: Database
    org_id: str
    key: str
    clock: StoppedClock
    receiver: Receiver
    poster: Poster

    def worker(self, key: str = "", before: str = "") -> Worker:
        vault = self.settings(key, before).vault
        courier = Courier(self.db, self.clock, self.poster, None, vault=vault)
        return Worker(self.db, self.clock, courier, events_kept=timedelta(days=30), vault=vault)

    def settings(self, key: str = "", before: str = "") -> Settings:
        return Settings(
            database_url=self.url,
            worker=False,
            webhooks_allow_private=True,
            secrets_key=key,
            secrets_key_before=before,
        )

    async def ask(self, method: str, path: str, *, key: str = "", before: str = "", **body: Any) -> Any:
        """Ask a server with these keys."""
        app = create_app(self.settings(key, before), clock=self.clock)
        async with app.router.lifespan_context(app), client_of(app, self.key) as client:
            response: httpx.Response = await client.request(method, path, json=body or None)
            assert response.is_success, response.text
            return response.json()["data"]

    async def hook(self, path: str = "/", key: str = "") -> dict[str, Any]:
        wish: dict[str, Any] = {"url": self.receiver.url(path), "events": ["appointment.*"]}
        made: dict[str, Any] = await self.ask("POST", WEBHOOKS, key=key, **wish)
        return made

    async def row(self, hook: dict[str, Any]) -> AnyRow:
        def find(tx: Tx) -> AnyRow:
            return tx.execute(select(receivers).where(receivers.c.id == hook["id"])).one()

        return await self.db.read(find)

    async def happen(self) -> str:
        made = event_row(
            self.org_id, "appointment.updated", '{"appointment":{"id":"apt_1"}}', self.clock.now()
        )
        await self.db.write(lambda tx: tx.execute(insert(events), made) and None)
        return str(made["id"])

    async def turn(self, worker: Worker) -> int:
        before = len(self.receiver.got)
        await worker.take_events()
        await worker.courier.finish()
        return len(self.receiver.got) - before

    async def pending(self) -> list[tuple[str, int]]:
        def find(tx: Tx) -> list[tuple[str, int]]:
            rows = tx.execute(select(deliveries.c.status, deliveries.c.attempts))
            return [(row.status, row.attempts) for row in rows]

        return await self.db.read(find)


@pytest.fixture
async def scene(own_url: str) -> AsyncIterator[KeyedServers]:
    clock, poster = StoppedClock(SystemClock().now()), Poster(allow_private=True)
    app = create_app(Settings(database_url=own_url, worker=False), clock=clock)
    async with app.router.lifespan_context(app), Receiver() as receiver:
        db: Database = app.state.context.database
        org = await make_org(db, clock.now())
        yield KeyedServers(own_url, db, org.id, org.key, clock, receiver, poster)
    await poster.close()


async def test_a_secret_is_stored_encrypted_and_signs(scene: KeyedServers) -> None:
    hook = await scene.hook(key=NEW)
    row = await scene.row(hook)
    assert hook["secret"] not in str(row)
    assert hook["secret"].removeprefix("whsec_") not in str(row)
    await scene.happen()
    assert await scene.turn(scene.worker(NEW)) == 1
    assert is_standard(scene.receiver.got[0], hook["secret"])
    rotated = await scene.ask("POST", f"{WEBHOOKS}/{hook['id']}/rotate-secret", key=NEW)
    row = await scene.row(hook)
    assert not {secret for secret in (hook["secret"], rotated["secret"]) if secret in str(row)}
    await scene.happen()
    assert await scene.turn(scene.worker(NEW)) == 1
    for secret in (hook["secret"], rotated["secret"]):  # the old one signs for a day, too
        assert is_standard(scene.receiver.got[1], secret)


async def test_without_a_key_secrets_stand_in_clear_as_before(scene: KeyedServers) -> None:
    hook = await scene.hook()
    row = await scene.row(hook)
    assert (row.secret, row.sealed_by) == (hook["secret"], "")
    await scene.worker().forget()
    assert await scene.row(hook) == row


async def test_what_stands_in_clear_is_read_and_then_encrypted_by_the_worker(scene: KeyedServers) -> None:
    hook = await scene.hook()
    rotated = await scene.ask("POST", f"{WEBHOOKS}/{hook['id']}/rotate-secret")
    worker = scene.worker(NEW)
    await scene.happen()
    assert await scene.turn(worker) == 1
    await worker.forget()
    row = await scene.row(hook)
    assert not {secret for secret in (hook["secret"], rotated["secret"]) if secret in str(row)}
    await scene.happen()
    assert await scene.turn(worker) == 1
    for got in scene.receiver.got:
        assert is_standard(got, hook["secret"])
        assert is_standard(got, rotated["secret"])


async def test_a_key_is_changed_for_another(scene: KeyedServers) -> None:
    hook = await scene.hook(key=OLD)
    before = await scene.row(hook)
    both = scene.worker(NEW, OLD)
    await scene.happen()
    assert await scene.turn(both) == 1
    await both.forget()
    after = await scene.row(hook)
    assert after.secret != before.secret
    assert after.sealed_by != before.sealed_by
    await both.forget()
    assert await scene.row(hook) == after, "once is enough"
    await scene.happen()
    assert await scene.turn(scene.worker(NEW)) == 1  # the old one is needed no more
    assert all(is_standard(got, hook["secret"]) for got in scene.receiver.got)


async def test_encryption_may_be_given_up(scene: KeyedServers) -> None:
    hook = await scene.hook(key=OLD)
    await scene.worker("", OLD).forget()
    row = await scene.row(hook)
    assert (row.secret, row.sealed_by) == (hook["secret"], "")


async def test_many_are_encrypted_in_slices(scene: KeyedServers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_secrets, "_MOST_AT_ONCE", 2)
    hooks = [await scene.hook(f"/{n}", key=OLD if n == 1 else "") for n in range(5)]
    await scene.worker(NEW).forget()  # which can't read one of them, and passes it by
    names = [(await scene.row(hook)).sealed_by for hook in hooks]
    assert [name == Vault(read_key(NEW)).name for name in names] == [True, False, True, True, True]
    await scene.worker(NEW, OLD).forget()
    assert len({(await scene.row(hook)).sealed_by for hook in hooks}) == 1


@pytest.mark.parametrize("key", ["", NEW])
async def test_without_the_right_key_nothing_is_lost_and_the_log_says_what_to_do(
    scene: KeyedServers, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info")
    hook = await scene.hook(key=OLD)
    clear = await scene.hook("/clear")
    worker = scene.worker(key)
    for _ in range(3):
        await scene.happen()
        await scene.turn(worker)
        scene.clock.at += UNREADABLE
    assert {got.path for got in scene.receiver.got} == {"/clear"}, "the others go on"
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [line] = [each for each in told if each["event"] == "a webhook's secret can't be read"]
    assert line["webhook_id"] == hook["id"]
    assert "KALENDS_SECRETS_KEY" in line["cause"]
    assert OLD not in str(told)
    assert sorted(await scene.pending()) == [("delivered", 1)] * 3 + [("pending", 0)] * 3
    # The server answers.
    listed = await scene.ask("GET", WEBHOOKS, key=key)
    assert [(each["id"], each["active"]) for each in listed] == [(hook["id"], True), (clear["id"], True)]
    path = f"{WEBHOOKS}/{hook['id']}"
    assert (await scene.ask("PATCH", path, key=key, name="CRM"))["failing_since"] is None
    # With the key it goes on by itself.
    again = scene.worker(OLD)
    assert await scene.turn(again) == 3
    assert [each for each in await scene.pending() if each[0] != "delivered"] == []


async def test_a_new_secret_is_made_without_the_key_of_the_old_one(scene: KeyedServers) -> None:
    hook = await scene.hook(key=OLD)
    worker = scene.worker(NEW)
    await scene.happen()
    assert await scene.turn(worker) == 0
    rotated = await scene.ask("POST", f"{WEBHOOKS}/{hook['id']}/rotate-secret", key=NEW)
    assert rotated["secret"] != hook["secret"]
    assert await scene.turn(worker) == 1, "it does not wait"
    assert is_standard(scene.receiver.got[0], rotated["secret"])


async def test_what_is_copied_from_another_webhook_opens_nothing(scene: KeyedServers) -> None:
    mine, theirs = await scene.hook("/mine", key=NEW), await scene.hook("/theirs", key=NEW)
    secret = (await scene.row(theirs)).secret

    def steal(tx: Tx) -> None:
        tx.execute(update(receivers).where(receivers.c.id == mine["id"]).values(secret=secret))

    await scene.db.write(steal)
    await scene.happen()
    assert await scene.turn(scene.worker(NEW)) == 1
    assert scene.receiver.got[0].path == "/theirs"


async def test_old_secrets_are_forgotten_after_their_day(scene: KeyedServers) -> None:
    hook = await scene.hook(key=NEW)
    await scene.ask("POST", f"{WEBHOOKS}/{hook['id']}/rotate-secret", key=NEW)
    worker = scene.worker(NEW)
    scene.clock.forward(hours=23)
    await worker.forget()
    assert (await scene.row(hook)).old_secret is not None
    scene.clock.forward(hours=1)
    await worker.forget()
    row = await scene.row(hook)
    assert (row.old_secret, row.old_secret_until) == (None, None)


async def test_outdated_secrets_are_found_along_an_index(scene: KeyedServers) -> None:
    for n in range(3):
        await scene.hook(f"/{n}")

    def steps(tx: Tx, unit: Any, *args: Any) -> str:
        tx.exec_driver_sql("ANALYZE")
        if tx.dialect.name == "postgresql":
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")  # so few rows are read quicker as a whole
        return plan(tx, lambda: unit(tx, *args), lambda each: each.startswith("SELECT"))

    now = scene.clock.now()
    sealing = await scene.db.write(
        steps, webhook_secrets.seal_anew, Vault(read_key(NEW)), "no such key", "", now
    )
    assert "ix_receivers_sealed_by" in sealing
    forgetting = await scene.db.write(steps, webhook_secrets.forget_old, now)
    assert "ix_receivers_old_secret_until" in forgetting


def test_a_vault_binds_to_the_place() -> None:
    key, other = read_key(OLD), read_key(NEW)
    vault = Vault(key)
    sealed = vault.seal("whsec_x", "org_1", "whk_1", "secret")
    assert sealed != vault.seal("whsec_x", "org_1", "whk_1", "secret")
    assert vault.open(vault.name, sealed, "org_1", "whk_1", "secret") == "whsec_x"
    assert Vault(other, [key]).open(vault.name, sealed, "org_1", "whk_1", "secret") == "whsec_x"
    for place in (
        ("org_2", "whk_1", "secret"),
        ("org_1", "whk_2", "secret"),
        ("org_1", "whk_1", "old_secret"),
    ):
        with pytest.raises(SealedError):
            vault.open(vault.name, sealed, *place)
    for wrong in ("", "x", sealed[:-4], sealed[4:], "\u00e9"):
        with pytest.raises(SealedError):
            vault.open(vault.name, wrong, "org_1", "whk_1", "secret")
    for without in (CLEAR, Vault(other)):
        with pytest.raises(SealedError, match="KALENDS_SECRETS_KEY"):
            without.open(vault.name, sealed, "org_1", "whk_1", "secret")


def test_keys_are_spelled_in_base64_of_either_alphabet() -> None:
    key = bytes(range(224, 256))
    spelled = "4OHi4-Tl5ufo6err7O3u7_Dx8vP09fb3-Pn6-_z9_v8"
    assert read_key(f" {spelled}\n") == read_key(spelled.replace("-", "+").replace("_", "/") + "=") == key
    assert len(read_key(vaults.new_key())) == vaults.KEY_BYTES
    for wrong in ("", "secret", spelled[:-2], f"{spelled}AAAA", "é" * 43):
        with pytest.raises(ValueError, match="32 bytes in base64"):
            read_key(wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("secrets_key", "hunter2"),
        ("secrets_key", f"{OLD},{NEW}"),
        ("secrets_key_before", f"{OLD},hunter2"),
    ],
)
def test_a_wrong_key_is_said_without_telling_it(name: str, value: str) -> None:
    from pydantic import ValidationError

    from kalends.settings import wrong_values

    with pytest.raises(ValidationError) as caught:
        Settings(**{name: value})  # type: ignore[arg-type]
    said = wrong_values(caught.value)
    assert said.startswith(f"KALENDS_{name.upper()}: must be ")
    assert "hunter2" not in said
    assert OLD not in said
    assert OLD not in repr(Settings(secrets_key=OLD))
