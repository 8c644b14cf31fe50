"""Sending mails by SMTP."""

import asyncio
import time
from datetime import datetime
from email.message import EmailMessage
from typing import Any

import aiosmtplib

from kalends.core.messages import Outcome
from kalends.delivery.letters import written
from kalends.schemas.letters import Letter
from kalends.settings import Settings

TIMEOUT_SECONDS = 15
_IDLE_SECONDS = 30
"""Servers hang up on connections that say nothing for long, so it is done first."""


class Postman:
    """Sends mails over one connection to the configured server, one after the other."""

    def __init__(self, settings: Settings) -> None:
        self._sender = settings.smtp_from
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

    async def send(self, letter: Letter, now: datetime) -> Outcome:
        """Make one attempt; whatever happens is an outcome. What the server refuses for good is final."""
        began = time.perf_counter()

        def outcome(**what: Any) -> Outcome:
            return Outcome(latency_ms=round((time.perf_counter() - began) * 1000), **what)

        try:
            mail = written(letter, self._sender, now, self._base)
        except ValueError as error:  # an address that can't stand in a header
            return outcome(error=f"the mail could not be written: {error}"[:300], final=True)
        try:
            async with asyncio.timeout(2 * TIMEOUT_SECONDS - 5), self._turn:
                return outcome(code=250, answer=await self._hand_over(mail))
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            return outcome(code=refused.code, answer=refused.message[:1_024], final=refused.code >= 500)
        except aiosmtplib.SMTPResponseException as error:
            await self._hang_up()
            final = error.code >= 500 and not isinstance(error, aiosmtplib.SMTPAuthenticationError)
            return outcome(code=error.code, answer=error.message[:1_024], final=final)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            await self._hang_up()
            return outcome(error=" ".join(f"{type(error).__name__}: {error}".split())[:300])

    async def close(self) -> None:
        await self._hang_up()

    async def _hand_over(self, mail: EmailMessage) -> str:
        if self._smtp is None or time.monotonic() - self._last > _IDLE_SECONDS:
            await self._hang_up()
            self._smtp = aiosmtplib.SMTP(**self._options)
            await self._smtp.connect()
        _, answer = await self._smtp.send_message(mail)
        self._last = time.monotonic()
        return answer[:1_024]

    async def _hang_up(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()
