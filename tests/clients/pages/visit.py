"""Visits the pages of an installed Kalends in a real browser, as a client who books, moves and cancels.
Nothing is asked of another server, and the browser complains of nothing. Usage: visit.py COMMAND.
Without a browser it is skipped, except where CI is set."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.support.browser import Visitor, launched, program, visiting


async def book(visitor: Visitor) -> None:
    """Book what is offered first, move it, and cancel it."""
    page = visitor.page
    await visitor.go("/demo")
    await page.locator("main ul a").first.click()
    await page.locator("button[name=start]").first.click()
    await page.locator("[name=name]").fill("Jane Doe")
    await page.locator("[name=email]").fill("jane@example.com")
    await page.wait_for_timeout(2500)  # programs are faster than people, and are asked to try again
    await page.locator("form#details button:not([formaction])").click()
    await page.wait_for_url("**/manage/*booked=1")
    await page.locator("a[href*='/move']").click()
    await page.locator("button[name=start]").first.click()
    await page.wait_for_url("**/manage/*moved=1")
    await page.locator("a[href*='/cancel']").click()
    await page.locator("main form button").click()
    await page.locator("[data-state=cancelled]").wait_for()


async def visit(url: str) -> None:
    """Raise AssertionError if something was asked of another server."""
    async with launched() as browser, visiting(browser, url) as visit:
        visitor = await visit()
        await book(visitor)
        foreign = [each for each in visitor.requests if not each.startswith(f"{url}/")]
        assert not foreign, foreign
        print(f"pages: {len(visitor.requests)} requests, all of them to {url}")


def wait_for(url: str) -> None:
    """Wait until a server answers. Raises OSError if it does not."""
    for _ in range(150):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=5):
            return
        time.sleep(0.1)
    raise OSError(f"{url} does not answer")


def main(kalends: str) -> None:
    """Serve the demo, and visit it."""
    try:
        program()
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        if os.environ.get("CI"):
            sys.exit(f"pages: {missing}")
        print(f"pages: SKIPPED. Nobody has visited the installed pages: {missing}", file=sys.stderr)
        return
    command = [kalends, "serve", "--demo", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]
            wait_for(url)
            asyncio.run(visit(url))
        finally:
            server.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:])
