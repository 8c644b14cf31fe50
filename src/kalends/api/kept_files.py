"""Files that take long to write, kept for the next request."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from kalends.shares import Share

MOST_BYTES = 32 * 1024 * 1024


class KeptFiles:
    """The files used last, by their tags, in the memory of this process. The files of an organization are
    written one at a time, and each once for all requests that wait for it."""

    def __init__(self, turn: Share, *, most_bytes: int = MOST_BYTES) -> None:
        """A file is written within the `turn`."""
        self._turn = turn
        self._most_bytes = most_bytes
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    async def get(
        self, org_id: str, tag: str, write: Callable[[], Awaitable[tuple[str, bytes]]]
    ) -> tuple[str, bytes]:
        """Return an organization's file with this tag and the tag, or have it written: then the tag may be a
        newer one.

        Raises Unavailable if too many files wait to be written.
        """
        if (known := self._known(tag)) is not None:
            return tag, known
        async with self._turn.of(org_id):
            if (known := self._known(tag)) is not None:
                return tag, known
            tag, content = await write()
            self._keep(tag, content)
            return tag, content

    def _known(self, tag: str) -> bytes | None:
        if (content := self._files.get(tag)) is not None:
            self._files.move_to_end(tag)
        return content

    def _keep(self, tag: str, content: bytes) -> None:
        self._bytes += len(content) - len(self._files.get(tag, b""))
        self._files[tag] = content
        while self._bytes > self._most_bytes:
            _, oldest = self._files.popitem(last=False)
            self._bytes -= len(oldest)
