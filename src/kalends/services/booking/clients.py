"""Clients, as their appointments tell of them. They are stored nowhere else."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, case, func, literal, or_, select

from kalends.core.errors import Malformed
from kalends.core.finding import readings, words
from kalends.core.hours import moment, seconds
from kalends.db.columns import UtcDateTime
from kalends.db.database import AnyRow, Tx
from kalends.db.tables import appointments
from kalends.schemas.clients import Client, ClientsAnswer
from kalends.schemas.queries import ClientsQuery, Cursor
from kalends.services.booking.appointments import status_at

_LAST, _ID = func.max(appointments.c.start_time), func.max(appointments.c.id)


def page(tx: Tx, org_id: str, query: ClientsQuery, now: datetime) -> ClientsAnswer:
    """Return a page of the organization's clients, those with the latest appointments first. Words are looked
    for in each appointment.

    Raises Malformed for a cursor of another list.
    """
    statement = (
        select(appointments.c.client_key, _LAST.label("last"), _ID.label("id"))
        .where(*_of(org_id), *mentioning(query.q or ""))
        .group_by(appointments.c.client_key)
        .order_by(_LAST.desc(), _ID.desc())
        .limit(query.limit + 1)
    )
    if (last := query.cursor) is not None:
        if (last.by, last.order) != ("start_time", "desc"):
            raise Malformed("cursor belongs to another list.")
        at = literal(moment(last.at), UtcDateTime())
        statement = statement.having(or_(at > _LAST, and_(at == _LAST, literal(last.id) > _ID)))
    rows = tx.execute(statement).all()
    following, shown = None, rows[: query.limit]
    if len(rows) > query.limit:
        end = shown[-1]
        following = str(Cursor(by="start_time", order="desc", at=seconds(end.last), id=end.id))
    return ClientsAnswer.model_construct(clients=_known(tx, org_id, shown, now), next_cursor=following)


def of_appointment(tx: Tx, org_id: str, appointment_id: str, now: datetime) -> Client | None:
    """Return the client of an appointment; None if there is none."""
    key = key_of(org_id, appointment_id)
    rows = tx.execute(select(key.label("client_key"))).all()
    return next(iter(_known(tx, org_id, rows, now)), None)


def key_of(org_id: str, appointment_id: str) -> ScalarSelect[str | None]:
    """Return the SQL expression for the key of the client of an appointment; null if there is none."""
    other = appointments.alias("other")
    mine = (other.c.org_id == org_id, other.c.id == appointment_id, ~other.c.is_hold)
    return select(other.c.client_key).where(*mine).scalar_subquery()


def mentioning(text: str) -> list[ColumnElement[bool]]:
    """Return the conditions of appointments in which every word of a text is found."""
    column = appointments.c.client_words
    return [
        or_(*(column.contains(reading, autoescape=True) for reading in readings(word)))
        for word in words(text)
    ]


def _of(org_id: str) -> tuple[ColumnElement[bool], ...]:
    return appointments.c.org_id == org_id, ~appointments.c.is_hold, appointments.c.client_key.is_not(None)


def _known(tx: Tx, org_id: str, rows: Sequence[AnyRow], now: datetime) -> list[Client]:
    """Return what is known of the clients with some keys, in the order of these."""
    keys = [row.client_key for row in rows if row.client_key is not None]
    if not keys:
        return []
    columns, status = appointments.c, status_at(now)
    stands, is_over = status != "cancelled", columns.start_time <= now
    each: dict[str, Any] = {"partition_by": columns.client_key}
    latest: list[Any] = [columns.start_time.desc(), columns.id.desc()]

    def least(which: Any) -> Any:
        return func.min(case((which, columns.start_time))).over(**each)

    def count(which: Any) -> Any:
        return func.count(case((which, 1))).over(**each)

    counted = (
        select(
            columns.client_key,
            columns.id,
            columns.client_name.label("name"),
            columns.client_email.label("email"),
            columns.client_phone.label("phone"),
            least(stands).label("first_start"),
            func.max(case((and_(stands, is_over), columns.start_time))).over(**each).label("last_start"),
            least(and_(stands, ~is_over)).label("next_start"),
            func.count().over(**each).label("total"),
            count(status == "no_show").label("no_show"),
            count(status == "cancelled").label("cancelled"),
            func.row_number().over(**each, order_by=latest).label("place"),
        )
        .where(*_of(org_id), columns.client_key.in_(keys))
        .subquery()
    )
    found = tx.execute(select(counted).where(counted.c.place == 1)).all()
    by_key = {row.client_key: row for row in found}
    names = list(Client.model_fields)
    return [
        Client.model_construct(**{name: by_key[key]._mapping[name] for name in names})
        for key in keys
        if key in by_key
    ]
