"""The organization's logo. It has a page of its own: a form that brings a file sends no other field, so what
was typed into another form beside it would be lost."""

from fastapi import APIRouter
from starlette.responses import Response

from kalends.api.errors import BodyTooLarge, NotAPicture
from kalends.api.picture_body import MOST_BYTES
from kalends.core.errors import Malformed, Refusal
from kalends.core.pictures import CutOff, picture_of
from kalends.schemas.organizations import OrganizationAnswer
from kalends.services.setup import logos, organizations
from kalends.web import problems
from kalends.web.setting_forms import Told
from kalends.web.settings_pages import asked_again, settings_page
from kalends.web.staff_visits import Entered, EnteredAdministering, EnteredCall
from kalends.web.uploads import file_in
from kalends.web.visits import lead_to, reader_of
from kalends.words.sentences import marked

PATH = "/staff/settings/organization/logo"
_LOGO = marked("Logo")
_CHECK = marked("Please check what you entered.")
_NO_FILE = marked("Please choose a file.")
_TOO_LARGE = marked("This file is too large: a logo has at most 200 KB.")
_CUT_OFF = marked("The file is not complete. Please save or fetch the picture once more.")
_NO_PICTURE = marked("This is no PNG, JPEG or WebP picture of at most 4096 × 4096 pixels.")

router = APIRouter(prefix=PATH, include_in_schema=False)


@router.get("")
async def see(call: Entered) -> Response:
    """Show the logo."""
    return await _page(call)


@router.post("")
async def keep(change: EnteredAdministering) -> Response:
    """Make a picture the logo, in place of any other."""
    try:
        content = await file_in(change.request, "logo", MOST_BYTES)
        if not content:
            return await _page(change, Malformed("There is no file."), _NO_FILE)
        picture = picture_of(content)
    except BodyTooLarge as refusal:
        return await _page(change, refusal, _TOO_LARGE)
    except ValueError as error:
        said = _CUT_OFF if isinstance(error, CutOff) else _NO_PICTURE
        return await _page(change, NotAPicture(str(error)), said)
    await change.make(OrganizationAnswer.of, logos.keep, change.party, picture, change.now)
    return lead_to(change, reader_of(change).link(PATH, saved="1"))


@router.get("/remove")
async def ask_to_remove(call: Entered) -> Response:
    """Ask whether the logo is to be deleted."""
    reader = reader_of(call)
    return asked_again(
        call,
        reader,
        "organization",
        reader.say(_LOGO),
        action=reader.link(f"{PATH}/remove"),
        back=reader.link(PATH),
        hint=marked("Pages for clients show only the name then."),
    )


@router.post("/remove")
async def remove(change: EnteredAdministering) -> Response:
    """Delete the logo."""
    await change.make(OrganizationAnswer.of, logos.remove, change.party, change.now)
    return lead_to(change, reader_of(change).link(PATH, saved="1"))


async def _page(call: EnteredCall, refusal: Refusal | None = None, wrong: str | None = None) -> Response:
    """Return the page. `wrong` says what is wrong with a file that was refused."""
    reader = reader_of(call)
    found = await call.db.read(organizations.get, call.org_id)
    said, status = Told(), 200
    if refusal is not None and wrong is not None:
        sentence = reader.say(wrong)
        listed = [("logo", f"{reader.say(_LOGO)} – {sentence}")]
        said = Told(reader.say(_CHECK), listed, {"logo": sentence})
        status = problems.noted(call.request, refusal)
    return settings_page(
        call,
        "staff/settings/logo.html",
        reader.say(_LOGO),
        reader,
        room="organization",
        organization=found,
        may_change=call.member.may("admin"),
        action=reader.link(PATH),
        removal=reader.link(f"{PATH}/remove"),
        logo=found.logo and f"{reader.prefix}{found.logo}",
        told=said,
        status=status,
    )
