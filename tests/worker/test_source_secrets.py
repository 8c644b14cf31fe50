"""Addresses and passwords of sources in the database: encrypted where a key is set, read by nothing but that
key."""

import base64
import json
from datetime import timedelta

import pytest

from kalends.services.setup import source_secrets
from kalends.telemetry import configure
from kalends.vault import CLEAR, Vault, read_key
from kalends.worker import Worker
from tests.support.elsewhere import Elsewhere, busy
from tests.support.practice import Opening
from tests.worker.source_desk import TWO, URL, SourceDesk

pytestmark = [pytest.mark.anyio, pytest.mark.both]

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
OF_OLD, OF_NEW, OF_BOTH = (
    Vault(read_key(OLD)),
    Vault(read_key(NEW)),
    Vault(read_key(NEW), [read_key(OLD)]),
)
PASSWORD = "an app password"


def another(desk: SourceDesk, vault: Vault) -> Worker:
    """A worker with these keys."""
    scout = desk.elsewhere.scout(desk.p.db, desk.p.clock, vault=vault)
    kept = timedelta(days=30)
    return Worker(desk.p.db, desk.p.clock, desk.p.worker.courier, events_kept=kept, scout=scout, vault=vault)


async def add(desk: SourceDesk) -> None:
    await desk.add(kind="caldav", username="weber", password=PASSWORD)


async def test_they_are_stored_encrypted_and_read_with_the_key(opening: Opening) -> None:
    async with opening(secrets_key=NEW) as p:
        desk = SourceDesk(p, Elsewhere(busy(TWO)))
        await add(desk)
        row = await desk.row()
        assert row.sealed_by == OF_NEW.name
        assert not [secret for secret in ("private-8c1f0e44", PASSWORD) if secret in str(row)]
        assert await desk.turn(another(desk, OF_NEW)) == 1
        [asked] = desk.elsewhere.asked
        assert (asked.address.url, asked.address.password) == (URL, PASSWORD)
        assert (await desk.shown())["url"] == "https://93.184.215.14/….ics"


async def test_without_the_key_it_fails_and_goes_on_with_it(
    opening: Opening, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info")
    async with opening(secrets_key=OLD) as p:
        desk = SourceDesk(p, Elsewhere(busy(TWO)))
        await add(desk)
        assert await desk.turn(another(desk, OF_OLD)) == 1
        for vault in (CLEAR, OF_NEW):
            desk.p.clock.forward(hours=1)
            assert await desk.turn(another(desk, vault)) == 0
            shown = await desk.shown()
            assert "KALENDS_SECRETS_KEY" in shown["error"]
            assert shown["failing_since"] == "2024-01-20T13:00:00Z"
            assert await desk.busy() == [TWO]
        told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert {each["source_id"] for each in told if each["event"] == "a source can't be read"} == {desk.id}
        assert OLD not in str(told)
        desk.p.clock.forward(hours=1)
        assert await desk.turn(another(desk, OF_BOTH)) == 1
        assert (await desk.shown())["failing_since"] is None


async def test_the_worker_encrypts_what_stands_in_clear_or_under_a_former_key(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_secrets, "_MOST_AT_ONCE", 2)
    async with opening() as p:
        desk = SourceDesk(p, Elsewhere())
        ids = []
        for _ in range(5):
            await add(desk)
            ids.append(desk.id)
        before = await desk.row()
        assert (before.url, before.password, before.sealed_by) == (URL, PASSWORD, "")
        await another(desk, CLEAR).forget()
        assert await desk.row() == before
        for vault in (OF_OLD, OF_BOTH):
            await another(desk, vault).forget()
            for desk.id in ids:
                row = await desk.row()
                assert row.sealed_by == vault.name
                assert source_secrets.opened(row, vault) == (URL, PASSWORD)
        await another(desk, OF_OLD).forget()
        assert await desk.row() == row, "what it can't read stays as it is"
        assert await desk.turn(another(desk, OF_NEW)) == 5
        await another(desk, Vault(None, [read_key(NEW)])).forget()
        assert (await desk.row()).url == URL
