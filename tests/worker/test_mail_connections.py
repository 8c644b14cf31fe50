"""How the connection to the mail server is made."""

from pathlib import Path
from typing import Any

import pytest
import trustme

from kalends.core.messages import Outcome
from kalends.delivery.mail import Postman
from kalends.settings import Settings
from tests.support.certificates import certified
from tests.support.letters import NOON, SENDER, letter
from tests.support.mailbox import Mailbox

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever trusts whom the system trusts, trusts this authority."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


async def sent(mailbox: Mailbox, **settings: Any) -> Outcome:
    """What becomes of a mail by a postman with these settings."""
    await mailbox.open()
    postman = Postman(Settings(smtp_host="127.0.0.1", smtp_port=mailbox.port, smtp_from=SENDER, **settings))
    try:
        outcome = await postman.send(letter(), NOON)
    finally:
        await postman.close()
        await mailbox.close()
    assert outcome is not None
    return outcome


async def test_starttls_is_the_default(authority: trustme.CA, trusted: None) -> None:
    mailbox = Mailbox(tls_context=certified(authority), require_starttls=True)
    assert (await sent(mailbox)).succeeded
    assert [mail.secure for mail in mailbox.received] == [True]


async def test_tls_from_the_start(authority: trustme.CA, trusted: None) -> None:
    mailbox = Mailbox(tls=certified(authority))
    assert (await sent(mailbox, smtp_tls="tls")).succeeded
    assert [mail.secure for mail in mailbox.received] == [True]


async def test_none_means_none_though_the_server_offers_it(authority: trustme.CA) -> None:
    mailbox = Mailbox(tls_context=certified(authority))
    assert (await sent(mailbox, smtp_tls="none")).succeeded
    assert [mail.secure for mail in mailbox.received] == [False]


@pytest.mark.parametrize("problem", ["not offered", "not trusted", "another name"])
async def test_nothing_is_sent_where_the_connection_can_not_be_secured(
    authority: trustme.CA, trusted: None, problem: str
) -> None:
    mailbox = {
        "not offered": lambda: Mailbox(),
        "not trusted": lambda: Mailbox(tls_context=certified(trustme.CA())),
        "another name": lambda: Mailbox(tls_context=certified(authority, "mail.example")),
    }[problem]()
    outcome = await sent(mailbox)
    assert (outcome.succeeded, outcome.final) == (False, False)  # whoever runs it can put it right
    assert outcome.error
    assert mailbox.received == []


async def test_user_and_password(authority: trustme.CA, trusted: None) -> None:
    demanding = {"tls_context": certified(authority), "require_starttls": True, "auth_required": True}
    mailbox = Mailbox(**demanding)
    assert (await sent(mailbox, smtp_user="kalends", smtp_password="secret")).succeeded
    assert mailbox.logins == [("kalends", "secret")]
    mailbox = Mailbox(**demanding)
    outcome = await sent(mailbox, smtp_user="kalends", smtp_password="wrong")
    assert (outcome.code, outcome.final) == (535, False)
    assert mailbox.received == []
