"""What the forms send with which staff set up their organization."""

from tests.support.desk import THURSDAY
from tests.support.pictures import png

_HOURS = {"from-1-0": "08:00", "to-1-0": "09:00", "do": "save-sure"}
_RULES = {"week_start": "1", "client_notice_hours": "1", "client_grace_minutes": "1"}
_TYPE = {"duration": "30", "notice": "1", "before": "0", "after": "0", "visibility": "public"}
SETUP_FORMS: dict[str, dict[str, str]] = {
    "/staff/settings/organization": {"name": "Changed", "zone": "UTC", "page": "1", **_RULES},
    "/staff/settings/organization/logo": {},
    "/staff/settings/organization/logo/remove": {},
    "/staff/settings/types/new": {"name": "Changed", "contact": "either", "need-0": "", **_TYPE},
    "/staff/settings/types/{type_id}": {"do": "deactivate-sure"},
    "/staff/settings/types/{type_id}/remove": {},
    "/staff/settings/hours": _HOURS,
    "/staff/settings/hours/{schedule_id}": {"name": "Changed", "zone": "UTC", **_HOURS},
    "/staff/settings/hours/{schedule_id}/remove": {},
    "/staff/settings/closures": {"first": THURSDAY, "do": "add-sure"},
    "/staff/settings/closures/{override_id}/remove": {},
    "/staff/settings/calendars": {"name": "Changed"},
    "/staff/settings/calendars/{calendar_id}": {"name": "Changed", "is_active": "1"},
    "/staff/settings/calendars/{calendar_id}/remove": {},
    "/staff/settings/calendars/{calendar_id}/sources": {"kind": "ics", "url": "https://93.184.215.14/a.ics"},
    "/staff/settings/calendars/{calendar_id}/sources/{source_id}/remove": {},
    "/staff/start": {"name": "Changed", "zone": "UTC"},
    "/staff/start/hours": _HOURS,
    "/staff/start/type": {"name": "Changed", "duration": "30"},
}
"""What each sends to have its way."""
FILES = {"/staff/settings/organization/logo": {"logo": ("logo.png", png(12, 12))}}
"""The files that they bring."""
OF_ONES_OWN = {
    "/staff/settings/organization",
    "/staff/settings/organization/logo",
    "/staff/settings/organization/logo/remove",
    "/staff/settings/hours",
    "/staff/settings/closures",
    "/staff/settings/calendars",
    "/staff/start",
    "/staff/start/hours",
    "/staff/start/type",
}
"""The forms that name nothing, so whoever sends them changes their own organization."""
