"""Photograph every page of the demo at 320 and 1280 pixels, light and dark, into docs/screenshots/.

    .venv/bin/python docs/screenshots.py [--readme]

With --readme, it only makes docs/booking-page.png. It needs Debian's chromium-headless-shell, or another
Chromium that KALENDS_TEST_BROWSER names.
"""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
FOLDER = HERE / "screenshots"
PICTURE = HERE / "booking-page.png"
WIDTHS = (320, 1280)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
NO_ROBOT_SECONDS = 2.5
"""Who fills in the form faster is asked once more."""


@contextlib.contextmanager
def demo() -> Iterator[str]:
    """Serve the demo for the length of a block. Yields its address."""
    command = [str(Path(sys.executable).with_name("kalends")), "serve", "--demo", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:  # noqa: S603 - our own
        assert server.stdout is not None
        try:
            base = json.loads(server.stdout.readline())["url"]
            _wait_for(base)
            yield base
        finally:
            server.terminate()


def _wait_for(base: str) -> None:
    """Wait until the server answers, for half a minute at most."""
    for _ in range(300):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{base}/readyz").is_success:
                return
        time.sleep(0.1)
    sys.exit("The demo did not get ready.")


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    path = os.environ.get("KALENDS_TEST_BROWSER") or shutil.which("chromium-headless-shell")
    if path is None:
        sys.exit("There is no browser: apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tour:
    """A visit to every page, with a look of one width and scheme."""

    def __init__(
        self, browser: Browser, base: str, site: str, width: int, scheme: Literal["light", "dark"]
    ) -> None:
        self.base, self.site, self.look = base, site, f"{width}-{scheme}"
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            locale="en-GB",
            timezone_id="Europe/Berlin",
            reduced_motion="reduce",
        )
        self.page: Page = context.new_page()
        self.page.set_default_timeout(15_000)

    def shoot(self, name: str) -> None:
        """Photograph the page as it is, as long as it is."""
        self.page.wait_for_load_state("networkidle")
        self.page.screenshot(path=FOLDER / f"{name}-{self.look}.png", full_page=True)

    def go(self, path: str, name: str) -> None:
        self.page.goto(self.base + path)
        self.shoot(name)

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()

    def look_around(self) -> None:
        self.go("/demo", "services")
        self.page.locator(".languages summary").click()
        self.shoot("languages")
        self.go("/demo/tax-consultation", "month")
        self.go("/demo/first-meeting", "month-with-people")
        self.go("/demo/first-meeting?lang=de&clock=12", "month-in-german")
        self.go("/demo/first-meeting/zone", "zone")
        self.go("/demo/tax-consultation?month=2001-01", "month-without-times")
        self.go("/demo/hold/hold_unknown", "hold-gone")
        self.go("/demo/nothing", "nothing")

    def book(self) -> None:
        """Book with every kind of field, and first send the form half empty."""
        page = self.page
        page.goto(f"{self.base}/demo/first-meeting?zone=Europe/Berlin")
        page.locator("button[name=start]").first.click()
        page.get_by_label("Name").wait_for()
        self.shoot("details")
        page.get_by_label("Phone").fill("call me")
        page.locator("form").evaluate_all("forms => forms.forEach((each) => { each.noValidate = true; })")
        page.wait_for_timeout(NO_ROBOT_SECONDS * 1000)
        self.press("Book")
        page.locator("#alert").wait_for()
        self.shoot("details-wrong")
        page.get_by_label("Name").fill("Jane Doe")
        page.get_by_label("Phone").fill("+44 20 7946 0001")
        page.get_by_label("What is it about?").select_option("Income")
        self.press("Book")
        page.wait_for_url("**/manage/**")
        self.shoot("booked")

    def change(self) -> None:
        """Do with the appointment what clients do."""
        own = self.page.url.partition("?")[0]
        for below, name in (("move", "move"), ("details", "corrections"), ("cancel", "cancel")):
            self.page.goto(f"{own}/{below}")
            self.shoot(name)
        self.press("Cancel this appointment")
        self.page.wait_for_url("**cancelled**")
        self.shoot("cancelled")

    def elsewhere(self) -> None:
        """Show the page on a site that may, and on its button."""
        for mode in ("inline", "button"):
            self.page.goto(f"{self.site}/?{mode}")
            if mode == "button":
                self.press("Book an appointment")
            self.page.frame_locator("iframe").locator("h1").wait_for()
            self.shoot(f"embedded-{mode}")


@contextlib.contextmanager
def other_site(base: str) -> Iterator[str]:
    """Serve a site, on an origin of its own, that may show the pages of the demo, for the length of a block.
    Yields its address."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mode = self.path.partition("?")[2]
            script = f'<script src="{base}/embed.js" data-kalends="demo/tax-consultation" data-mode="{mode}">'
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>Clinic</title><h1>Clinic</h1>{script}</script>".encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://localhost:{server.server_port}"
        key, origins = {"Authorization": "Bearer vst_demo"}, {"embed_origins": [address]}
        httpx.patch(f"{base}/v1/organization", headers=key, json=origins).raise_for_status()
        yield address
        server.shutdown()


def for_readme(browser: Browser, base: str) -> None:
    """Make the one picture of the README: the next month and its first times."""
    page = browser.new_page(viewport={"width": 900, "height": 640}, locale="en-GB")
    page.goto(f"{base}/demo/tax-consultation")
    page.goto(f"{base}{page.locator('#later').get_attribute('href')}")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=PICTURE)
    size = PICTURE.stat().st_size
    assert size <= 100 * 1024, size


def main() -> None:
    with demo() as base, browsing() as browser:
        if "--readme" in sys.argv:
            for_readme(browser, base)
            return
        FOLDER.mkdir(exist_ok=True)
        with other_site(base) as site:
            for width, scheme in itertools.product(WIDTHS, SCHEMES):
                tour = Tour(browser, base, site, width, scheme)
                tour.look_around()
                tour.book()
                tour.change()
                tour.elsewhere()
                tour.page.context.close()


if __name__ == "__main__":
    main()
