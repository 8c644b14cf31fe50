"""Templates, and the answers made from them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from kalends.web.assets import assets
from kalends.web.headers import policy
from kalends.web.readers import Reader
from kalends.words import languages
from kalends.words.sentences import translate

FOLDER = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class About:
    """What browsers, messengers and search engines show of a page. `canonical` is its full address without
    parameters, and `image` the full address of a picture. Search engines keep it only if it is `indexed`."""

    title: str
    description: str = ""
    canonical: str | None = None
    image: str | None = None
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """Whose page it is: what the top and the foot of it show. `home`, `logo` and `theme` are addresses that
    are ready to be used; `theme` is that of the stylesheet with the organization's colour. There is no `home`
    if clients have no pages to book on."""

    name: str
    home: str | None
    logo: str | None = None
    theme: str | None = None
    privacy_url: str | None = None
    terms_url: str | None = None


def render(
    template: str,
    reader: Reader,
    about: About,
    site: Site | None = None,
    /,
    *,
    status: int = 200,
    embedders: Iterable[str] = (),
    **what: Any,
) -> Response:
    """Return a page from a template, in its reader's language. Templates know `reader`, `about`, `site`,
    `embedders` and `what`; `_` gives sentences, and `asset` the address of a file. Pages of the origins
    `embedders` may embed it, if it was asked for as a part of another page; then search engines don't keep
    it."""
    text = environment(reader.language).get_template(template)
    tag = _tag(reader)
    headers = {"Content-Language": tag, "Vary": "Accept-Language"}
    embedders = tuple(embedders) if reader.is_embedded else ()
    about = replace(about, indexed=about.indexed and not reader.is_embedded)
    if not about.indexed:
        headers["X-Robots-Tag"] = "noindex"
    if (allowed := policy(embedders)) != policy():
        headers["Content-Security-Policy"] = allowed
    shown = text.render(reader=reader, about=about, site=site, embedders=embedders, **what)
    return Response(shown, status, headers, media_type="text/html")


@cache
def environment(language: str) -> Environment:
    """Return what makes pages in a language. Each language has its own, so that macros, which know nothing of
    the page, speak it, too."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["_"] = lambda sentence: translate(language, sentence)
    made.globals["asset"] = lambda reader, name: f"{reader.prefix}/static/{assets()[name].address}"
    made.globals["languages"] = lambda: [(each, languages.own_name(each)) for each in languages.LANGUAGES]
    made.globals["tag_of"] = _tag
    return made


def _tag(reader: Reader) -> str:
    """Return the BCP 47 tag of what is written: the language with the region whose habits it follows."""
    return str(reader.locale).replace("_", "-")
