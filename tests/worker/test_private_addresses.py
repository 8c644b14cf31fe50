"""Deliveries reach no private address and go through no proxy."""

import socket
from collections.abc import AsyncIterator
from typing import Any

import httpcore
import pytest

from kalends.delivery.webhooks import Poster
from tests.support.receiver import Receiver
from tests.worker.webhook_desk import WebhookDesk

pytestmark = pytest.mark.anyio


class Names:
    """What a name resolves to: each time the next of its answers, and the last one from then on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []
        system = socket.getaddrinfo

        def resolve(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            self.asked.append(name)
            answers = self.known.get(name, [[name]])
            found = answers.pop(0) if len(answers) > 1 else answers[0]
            named["flags"] = socket.AI_NUMERICHOST
            return [each for address in found for each in system(address, port, *rest[:3], **named)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that connections are made to. Those beyond this machine are not there."""
    made: list[str] = []
    connect = httpcore.AnyIOBackend.connect_tcp

    async def note(self: Any, host: str, *args: Any, **kw: Any) -> Any:
        made.append(host)
        if not host.startswith("127.") and host != "::1":
            raise httpcore.ConnectError("nobody is there")
        return await connect(self, host, *args, **kw)

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", note)
    return made


@pytest.fixture
async def careful(desk: WebhookDesk) -> AsyncIterator[WebhookDesk]:
    """A desk whose poster lets nothing through to private addresses."""
    poster = Poster(allow_private=False)
    desk.worker = desk.another(poster=poster)
    yield desk
    await poster.close()


async def test_a_name_that_leads_elsewhere_the_second_time_gains_nothing(
    careful: WebhookDesk, names: Names, connected: list[str]
) -> None:
    names.known = {"hook.example": [["93.184.216.34"], ["127.0.0.1"]]}
    hook = await careful.hook(url=f"http://hook.example:{careful.receiver.port}/")
    [event] = await careful.happen()
    await careful.turn()
    # It connects to the very address that was checked, and does not ask again.
    assert connected == ["93.184.216.34"]
    assert names.asked == ["hook.example"]
    assert "nobody is there" in str((await careful.only(hook)).error)
    careful.clock.forward(seconds=5)
    await careful.turn()
    delivery = await careful.only(hook)
    assert (delivery.attempts, delivery.event_id) == (2, event)
    assert delivery.error == "hook.example leads to a private address"
    assert connected == ["93.184.216.34"]
    assert careful.receiver.connections == 0


async def test_of_several_addresses_only_public_ones_are_tried(
    careful: WebhookDesk, names: Names, connected: list[str]
) -> None:
    names.known = {"hook.example": [["127.0.0.1", "93.184.216.34", "10.0.0.1", "2606:2800:220:1::1", "::1"]]}
    await careful.hook(url=f"http://hook.example:{careful.receiver.port}/")
    await careful.happen()
    await careful.turn()
    assert connected == ["93.184.216.34", "2606:2800:220:1::1"]
    assert careful.receiver.connections == 0


async def test_every_connection_is_guarded_however_the_address_is_spelled(
    careful: WebhookDesk, names: Names, connected: list[str]
) -> None:
    names.known = {"localhost": [["127.0.0.1"]], "mapped.example": [["::ffff:127.0.0.1"]]}
    hosts = ["127.0.0.1", "localhost", "LOCALHOST.", "mapped.example", "10.0.0.1", "169.254.169.254"]
    hosts += ["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]"]
    hooks = {
        f"{scheme}://{host}": await careful.hook(url=f"{scheme}://{host}:{careful.receiver.port}/{number}")
        for number, host in enumerate(hosts)
        for scheme in ("http", "https")
    }
    await careful.happen()
    await careful.turn()
    for url, hook in hooks.items():
        delivery = await careful.only(hook)
        assert (delivery.status, delivery.attempts, delivery.answer_code) == ("pending", 1, None), url
        assert delivery.error is not None, url
        assert delivery.error.endswith("leads to a private address"), url
    assert connected == []
    assert careful.receiver.connections == 0


async def test_a_proxy_of_the_environment_is_not_used(
    desk: WebhookDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Receiver() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        poster = Poster(allow_private=True)
        desk.worker = desk.another(poster=poster)
        await desk.hook()
        await desk.happen()
        assert await desk.turn() == 1
        assert proxy.connections == 0
        await poster.close()
