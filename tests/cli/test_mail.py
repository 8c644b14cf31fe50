"""`kalends mail test`: a real mail, now, or what is wrong."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import commands
from tests.support.letters import SENDER
from tests.support.mailbox import Mailbox
from tests.support.server import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    mailbox = Mailbox()
    await mailbox.open()
    yield mailbox
    await mailbox.close()


async def run(tmp_path: Path, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    known = {"smtp_host": "127.0.0.1", "smtp_tls": "none", "smtp_from": SENDER} | settings
    named = {f"KALENDS_{name.upper()}": str(value) for name, value in known.items()}
    env = os.environ | {"KALENDS_DATABASE_URL": f"sqlite:///{tmp_path / 'k.db'}"} | named
    return await asyncio.to_thread(commands.run, *arguments, env=env, cwd=tmp_path)


async def test_a_test_mail_is_sent(tmp_path: Path, mailbox: Mailbox) -> None:
    done = await run(tmp_path, "mail", "test", "jane@example.com", smtp_port=mailbox.port)
    assert (done.returncode, done.stderr) == (0, "")
    [line] = done.stdout.splitlines()
    assert f"The mail server 127.0.0.1:{mailbox.port} took the mail to jane@example.com" in line
    [mail] = mailbox.received
    assert (mail.sender, mail.recipients) == (SENDER, ["jane@example.com"])
    assert "Test mail" in mail.subject
    assert not (tmp_path / "k.db").exists()

    said = await run(tmp_path, "mail", "test", "jane@bücher.example", "--json", smtp_port=mailbox.port)
    assert json.loads(said.stdout) == {
        "address": "jane@bücher.example",
        "server": f"127.0.0.1:{mailbox.port}",
        "answer": "kept",
    }
    assert mailbox.received[-1].recipients == ["jane@xn--bcher-kva.example"]


async def test_it_is_sent_in_the_name_of_an_organization(tmp_path: Path, mailbox: Mailbox) -> None:
    assert (await run(tmp_path, "org", "create", "Praxis Müller")).returncode == 0
    asked = ("mail", "test", "jane@example.com", "--org")
    done = await run(tmp_path, *asked, "praxis-muller", smtp_port=mailbox.port)
    assert (done.returncode, done.stderr) == (0, "")
    assert mailbox.received[0].message["From"].addresses[0].display_name == "Praxis Müller"
    done = await run(tmp_path, *asked, "nobody", smtp_port=mailbox.port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "kalends: There is no organization with the id or slug 'nobody'.\n"


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["people", "json"])
async def test_what_is_wrong_is_one_line(tmp_path: Path, mailbox: Mailbox, options: list[str]) -> None:
    secret = {"smtp_user": "clinic", "smtp_password": "hunter2"}
    port, closed = mailbox.port, free_port()
    for address, settings, words in (
        ("jane@example.com", {"smtp_port": closed}, f"127.0.0.1:{closed} refuses the connection"),
        ("jane@example.com", {"smtp_port": port, "smtp_host": "mail.invalid"}, "its name is unknown"),
        ("jane@example.com", {"smtp_port": port, "smtp_tls": "starttls"}, "KALENDS_SMTP_TLS"),
        ("jane@example.com", {"smtp_port": port, **secret}, "KALENDS_SMTP_USER"),
        ("jane", {"smtp_port": port}, "'jane' is not an e-mail address"),
        ("jane@example.com", {"smtp_host": ""}, "set KALENDS_SMTP_HOST"),
        ("jane@example.com", {"smtp_port": port, "smtp_from": "clinic"}, "KALENDS_SMTP_FROM must be"),
    ):
        done = await run(tmp_path, "mail", "test", address, *options, **settings)
        assert (done.returncode, done.stdout) == (1, "")
        [line] = done.stderr.splitlines()
        assert words in line
        assert "hunter2" not in line
    assert mailbox.received == []
    mailbox.refusals.append("550 no such mailbox")
    done = await run(tmp_path, "mail", "test", "jane@example.com", *options, smtp_port=port)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert "550 no such mailbox" in line
