"""A real browser: Debian's Chromium without a window, which visits a real server as somebody would. Whatever
it complains about, such as a script that fails or something that the policy of a page forbids, fails the
test."""

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Error, Page, Response, async_playwright, expect
from starlette.types import ASGIApp

from kalends.door.connection import Connection
from kalends.door.places import Door, Limits

PROGRAM = "chromium-headless-shell"
SETTING = "KALENDS_TEST_BROWSER"
PATIENCE_MS = 10_000
"""How long the browser waits for what is to come. Nothing here takes as long."""
PHONE = {"width": 320, "height": 640}
LARGE_PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_ANSWERED = "Failed to load resource: the server responded with a status of"
"""What the browser says of a page that is a refusal. That is no fault of the page."""
_NOT_ANIMATED = "Transition was"
"""How the browser's complaint begins if it shows the next page at once, as it may."""

Visit = Callable[..., Awaitable["Visitor"]]
"""Opens a window for somebody, with `locale`, `timezone_id`, `java_script_enabled`, `viewport`,
`color_scheme` and the other options of Playwright's `new_context`."""


def program() -> str:
    """Return where the browser is. Skips the test if there is none; where CI is set, it fails."""
    found = os.environ.get(SETTING) or shutil.which(PROGRAM)
    if found is None:
        sentence = f"there is no browser: apt-get install {PROGRAM}, or set {SETTING} to the path of Chromium"
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    return found


@contextlib.asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """A browser for the length of a block. As root, Chromium has no sandbox."""
    path = program()
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the tests."""
        yield


@contextlib.asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """A server of a running application on a free port, in this loop, with Kalends' own connections, for the
    length of a block. Yields its address."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        http=partial(Connection, Door(Limits())),  # type: ignore[arg-type]  # uvicorn only calls it
        timeout_graceful_shutdown=1,
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = _Uvicorn(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@dataclass
class Visitor:
    """Somebody at a window of the browser, and what went wrong there."""

    page: Page
    base: str
    """The address of the server."""
    troubles: list[str] = field(default_factory=list)
    """What the browser complained about."""
    requests: list[str] = field(default_factory=list)
    """Everything that the pages asked for, in order."""
    kept: int = 0
    """How much of it the browser had already."""

    @property
    def asked(self) -> int:
        """How often the server was asked."""
        return len(self.requests) - self.kept

    async def listen(self) -> None:
        """Note from now on what goes wrong, and what is asked for."""
        network = await self.page.context.new_cdp_session(self.page)
        network.on("Network.requestServedFromCache", lambda _: self._keep(cached=True))
        network.on(
            "Network.responseReceived", lambda sent: self._keep(cached=sent["response"]["fromDiskCache"])
        )
        await network.send("Network.enable")
        self.page.on("console", self._hear)
        self.page.on("pageerror", self._see)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _keep(self, *, cached: bool) -> None:
        self.kept += cached

    def _see(self, error: Error) -> None:
        if not str(error).startswith(_NOT_ANIMATED):
            self.troubles.append(f"error: {error}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_ANSWERED):
            self.troubles.append(f"{message.type}: {message.text}")

    async def go(self, path: str) -> Response:
        """Open a page of the server, by its path."""
        response = await self.page.goto(f"{self.base}{path}")
        assert response is not None
        return response

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            await self.page.keyboard.press(key)

    async def focused(self) -> str:
        """Return the text of what has the focus, or its label."""
        return str(
            await self.page.evaluate(
                "() => { const it = document.activeElement;"
                " return (it.getAttribute('aria-label') || it.labels?.[0]?.innerText || it.innerText || '')"
                ".trim() }"
            )
        )

    async def is_too_wide(self) -> bool:
        """Return whether the page has to be scrolled sideways."""
        return bool(
            await self.page.evaluate(
                "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
        )

    async def violations(self) -> list[str]:
        """Return what axe finds wrong with the page as it is now (WCAG 2.2 AA, and best practices)."""
        options = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
        results = await Axe().run(self.page, options=options)
        return [
            f"{each['id']}: {node['html'][:200]}"
            for each in results.response["violations"]
            for node in each["nodes"]
        ]


@contextlib.asynccontextmanager
async def visiting(browser: Browser, base: str) -> AsyncIterator[Visit]:
    """Yields what opens windows, each with nothing of the others, at the server at `base`. At the end of the
    block nothing may have gone wrong in any of them."""
    visitors: list[Visitor] = []
    async with contextlib.AsyncExitStack() as closing:

        async def visit(**options: Any) -> Visitor:
            # Pages do not fade into each other: a busy Chromium gives that up, and complains of it.
            usual = {"locale": "en-GB", "timezone_id": "UTC", "viewport": DESK}
            chosen = usual | {"reduced_motion": "reduce"} | options
            context = await browser.new_context(**chosen)
            closing.push_async_callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            visitor = Visitor(await context.new_page(), base)
            await visitor.listen()
            visitors.append(visitor)
            return visitor

        yield visit
    if troubles := [trouble for visitor in visitors for trouble in visitor.troubles]:
        raise AssertionError("\n".join(troubles))
