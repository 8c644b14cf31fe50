"""The colours by which staff tell types and calendars apart."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import BindParameter, bindparam, null, select

from kalends.core.colors import normal
from kalends.db.database import Tx
from kalends.db.tables import appointment_types, calendars
from kalends.schemas.appointment_types import NO_COLOR


class Colors(NamedTuple):
    """The colours of an organization (`#rrggbb`): `every` one, and those of calendars, by id."""

    every: Sequence[str] = ()
    calendars: Mapping[str, str] = {}

    def of(self, type_color: str, calendar_id: str) -> str | None:
        """Return the colour of an appointment: its type's, or else its calendar's; None if neither has one of
        its own."""
        own = normal(type_color)
        return own if own != NO_COLOR else self.calendars.get(calendar_id)


_ORG: BindParameter[str] = bindparam("org_id")
_FOUND = (
    select(null().label("id"), appointment_types.c.color)
    .where(appointment_types.c.org_id == _ORG, appointment_types.c.color != NO_COLOR)
    .union(
        select(calendars.c.id, calendars.c.color).where(
            calendars.c.org_id == _ORG, calendars.c.color.is_not(None)
        )
    )
)
"""Of types each colour once: they are few, however many types there are."""


def of(tx: Tx, org_id: str) -> Colors:
    """Return the colours of an organization."""
    found = [(row.id, normal(row.color)) for row in tx.execute(_FOUND, {"org_id": org_id})]
    own = {id_: color for id_, color in found if id_ is not None}
    return Colors(sorted({color for id_, color in found if id_ is not None or color != NO_COLOR}), own)
