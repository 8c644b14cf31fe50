"""What handlers of pages have in common: who asks whom, and what that becomes. The dependencies themselves
are the API's (`Visiting`, `ClientWriting`, `ByLink`, `WritingByLink`), since pages ask the same services."""

from typing import Any

from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import RedirectResponse, Response

from kalends.api.calls import Call
from kalends.core.caller import Host
from kalends.core.errors import NotFound
from kalends.services.setup.organizations import RESERVED_SLUGS, logo_path
from kalends.web.pages import About, Site, render
from kalends.web.readers import Reader
from kalends.web.themes import color_of, version


class _Slug(Convertor[str]):
    """A slug in a path, and none of the names with another meaning there: those paths are no pages."""

    regex = f"(?!(?:{'|'.join(sorted(RESERVED_SLUGS))})(?:/|$))[a-z0-9][a-z0-9-]{{0,62}}"

    def convert(self, value: str) -> str:
        """Return the slug in a path."""
        return value

    def to_string(self, value: str) -> str:
        """Return what stands in a path for a slug."""
        return value


register_url_convertor("slug", _Slug())
BY_SCRIPT = "kalends-script"
"""The header with which the script of our pages sends forms."""
SLUG = "{slug:slug}"
"""The organization, in the paths of routes."""


def reader_of(call: Call[Host]) -> Reader:
    """Return who reads the answer to a call."""
    host = call.host
    return Reader.of(
        call.request.scope, own=call.own_language, language=host.language, week_start=host.week_start
    )


def page(
    call: Call[Host], template: str, about: About, *, reader: Reader | None = None, **what: Any
) -> Response:
    """Return a page of the organization that a call is about (see `render`)."""
    reader = reader or reader_of(call)
    return render(template, reader, about, site_of(call.host, reader), **what)


def lead_to(call: Call[Host], address: str) -> Response:
    """Lead a browser to another address of this server, which is ready to be used. The script of our pages
    (`book.js`) is told where, since the redirect would take it there before the reader."""
    if BY_SCRIPT in call.request.headers:
        return Response(status_code=204, headers={"Location": address})
    return RedirectResponse(address, status_code=303)


def must_have_pages(host: Host) -> None:
    """Raise NotFound if an organization has no pages."""
    if not host.page:
        raise NotFound("The organization has no pages.")


def site_of(host: Host, reader: Reader) -> Site:
    """Return what every page of an organization shows of it."""
    logo = logo_path(host.slug, host.logo)
    return Site(
        host.name,
        home=reader.link(f"/{host.slug}") if host.page else None,
        logo=None if logo is None else f"{reader.prefix}{logo}",
        theme=f"{reader.prefix}/{host.slug}/theme.css?v={version(color_of(host))}",
        privacy_url=host.privacy_url,
        terms_url=host.terms_url,
    )
