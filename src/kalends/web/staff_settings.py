"""The page that leads to all settings of an organization."""

from fastapi import APIRouter
from starlette.responses import Response

from kalends.web.settings_pages import SETTINGS, settings_page
from kalends.web.staff_visits import Entered
from kalends.web.visits import reader_of

router = APIRouter(prefix="/staff/settings", include_in_schema=False)


@router.get("")
async def see(call: Entered) -> Response:
    """Show what can be set."""
    reader = reader_of(call)
    return settings_page(call, "staff/settings/index.html", reader.say(SETTINGS), reader)
