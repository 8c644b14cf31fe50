"""A real mail server: it keeps what it receives, and refuses what it is told to refuse."""

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True)
class Received:
    """A mail as it arrived: the envelope, and every byte of it."""

    sender: str
    recipients: list[str]
    content: bytes
    secure: bool

    @property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.content, policy=default)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    def part(self, kind: str) -> str:
        """The text of its part of a kind, such as text/html."""
        [part] = [part for part in self.message.walk() if part.get_content_type() == kind]
        return str(part.get_content()).replace("\r\n", "\n")

    @property
    def calendar(self) -> bytes:
        """The calendar part, byte for byte."""
        [part] = [part for part in self.message.walk() if part.get_content_type() == "text/calendar"]
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        return content


class Mailbox:
    """A server on a port of 127.0.0.1, which it keeps when it is closed and opened again."""

    def __init__(self, **options: Any) -> None:
        self.received: list[Received] = []
        self.refusals: deque[str] = deque()
        """What the next recipients are answered instead of 250, one after the other; "" is a 250."""
        self.refusals_of_data: deque[str] = deque()
        """The same, after the mail itself."""
        self.unreachable: set[str] = set()
        """Recipients that are answered 451 instead of 250."""
        self.hesitation = 0.0
        """How many seconds it takes to accept a mail."""
        self.tried = 0
        self.logins: list[tuple[str, str]] = []
        self.port = 0
        self._tls: ssl.SSLContext | None = options.pop("tls", None)
        self._options = options
        self._sessions: list[SMTP] = []
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            self._session, "127.0.0.1", self.port, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening, and break every connection."""
        if self._server is not None:
            self._server.close()
            for session in self._sessions:
                if session.transport is not None:
                    session.transport.close()
            self._sessions.clear()
            await self._server.wait_closed()
            self._server = None

    async def handle_RCPT(  # noqa: N802 - its name is the library's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.tried += 1
        if self.refusals and (refusal := self.refusals.popleft()):
            return refusal
        if address in self.unreachable:
            return "451 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.hesitation:
            await asyncio.sleep(self.hesitation)
        if self.refusals_of_data and (refusal := self.refusals_of_data.popleft()):
            return refusal
        assert isinstance(envelope.content, bytes)
        secure = self._tls is not None or session.ssl is not None
        self.received.append(
            Received(str(envelope.mail_from), list(envelope.rcpt_tos), envelope.content, secure)
        )
        return "250 kept"

    def login(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, said: Any
    ) -> AuthResult:
        """Note who logs in; the password must be `secret`."""
        assert isinstance(said, LoginPassword)
        self.logins.append((said.login.decode(), said.password.decode()))
        return AuthResult(success=said.password == b"secret", handled=False)

    def _session(self) -> SMTP:
        session = SMTP(
            self,
            hostname="mail.test",
            loop=asyncio.get_running_loop(),
            authenticator=self.login,
            **self._options,
        )
        self._sessions.append(session)
        return session
