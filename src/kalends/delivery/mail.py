"""Sending mails by SMTP."""

import asyncio
import time
from datetime import datetime
from email.message import EmailMessage
from typing import Any

import aiosmtplib

from kalends.core.messages import Outcome
from kalends.delivery import invitations, letters
from kalends.delivery.envelopes import trial
from kalends.delivery.mail_troubles import trouble_with, without_addresses
from kalends.delivery.mailboxes import deliverable, in_ascii
from kalends.schemas.letters import Invitation, Letter
from kalends.settings import Settings
from kalends.telemetry import Outage, defect

TIMEOUT_SECONDS = 15
"""How long the server may take for one answer."""
ATTEMPT_SECONDS = 25
"""How long an attempt may take in all."""
_IDLE_SECONDS = 30
"""Servers close connections that are idle for long, so we close them first."""


class Postman:
    """Sends mails over one connection to the configured server, one after the other."""

    def __init__(self, settings: Settings, *, attempt_seconds: float = ATTEMPT_SECONDS) -> None:
        self._settings = settings
        self._attempt_seconds = attempt_seconds
        self._outage = Outage("mails are not sent", "mails are sent again")
        self._sender = in_ascii(settings.smtp_from)
        self._base = settings.public_url
        self._options: dict[str, Any] = {
            "hostname": settings.smtp_host,
            "port": settings.smtp_port,
            "username": settings.smtp_user or None,
            "password": settings.smtp_password.get_secret_value() or None,
            "use_tls": settings.smtp_tls == "tls",
            "start_tls": settings.smtp_tls == "starttls",
            "timeout": TIMEOUT_SECONDS,
        }
        self._smtp: aiosmtplib.SMTP | None = None
        self._last = 0.0
        self._turn = asyncio.Lock()

    async def send(
        self, letter: Letter | Invitation, now: datetime, patience: float = TIMEOUT_SECONDS
    ) -> Outcome | None:
        """Make one attempt. Returns its outcome, whatever happens, which is final if the server refuses for
        good; None if its turn did not come within `patience` seconds."""
        try:
            async with asyncio.timeout(patience):
                await self._turn.acquire()
        except TimeoutError:
            return None
        try:
            return await self._attempt(letter, now)
        finally:
            self._turn.release()

    async def try_out(self, address: str, host: str, now: datetime) -> Outcome:
        """Send a test mail as all others are sent. Raises ValueError if the address is none."""
        return await self._deliver(trial(address, host, self._sender, now), address)

    async def close(self) -> None:
        await self._hang_up()

    async def _attempt(self, letter: Letter | Invitation, now: datetime) -> Outcome:
        try:
            if isinstance(letter, Invitation):
                mail = invitations.written(letter, self._sender, now, self._base)
            else:
                mail = letters.written(letter, self._sender, now, self._base)
        except Exception as error:  # noqa: BLE001 - whatever it is, other mails must not wait behind it
            defect(event_id=letter.id)
            return Outcome(0, error=f"the mail could not be written: {type(error).__name__}", final=True)
        outcome = await self._deliver(mail, letter.address)
        if outcome.trouble is not None:
            self._outage.fails(
                outcome.trouble, answer=without_addresses(outcome.answer or outcome.error or "")
            )
        else:
            self._outage.works()
        return outcome

    async def _deliver(self, mail: EmailMessage, address: str) -> Outcome:
        """Hand a mail over. Returns the outcome, whatever the server does."""
        began = time.perf_counter()

        def outcome(**what: Any) -> Outcome:
            return Outcome(latency_ms=round((time.perf_counter() - began) * 1000), **what)

        try:
            async with asyncio.timeout(self._attempt_seconds):
                return outcome(code=250, answer=await self._hand_over(mail, address))
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused, trouble = error.recipients[0], trouble_with(error, self._settings)
            final = refused.code >= 500 and trouble is None
            return outcome(code=refused.code, answer=refused.message[:1_024], final=final, trouble=trouble)
        except aiosmtplib.SMTPResponseException as error:
            # What is wrong with the mail stays wrong. What is wrong with our settings will be mended.
            final = error.code >= 500 and isinstance(error, aiosmtplib.SMTPDataError)
            trouble = trouble_with(error, self._settings)
            return outcome(code=error.code, answer=error.message[:1_024], final=final, trouble=trouble)
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            # The server can't spell this address the next time, either.
            final = isinstance(error, aiosmtplib.SMTPNotSupported)
            sentence = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            return outcome(error=sentence, final=final, trouble=trouble_with(error, self._settings))

    async def _hand_over(self, mail: EmailMessage, address: str) -> str:
        """Send a mail. The caller has the turn."""
        if self._smtp is None or time.monotonic() - self._last > _IDLE_SECONDS:
            await self._hang_up()
            self._smtp = aiosmtplib.SMTP(**self._options)
        smtp = self._smtp
        try:
            if not smtp.is_connected:
                await smtp.connect()
            _, answer = await smtp.send_message(mail, sender=self._sender, recipients=[deliverable(address)])
        except BaseException as error:
            if not isinstance(error, aiosmtplib.SMTPRecipientsRefused):
                await self._hang_up()
            raise
        self._last = time.monotonic()
        return answer[:1_024]

    async def _hang_up(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()
