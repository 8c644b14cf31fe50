"""What was typed into a form that can't be accepted at the moment: nobody has to type it again."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from kalends.core.errors import Refusal
from kalends.web.forms import form_of
from kalends.web.guard import is_ours

_LARGEST = 64 * 1024
"""No larger form is accepted (`BODY_LIMIT`), so none is kept."""


class KeptForm:
    """The body of a request, which is read by others, and read to its end here if they have not done so."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self._body = b""
        self._has_ended = False

    async def receive(self) -> Message:
        """Pass on a message, and keep what it brings of the body."""
        message = await self._receive()
        if message["type"] == "http.request" and not self._has_ended:
            self._body += message.get("body", b"")
            self._has_ended = not message.get("more_body", False)
        else:
            self._has_ended = True
        return message

    async def fields(self) -> Sequence[tuple[str, str]]:
        """Return the names and values of the form's fields; none for what is no form of our own pages. (If a
        form of another site's was shown again, its reader might send it from here by mistake.)"""
        if self._scope["method"] != "POST" or not is_ours(self._scope):
            return ()
        while not self._has_ended and len(self._body) <= _LARGEST:
            await self.receive()
        if len(self._body) > _LARGEST:
            return ()
        try:
            form = await form_of(Request(self._scope, self._again))
        except Refusal:
            return ()
        return [(name, value) for name, values in form.fields.items() for value in values]

    async def _again(self) -> Message:
        return {"type": "http.request", "body": self._body, "more_body": False}
