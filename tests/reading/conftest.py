"""A server of other people's calendars, and who reads them."""

from collections.abc import AsyncIterator

import pytest

from kalends.reading.fetching import Reader
from tests.support.receiver import Receiver


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    server = await Receiver().open()
    yield server
    await server.close()


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    reader = Reader(allow_private=True, timeout_seconds=20)
    yield reader
    await reader.close()
