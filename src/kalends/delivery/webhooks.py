"""Posting a webhook: what is sent, how it is signed, and what became of it."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import httpx
from standardwebhooks import Webhook

from kalends.core.messages import Message, Outcome
from kalends.core.webhook_secrets import signing_key
from kalends.network import PrivateAddressError, client, retry_after

TIMEOUT_SECONDS = 15
"""How long one attempt may take in all, from the name to the end of what is read of the answer."""
KEPT_OF_ANSWER = 1_024


class Poster:
    """Posts webhooks over connections that are kept open."""

    def __init__(self, *, allow_private: bool, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        self._client = client(allow_private=allow_private, timeout_seconds=timeout_seconds)

    async def post(self, url: str, secrets: Sequence[str], message: Message, now: datetime) -> Outcome:
        """Make one attempt. Returns its outcome, whatever happens."""
        began = time.perf_counter()

        def outcome(**what: Any) -> Outcome:
            return Outcome(latency_ms=round((time.perf_counter() - began) * 1000), **what)

        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._client.stream(
                    "POST", url, content=message.body, headers=headers(secrets, message, now)
                ) as answer,
            ):
                return outcome(
                    code=answer.status_code,
                    answer=await _beginning(answer),
                    retry_after=retry_after(answer.headers.get("retry-after"), now),
                )
        except TimeoutError:
            return outcome(error=f"no answer within {self._timeout_seconds} seconds")
        except PrivateAddressError as error:
            return outcome(error=str(error))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError) as error:
            return outcome(error=" ".join(f"{type(error).__name__}: {error}".split())[:300])

    async def close(self) -> None:
        await self._client.aclose()


def headers(secrets: Sequence[str], message: Message, now: datetime) -> dict[str, str]:
    """Return the headers with the documented signature and those of Standard Webhooks 1.0: one for each
    valid secret, the newest first. The documented header has room for one: the newest secret's."""
    signed = [
        Webhook(signing_key(secret)).sign(msg_id=message.event_id, timestamp=now, data=message.body.decode())
        for secret in secrets
    ]
    documented = hmac.new(secrets[0].encode(), message.body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "User-Agent": "Kalends",
        "X-Webhook-Signature": f"sha256={documented}",
        "webhook-id": message.event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signed),
    }


async def _beginning(answer: httpx.Response) -> str:
    """Return the beginning of an answer. Bytes that are no text are replaced."""
    read = b""
    async for chunk in answer.aiter_raw():
        read += chunk
        if len(read) >= KEPT_OF_ANSWER:
            break
    return read[:KEPT_OF_ANSWER].decode(errors="replace")
