"""What the log tells of what fails: when it begins, hourly while it goes on, and when it works again."""

import json
import logging
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
import trustme

from kalends import telemetry
from kalends.api.rate_limits import RateLimits
from kalends.core.errors import Unavailable
from kalends.db.database import Tx
from kalends.db.opening import open_database
from kalends.delivery.mail import Postman
from kalends.delivery.mail_troubles import trouble_with
from kalends.settings import Settings
from kalends.telemetry import Outage
from tests.support.certificates import certified
from tests.support.letters import NOON, SENDER, letter
from tests.support.mailbox import Mailbox
from tests.support.postgres import Postgres
from tests.support.practice import practice
from tests.support.receiver import Receiver
from tests.support.server import free_port

pytestmark = pytest.mark.anyio

Told = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """What the log has told since it was last asked, without requests."""

    def lines() -> list[dict[str, Any]]:
        written = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
        return [line for line in written if line["event"] != "request"]

    return lines


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of outages, which stands until it is moved."""
    at = [1_000.0]
    monkeypatch.setattr(telemetry, "_seconds", lambda: at[0])
    return at


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    mailbox = Mailbox()
    await mailbox.open()
    yield mailbox
    await mailbox.close()


def test_an_outage_is_told_when_it_begins_hourly_and_when_it_is_over(
    told: Told, seconds: list[float]
) -> None:
    outage = Outage("it fails", "it works")
    outage.works()
    assert told() == []
    for _ in range(10):
        outage.fails("no answer", place="here")
        seconds[0] += 60
    [begin] = told()
    assert (begin["event"], begin["level"], begin["cause"], begin["place"], begin["failures"]) == (
        *("it fails", "warning", "no answer", "here"),
        1,
    )
    outage.fails("refused")  # another cause is news
    assert [line["cause"] for line in told()] == ["refused"]
    seconds[0] += 3_600
    outage.fails("no answer")
    [again] = told()
    assert (again["cause"], again["failures"], again["seconds"]) == ("no answer", 12, 4_200)
    outage.works()
    outage.works()
    [end] = told()
    assert (end["event"], end["level"], end["seconds"]) == ("it works", "info", 4_200)


def test_what_fails_and_works_by_turns_is_told_once_a_minute(told: Told, seconds: list[float]) -> None:
    outage = Outage("it fails", "it works")
    for _ in range(300):
        outage.fails("no answer")
        seconds[0] += 0.5
        outage.works()
    lines = [line["event"] for line in told()]
    assert lines == ["it fails", "it works"] * 3
    outage.fails("no answer")
    seconds[0] += 61
    outage.fails("no answer")  # it stays so: that is told
    assert [line["event"] for line in told()] == ["it fails"]


def test_a_librarys_warning_is_told_once_an_hour_and_a_trace_always(told: Told, seconds: list[float]) -> None:
    library = logging.getLogger(f"library.{seconds[0]}.{id(seconds)}")
    telemetry.configure("info")
    for number in range(5):
        library.warning("failed, trying again in %s s", number)
        seconds[0] += 60
    library.warning("something else")
    assert [line["event"] for line in told()] == ["failed, trying again in 0 s", "something else"]
    seconds[0] += 3_600
    library.warning("failed, trying again in %s s", 9)
    for _ in range(2):
        try:
            raise RuntimeError("odd")
        except RuntimeError:
            library.exception("a defect")
    assert [line["event"] for line in told()] == ["failed, trying again in 9 s", "a defect", "a defect"]


# The mail server.


async def test_a_mail_server_that_is_down_is_one_warning_and_one_word_when_it_is_up(
    own_url: str, mailbox: Mailbox, told: Told
) -> None:
    async with practice(own_url, mailbox, smtp_user="clinic", smtp_password="hunter2") as p:
        await mailbox.close()
        told()
        for day in range(1, 6):
            await p.book(start_time=f"2024-02-0{day}T14:00:00Z")
        for _ in range(5):
            await p.work()
            p.clock.forward(minutes=1)
        [line] = told()
        assert (line["event"], line["level"]) == ("mails are not sent", "warning")
        assert line["cause"] == (
            f"The mail server 127.0.0.1:{mailbox.port} refuses the connection. "
            "Is it up, and are KALENDS_SMTP_HOST and KALENDS_SMTP_PORT right?"
        )
        assert "hunter2" not in json.dumps(line)
        await mailbox.open()
        p.clock.forward(hours=1)
        await p.work()
        [login] = told()  # it is up, but takes no login without TLS
        assert "KALENDS_SMTP_USER" in login["cause"]
    async with practice(own_url, mailbox) as p:
        await mailbox.close()
        await p.book()
        await p.work()
        await mailbox.open()
        p.clock.forward(minutes=10)
        assert len(await p.mails()) == 1
        down, up = told()
        assert (down["event"], up["event"], up["level"]) == (
            "mails are not sent",
            "mails are sent again",
            "info",
        )


async def test_a_mail_that_is_refused_for_good_is_no_outage(
    own_url: str, mailbox: Mailbox, told: Told
) -> None:
    async with practice(own_url, mailbox, kind={"reminderHours": None}) as p:
        mailbox.refusals.append("550 no such mailbox")
        await p.book(client_email="nobody@example.com")
        await p.work()
        [line] = told()
        assert (line["event"], line["level"], line["kind"]) == (
            "a delivery has failed for good",
            "info",
            "mail",
        )
        assert "nobody@example.com" not in json.dumps(line)


async def test_a_server_that_relays_nothing_for_us_loses_no_mail(
    own_url: str, mailbox: Mailbox, told: Told
) -> None:
    """Many servers say only at the recipient what they have against the sender."""
    refusals = [
        ("554 5.7.1 <jane@example.com>: Relay access denied", "KALENDS_SMTP_USER"),
        (
            "553 5.7.1 <booking@clinic.example>: Sender address rejected: not owned by you",
            "KALENDS_SMTP_FROM",
        ),
        ("550 5.7.1 Client host rejected: Access denied", "See its log"),
        ("530 5.7.0 Authentication required", "KALENDS_SMTP_USER"),
    ]
    async with practice(own_url, mailbox, kind={"reminderHours": None}) as p:
        await p.book(start_time="2024-03-01T14:00:00Z")
        for said, setting in refusals:
            mailbox.refusals.append(said)
            await p.work()
            [line] = told()
            assert setting in line["cause"]
            assert "@" not in json.dumps(line)
            p.clock.forward(days=2)
        assert len(await p.mails()) == 1


async def tried(mailbox: Mailbox | None, told: Told, **settings: Any) -> str:
    """The cause that is told when a mail is tried, and the same to whom tries the server out."""
    known: dict[str, Any] = {
        "smtp_host": "127.0.0.1",
        "smtp_port": mailbox.port if mailbox else 1,
        "smtp_from": SENDER,
    }
    postman = Postman(Settings(**(known | settings)))
    told()
    try:
        outcome = await postman.send(letter(), NOON)
        assert outcome is not None
        assert not outcome.succeeded
        assert not outcome.final
        [line] = [each for each in told() if "cause" in each]  # the server's library has its say, too
        assert line["cause"] == outcome.trouble
        trial = await postman.try_out("jane@example.com", "Clinic", NOON)
        assert trial.trouble == outcome.trouble
        assert [each for each in told() if "cause" in each] == []
        return str(line["cause"])
    finally:
        await postman.close()


async def test_the_cause_is_named_with_the_setting_to_look_at(
    mailbox: Mailbox, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    cause = await tried(None, told, smtp_port=port)
    assert f"127.0.0.1:{port} refuses the connection" in cause
    cause = await tried(None, told, smtp_host="mail.invalid")
    assert "mail.invalid:1 can't be found" in cause
    assert "KALENDS_SMTP_HOST" in cause
    assert "offers no STARTTLS" in await tried(mailbox, told)
    cause = await tried(mailbox, told, smtp_tls="tls")
    assert "TLS" in cause
    assert "KALENDS_SMTP_TLS" in cause

    authority = trustme.CA()
    stranger = Mailbox(tls_context=certified(authority))
    await stranger.open()
    assert "certificate" in await tried(stranger, told)
    await stranger.close()

    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    other = Mailbox(tls_context=certified(authority, "other.example"))
    await other.open()
    cause = await tried(other, told)
    assert "certificate" in cause
    assert "KALENDS_SMTP_HOST must be the name in it" in cause
    await other.close()
    closed = Mailbox(tls_context=certified(authority), require_starttls=True)
    await closed.open()
    cause = await tried(closed, told, smtp_user="clinic", smtp_password="hunter2")
    assert "refuses the login (535)" in cause
    assert "KALENDS_SMTP_PASSWORD" in cause
    assert "hunter2" not in cause
    await closed.close()


def test_sentences_of_what_is_rare() -> None:
    settings = Settings(smtp_host="mail.example", smtp_from=SENDER)
    for error, words in (
        (aiosmtplib.SMTPSenderRefused(550, "no", SENDER), "refuses the sender (550)"),
        (aiosmtplib.SMTPHeloError(550, "no"), "refuses us (550)"),
        (aiosmtplib.SMTPConnectTimeoutError("Timed out"), "no answer in time"),
        (TimeoutError(), "no answer in time"),
        (aiosmtplib.SMTPDataError(421, "closing"), "refuses us (421)"),
        (aiosmtplib.SMTPServerDisconnected("Connection lost"), "breaks off the connection"),
        (UnicodeError("label too long"), "UnicodeError"),
    ):
        trouble = trouble_with(error, settings)
        assert trouble is not None
        assert trouble.startswith("The mail server mail.example:587 ")
        assert words in trouble
    assert trouble_with(aiosmtplib.SMTPDataError(554, "spam"), settings) is None


# Webhooks, the database, Redis.


async def test_a_webhook_that_fails_is_told_once(own_url: str, mailbox: Mailbox, told: Told) -> None:
    receiver = Receiver(lambda _got: 500)
    await receiver.open()
    async with practice(own_url, mailbox, webhooks_allow_private=True, smtp_host="") as p:
        hook = {"url": receiver.url("/?token=secret"), "events": ["appointment.*"]}
        made = await p.desk.staff.post("/v1/webhooks", json=hook)
        assert made.status_code == 201
        told()
        for day in range(1, 4):
            await p.book(start_time=f"2024-02-0{day}T14:00:00Z")
            await p.work()
            p.clock.forward(seconds=10)
        [line] = told()
        assert (line["event"], line["webhook_id"]) == ("a webhook fails", made.json()["data"]["id"])
        assert "500" in line["cause"]
        assert "secret" not in json.dumps(line)
        receiver.answer = lambda _got: 200
        p.clock.forward(hours=1)
        await p.work()
        assert [line["event"] for line in told()] == ["a webhook works again"]
    await receiver.close()


def look(tx: Tx) -> Any:
    return tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


async def test_a_database_that_is_away_is_one_warning_and_one_word_when_it_is_back(told: Told) -> None:
    with Postgres.start() as postgres:
        database = open_database(postgres.url("postgres"), pool_size=2, told=True)
        try:
            await database.migrate()
            postgres.down()
            for _ in range(20):
                with pytest.raises(Unavailable):
                    await database.read(look)
                with pytest.raises(Unavailable):
                    await database.write(look)
            lines = told()
            assert 1 <= len(lines) <= 2  # the connections that were open broke, and no other could be made
            assert lines[-1]["level"] == "warning"
            assert f"the database postgres at {postgres.folder}" in lines[-1]["cause"].lower()
            assert "Is PostgreSQL up" in lines[-1]["cause"]
            postgres.up()
            await database.read(look)
            await database.read(look)
            assert [line["event"] for line in told()] == ["the database can be used again"]
        finally:
            await database.close()


async def test_a_file_that_is_away_is_one_warning_and_one_word_when_it_is_back(
    told: Told, tmp_path: Path, sqlite_template: Path
) -> None:
    path = tmp_path / "folder" / "k.db"
    database = open_database(f"sqlite:///{path}", pool_size=2, told=True)
    try:
        for _ in range(20):
            with pytest.raises(Unavailable):
                await database.read(look)
            with pytest.raises(Unavailable) as refused:
                await database.write(look)
        assert str(path) not in refused.value.message  # which clients see
        [line] = told()
        assert str(path) in line["cause"]
        assert f"there is no folder {path.parent}" in line["cause"]
        path.parent.mkdir()
        shutil.copy(sqlite_template, path)
        await database.read(look)
        await database.write(look)
        assert [line["event"] for line in told()] == ["the database can be used again"]
    finally:
        await database.close()


async def test_a_redis_that_is_away_is_told_once(told: Told) -> None:
    limits = RateLimits("redis://:hunter2@127.0.0.1:1")
    for _ in range(20):
        assert await limits.count("address", "203.0.113.1", 10) is None
    [line] = told()
    assert (line["event"], line["level"]) == ("requests are not counted", "warning")
    assert "127.0.0.1:1" in line["cause"]
    assert "KALENDS_RATE_LIMIT_STORAGE" in line["cause"]
    assert "hunter2" not in json.dumps(line)


async def test_a_defect_of_the_worker_is_told_once_with_its_trace(
    own_url: str, mailbox: Mailbox, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with practice(own_url, mailbox) as p:
        await p.book()

        def fail(*_: object, **__: object) -> int:
            raise RuntimeError("odd")

        monkeypatch.setattr("kalends.services.outbox.event_order.number", fail)
        told()
        for _ in range(5):
            await p.worker.take_events()
        [line] = told()
        assert (line["level"], line["org_id"], line["cause"]) == ("error", p.desk.org.id, "RuntimeError")
        assert "odd" in line["exception"]
        monkeypatch.undo()
        await p.work()
        assert "it works again after a defect" in [line["event"] for line in told()]
