"""`/static/…` and the few files that have their names from elsewhere."""

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.visits import Visiting
from kalends.core.errors import NotFound
from kalends.services.setup import logos
from kalends.web.assets import Asset, assets, by_address
from kalends.web.themes import color_of, theme, version
from kalends.web.visits import SLUG

_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_A_DAY = "public, max-age=86400"
_ROBOTS = "User-agent: *\nDisallow: /v1/\nDisallow: /docs\nDisallow: /manage/\nDisallow: /staff/\n"
"""Which of the other pages are kept, each says itself: crawlers have to read it to know."""

router = APIRouter(include_in_schema=False)


@router.get("/static/{address}")
async def static(address: str) -> Response:
    """Return a file of the package. What has other contents has another address."""
    asset = by_address().get(address)
    if asset is None:
        raise NotFound("There is no such file.")
    return _file(asset, _FOR_EVER)


@router.get("/favicon.ico")
async def favicon() -> Response:
    """Return the icon to browsers that ask for it by themselves, for what is no page of ours."""
    return _file(assets()["icon.svg"], _FOR_A_DAY)


@router.get("/robots.txt")
async def robots() -> Response:
    """Tell crawlers where there is nothing for them."""
    return Response(_ROBOTS, headers={"Cache-Control": _FOR_A_DAY}, media_type="text/plain")


@router.get(f"/{SLUG}/theme.css")
async def theme_of(visit: Visiting, v: str = "") -> Response:
    """Return the colours of an organization's pages. The address that pages use changes with the colour
    (`v`)."""
    color = color_of(visit.host)
    kept = _FOR_EVER if v == version(color) else "no-cache"
    return Response(theme(color), headers={"Cache-Control": kept}, media_type="text/css")


@router.get(f"/{SLUG}/logo")
async def logo_of(visit: Visiting, v: str = "") -> Response:
    """Return an organization's logo. The address that pages use changes with the picture (`v`)."""
    logo = await visit.db.read_one(logos.find, visit.org_id)
    headers = {"Cache-Control": _FOR_EVER if v == logo.digest else "no-cache"}
    if not visit.host.indexing:
        headers["X-Robots-Tag"] = "noindex"
    return Response(logo.content, headers=headers, media_type=logo.media_type)


def _file(asset: Asset, kept: str) -> Response:
    return Response(asset.content, headers={"Cache-Control": kept}, media_type=asset.media_type)
