"""The OpenAPI document for people (`/docs`) and for programs (`/openapi.json`)."""

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from kalends.api.context import context_of

ASSETS = "/docs/assets"
ADDRESS = "/openapi.json"

router = APIRouter(include_in_schema=False)


@router.get(ADDRESS)
async def document(request: Request) -> Response:
    """Return the OpenAPI document."""
    return Response(await context_of(request.scope).document.get(), media_type="application/json")


@router.get("/docs")
async def page() -> HTMLResponse:
    """Show every call. All addresses are relative, so that they are right behind any prefix of a proxy."""
    assets = ASSETS.removeprefix("/")
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Kalends",
        swagger_js_url=f"{assets}/swagger-ui-bundle.js",
        swagger_css_url=f"{assets}/swagger-ui.css",
        swagger_favicon_url=f"{assets}/favicon.png",
        swagger_ui_parameters={"filter": True, "persistAuthorization": True},
    )
