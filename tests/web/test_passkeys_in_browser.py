"""Passkeys in a real browser, with a device that is made for tests."""

import pytest
from fastapi import FastAPI

from tests.support.browser import Visit, Visitor
from tests.support.databases import on_sqlite
from tests.support.desk import open_desk
from tests.web.staff import entry_to

pytestmark = [pytest.mark.anyio, on_sqlite]


async def with_device(visitor: Visitor) -> None:
    """Give a window of the browser a device that keeps passkeys, at an address where they are good."""
    visitor.base = visitor.base.replace("127.0.0.1", "localhost")
    device = await visitor.page.context.new_cdp_session(visitor.page)
    await device.send("WebAuthn.enable")
    kind = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
    able = {"hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True}
    await device.send("WebAuthn.addVirtualAuthenticator", {"options": kind | able})


@pytest.mark.slow
@pytest.mark.parametrize("is_old", [False, True])
async def test_a_passkey_is_added_and_signs_in(visit: Visit, app: FastAPI, *, is_old: bool) -> None:
    """Old browsers can't read and write what pages and servers tell each other of passkeys."""
    desk = await open_desk(app)
    ana = await visit()
    await with_device(ana)
    if is_old:
        await ana.page.add_init_script(
            "for (const each of ['parseCreationOptionsFromJSON', 'parseRequestOptionsFromJSON'])"
            " delete PublicKeyCredential[each];"
            "delete PublicKeyCredential.prototype.toJSON;"
        )
    await ana.go(await entry_to(desk, "admin"))
    await ana.page.get_by_role("button", name="Sign in").click()
    await ana.page.wait_for_url("**/staff/me?first=1")
    assert not await ana.page.get_by_text("This browser can add none here").count()
    assert not await ana.violations()
    for added in range(2):
        await ana.page.get_by_label("Name of the device").fill("Laptop")
        await ana.page.get_by_role("button", name="Add a passkey").click()
        if not added:
            await ana.page.wait_for_url("**/staff/me?saved=1")
            await ana.page.get_by_text("not used yet").wait_for()
    await ana.page.get_by_text("This device has a passkey of yours already.").wait_for()
    await ana.page.get_by_role("button", name="Sign out", exact=True).click()
    await ana.page.wait_for_url("**/staff/sign-in")
    assert not await ana.violations()
    await ana.page.get_by_role("button", name="Sign in with a passkey").click()
    await ana.page.wait_for_url("**/staff/day/*")
    await ana.go("/staff/me")
    await ana.page.get_by_text("last used").first.wait_for()
    await ana.page.get_by_role("link", name="Remove this passkey").click()
    await ana.page.get_by_role("button", name="Remove this passkey").click()
    await ana.page.wait_for_url("**/staff/me?saved=1")
    await ana.page.get_by_role("button", name="Sign out", exact=True).click()
    await ana.page.get_by_role("button", name="Sign in with a passkey").click()
    await ana.page.get_by_text("This passkey does not work here, or no longer.").wait_for()
    # Where passkeys are not good, none is offered.
    ana.base = ana.base.replace("localhost", "127.0.0.1")
    await ana.go("/staff/sign-in")
    assert not await ana.page.get_by_role("button", name="Sign in with a passkey").count()
