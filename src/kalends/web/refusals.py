"""Refusals for people: what programs get as JSON, they get as a page."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kalends.api.members import is_for_staff
from kalends.api.paths import is_for_people
from kalends.api.trail import trail_of
from kalends.web import problems, uploads
from kalends.web.headers import is_personal
from kalends.web.kept_forms import KeptForm
from kalends.web.pages import About, render
from kalends.web.readers import Reader
from kalends.web.visits import site_of
from kalends.words.sentences import marked

_HTML = re.compile(r"(?:^|,)\s*(?:text/html|application/xhtml\+xml)\s*(?:;(?!\s*q=0(?:\.0*)?\s*(?:,|$))|,|$)")
_TITLES: Mapping[int | str, str] = {
    400: marked("This does not work"),
    401: marked("You are signed out"),
    403: marked("Not from here"),
    404: marked("There is nothing here"),
    405: marked("This does not work"),
    408: marked("That took too long"),
    409: marked("This is not possible"),
    413: marked("That is too much"),
    429: marked("Too many requests"),
    500: marked("Something went wrong"),
    503: marked("Just a moment, please"),
    "scope_missing": marked("You may not do this"),
}
"""By the code of a refusal, or else by its status."""
_SENTENCES: Mapping[int | str, str] = {
    400: marked("The address or the form has something in it that we do not understand."),
    401: marked("Please sign in once more, in another window. Then try again here."),
    403: marked("For your safety, forms are accepted only from our own pages. Please start again there."),
    404: marked("The page was moved or never existed, or the link is no longer valid."),
    405: marked("This page can't be used like that. Please go back."),
    408: marked("What you sent did not arrive in time. Please try again."),
    409: marked("Meanwhile, something has changed. Please go back and try again."),
    413: marked("The form is larger than we accept. Please shorten what you wrote."),
    429: marked("From your network came too many requests."),
    500: marked("This is our mistake, and we have noted it. Please try again later."),
    503: marked("Too many people are here at the moment, or we are at work. Nothing was changed."),
    "file": marked("The file is larger than we accept. Please choose a smaller one."),
    "outcome_unknown": marked(
        "The connection was lost at the last moment. Please look whether it was done before you try again."
    ),
    "scope_missing": marked("Nothing was changed. Please ask somebody who may, or who can let you do it."),
    "too_late": marked("It is too late to change this online. Please get in touch with us."),
}
"""By the code of a refusal, or else by its status; of a form that brings a file and is too large, "file"."""
_LINKS = "/manage/"
_NO_LINK = marked("This link is no longer valid")
_WHY_NO_LINK = marked(
    "The appointment was over long ago, a newer link has taken the place of this one, or the booking was not "
    "confirmed in time. Please look for our latest mail, or get in touch with us."
)
_PASSING = frozenset({401, 429, 503})
"""What is refused with these statuses may be accepted later, so what was typed is kept."""
_PASSWORDS = frozenset({"password", "present"})
"""The fields of passwords. They stand on no page, so no form is kept that has one."""


class Refusals:
    """Pure ASGI: makes a page of a refusal, if it is about a path for people, and the sender reads pages.
    Whatever below refuses, it says so in one shape, so this is the only place that knows of such pages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_for_people(scope["path"]) or not _reads_pages(scope):
            await self._app(scope, receive, send)
            return
        begun: Message | None = None
        body, form = b"", KeptForm(scope, receive)

        async def send_page(message: Message) -> None:
            nonlocal begun, body
            if message["type"] == "http.response.start" and _is_refusal(message):
                begun = message
                return
            if begun is None:
                await send(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                kept = await form.fields() if begun["status"] in _PASSING else ()
                if not _PASSWORDS.isdisjoint(name for name, _ in kept):
                    kept = ()
                await _page(scope, begun, json.loads(body), kept)(scope, receive, send)

        await self._app(scope, form.receive, send_page)


def _reads_pages(scope: Scope) -> bool:
    return any(_HTML.search(each) for each in Headers(scope=scope).getlist("accept"))


def _is_refusal(message: Message) -> bool:
    kind = Headers(raw=message["headers"]).get("content-type")
    return message["status"] >= 400 and kind == "application/json"


def _page(
    scope: Scope, begun: Message, refusal: Mapping[str, Any], kept: Sequence[tuple[str, str]]
) -> ASGIApp:
    """Return the page of a refusal, with the headers that came with it, and the fields of the form that it
    refuses. Somebody of the staff who is signed in, as the gate has found out, keeps their menu: nothing is
    looked up here, for the database may be away."""
    status, sent = begun["status"], Headers(raw=begun["headers"])
    reader = Reader.of(scope)
    framed: dict[str, Any] = {}
    member = trail_of(scope).member if is_for_staff(scope["path"]) else None
    if member is not None:
        host = member.host
        reader = Reader.of(scope, own=member.language, language=host.language, week_start=host.week_start)
        framed = {"member": member, "may_write": member.may("write"), "room": None}
    known = status if status in _TITLES else 500 if status > 500 else 400
    code = refusal["code"]
    title, sentence = _TITLES.get(code, _TITLES[known]), _SENTENCES.get(code, _SENTENCES[known])
    if status == 413 and Headers(scope=scope).get("content-type", "").lower().startswith(uploads.MEDIA_TYPE):
        sentence = _SENTENCES["file"]
    if status == 404 and scope["path"].startswith(_LINKS):
        title, sentence = _NO_LINK, _WHY_NO_LINK
    wait = sent.get("retry-after")
    page = render(
        "refusal.html" if member is None else "staff/refusal.html",
        reader,
        About(reader.say(title)),
        None if member is None else site_of(member.host, reader),
        # So that they are seen where the page is part of another. There is nothing to be clicked by mistake.
        embedders=("*",) if reader.is_embedded and not is_personal(scope["path"]) else (),
        status=status,
        sentence=reader.say(sentence),
        kept=kept,
        is_signed_out=status == 401,
        again=problems.again(int(wait), reader) if wait else None,
        **framed,
    )
    for name, value in sent.items():
        if name == "vary":
            page.headers.add_vary_header(value)
        elif name not in ("content-type", "content-length"):
            page.headers[name] = value
    return page
