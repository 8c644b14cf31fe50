"""Mails by a server's settings, and without them."""

import asyncio
import sys

import pytest
from sqlalchemy import func, select

from kalends import cli
from kalends.app import create_app
from kalends.db.database import Tx
from kalends.db.tables import deliveries, receivers
from kalends.settings import Settings
from tests.support.clients import client_of
from tests.support.clock import StoppedClock
from tests.support.desk import APPOINTMENTS
from tests.support.letters import SENDER
from tests.support.mailbox import Mailbox
from tests.support.organizations import links_of, make_org
from tests.support.practice import Opening
from tests.worker.mails import JANE

pytestmark = pytest.mark.anyio


async def test_a_server_sends_mails_by_itself(own_url: str, mailbox: Mailbox) -> None:
    settings = Settings(
        database_url=own_url,
        smtp_host="127.0.0.1",
        smtp_port=mailbox.port,
        smtp_tls="none",
        smtp_from=SENDER,
    )
    app = create_app(settings, clock=StoppedClock())
    async with app.router.lifespan_context(app):
        org = await make_org(app.state.context.database, StoppedClock().now())
        async with client_of(app, org.key) as staff:
            assert (await staff.post(APPOINTMENTS, json=org.wish())).status_code == 200
        async with asyncio.timeout(20):
            while not mailbox.received:
                await asyncio.sleep(0.02)
    [mail] = mailbox.received
    assert (mail.sender, mail.recipients) == (SENDER, [JANE])


async def test_without_a_mail_server_nothing_is_sent_and_nothing_kept(
    opening: Opening, own_url: str, mailbox: Mailbox
) -> None:
    async with opening(smtp_host="") as p:
        await p.ask()
        await p.move("2024-01-26T14:00:00Z")
        assert await p.mails() == []
        assert await p.db.read(stored_for_mail) == (0, 0)
        assert await p.db.read(links_of, p.desk.org.id) == 1  # which the booking was answered
        told = (await p.desk.staff.get("/v1/events", params={"types": "appointment.*"})).json()["events"]
        assert [event["type"] for event in told] == ["appointment.created", "appointment.rescheduled"]
    # A mail server that is named later gets no mails of what is long past.
    async with opening() as p:
        assert await p.mails() == []
    assert mailbox.tried == 0


def stored_for_mail(tx: Tx) -> tuple[int, int]:
    mailboxes = select(func.count()).select_from(receivers).where(receivers.c.kind == "mail")
    return (
        tx.execute(mailboxes).scalar_one(),
        tx.execute(select(func.count()).select_from(deliveries)).scalar_one(),
    )


@pytest.mark.parametrize("sender", ["", "Clinic <booking@clinic.example>", "booking"])
def test_a_mail_server_without_a_sender_is_one_line(
    sender: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KALENDS_SMTP_HOST", "mail.example")
    monkeypatch.setenv("KALENDS_SMTP_FROM", sender)
    monkeypatch.setattr(sys, "argv", ["kalends", "worker"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr() == (
        "",
        "kalends: KALENDS_SMTP_FROM must be an e-mail address if KALENDS_SMTP_HOST is set\n",
    )
