"""Where webhooks and mails of a measurement go: everything is accepted at once. Prints its two ports."""

import asyncio

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session


class _Accepting:
    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        return "250 OK"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


async def main() -> None:
    loop = asyncio.get_running_loop()
    hooks = await asyncio.start_server(_answer, "127.0.0.1", 0)
    mails = await loop.create_server(lambda: SMTP(_Accepting(), hostname="sink"), "127.0.0.1", 0)
    print(*(server.sockets[0].getsockname()[1] for server in (hooks, mails)), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
