"""(b) The handler most FastAPI projects would write: ORM entities, a session per request, and the check
before the insert in code. MODE=async runs it on an AsyncSession, MODE=threads in FastAPI's thread pool.

It books into Kalends' own schema, so the database does the same work; it leaves out the rate limits,
scopes, idempotency and request log that Kalends has.
"""

import hashlib
import json
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict, EmailStr
from sqlalchemy import ForeignKeyConstraint, Select, create_engine, event, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, sessionmaker

from kalends.db.columns import UtcDateTime

URL = os.environ["DATABASE_URL"]


class Base(DeclarativeBase):
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012


class ApiKey(Base):
    __tablename__ = "api_keys"
    org_id: Mapped[str]
    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    revoked_at: Mapped[datetime | None]


class Calendar(Base):
    __tablename__ = "calendars"
    org_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    is_default: Mapped[bool]
    busy_changes: Mapped[int]


class AppointmentType(Base):
    __tablename__ = "appointment_types"
    org_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    duration_minutes: Mapped[int]
    color: Mapped[str]


class Appointment(Base):
    __tablename__ = "appointments"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "appointment_type_id"], ["appointment_types.org_id", "appointment_types.id"]
        ),
    )
    org_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    appointment_type_id: Mapped[str]
    calendar_id: Mapped[str]
    start_time: Mapped[datetime]
    end_time: Mapped[datetime]
    busy_start: Mapped[datetime]
    busy_end: Mapped[datetime]
    overlap_allowed: Mapped[bool] = mapped_column(default=False)
    client_name: Mapped[str]
    client_email: Mapped[str | None]
    client_phone: Mapped[str | None]
    client_language: Mapped[str] = mapped_column(default="en")
    client_notes: Mapped[str | None]
    internal_notes: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="confirmed")
    source: Mapped[str] = mapped_column(default="manual")
    version: Mapped[int] = mapped_column(default=1)
    confirmed_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    no_show_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    appointment_type: Mapped[AppointmentType] = relationship(viewonly=True)


class Occupation(Base):
    __tablename__ = "occupations"
    org_id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = mapped_column(primary_key=True)
    calendar_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="appointment")
    busy_start: Mapped[datetime] = mapped_column(primary_key=True)
    busy_end: Mapped[datetime]
    from_change: Mapped[int] = mapped_column(default=0)
    to_change: Mapped[int]
    active: Mapped[bool] = mapped_column(default=True)
    overlap_allowed: Mapped[bool] = mapped_column(default=False)


class Event(Base):
    __tablename__ = "events"
    org_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    payload: Mapped[str]
    occurred_at: Mapped[datetime]


class Body(BaseModel):
    appointment_type_id: str
    start_time: datetime
    client_name: str
    client_email: EmailStr | None = None
    client_phone: str | None = None


class TypeOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: str
    name: str
    duration_minutes: int
    color: str


class AppointmentOut(Body):
    model_config = ConfigDict(from_attributes=True)
    id: str
    org_id: str
    calendar_id: str
    end_time: datetime
    client_language: str
    client_notes: str | None
    internal_notes: str | None
    status: str
    source: str
    confirmed_at: datetime | None
    completed_at: datetime | None
    cancelled_at: datetime | None
    no_show_at: datetime | None
    created_at: datetime
    updated_at: datetime
    appointment_type: TypeOut


class Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    appointment: AppointmentOut


app = FastAPI()


def _key(authorization: str) -> Select[ApiKey]:
    digest = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).digest()
    return select(ApiKey).where(ApiKey.digest == digest, ApiKey.revoked_at.is_(None))


def _overlapping(org_id: str, calendar: Calendar, start: datetime, end: datetime) -> Select[str]:
    return select(Occupation.holder_id).where(
        Occupation.org_id == org_id,
        Occupation.calendar_id == calendar.id,
        Occupation.kind.in_(("appointment", "block", "source")),  # as the schema's index begins
        Occupation.overlap_allowed.in_((False, True)),
        Occupation.active,
        Occupation.busy_start < end,
        Occupation.busy_end > start,
        Occupation.busy_start > start - timedelta(days=10),
    )


def _made(key: ApiKey, kind: AppointmentType, calendar: Calendar, body: Body, end: datetime) -> Appointment:
    now = datetime.now(UTC).replace(microsecond=0)
    return Appointment(
        **body.model_dump(),
        id=f"apt_{uuid.uuid4().hex}",
        org_id=key.org_id,
        calendar_id=calendar.id,
        end_time=end,
        busy_start=body.start_time,
        busy_end=end,
        confirmed_at=now,
        created_at=now,
        updated_at=now,
    )


def _time(appointment: Appointment, calendar: Calendar) -> Occupation:
    return Occupation(
        org_id=appointment.org_id,
        holder_id=appointment.id,
        calendar_id=calendar.id,
        busy_start=appointment.busy_start,
        busy_end=appointment.busy_end,
        to_change=calendar.busy_changes,
    )


def _event(appointment: Appointment) -> Event:
    payload = json.dumps({"appointment": AppointmentOut.model_validate(appointment).model_dump(mode="json")})
    return Event(
        org_id=appointment.org_id,
        id=f"evt_{uuid.uuid4().hex}",
        type="appointment.created",
        payload=payload,
        occurred_at=appointment.created_at,
    )


if os.environ["MODE"] == "async":
    engine = create_async_engine(URL, pool_size=8, max_overflow=0)
    new_session = async_sessionmaker(engine, expire_on_commit=False)

    async def session() -> AsyncIterator[AsyncSession]:
        async with new_session() as current:
            yield current

    Db = Annotated[AsyncSession, Depends(session)]

    async def api_key(authorization: Annotated[str, Header()], db: Db) -> ApiKey:
        key = (await db.execute(_key(authorization))).scalar_one_or_none()
        if key is None:
            raise HTTPException(401)
        return key

    @app.post("/v1/calendar/appointments", response_model=Answer)
    async def create(body: Body, key: Annotated[ApiKey, Depends(api_key)], db: Db) -> dict[str, Appointment]:
        kind = await db.get(AppointmentType, (key.org_id, body.appointment_type_id))
        if kind is None:
            raise HTTPException(404)
        calendar = (
            await db.execute(
                select(Calendar)
                .where(Calendar.org_id == key.org_id, Calendar.is_default)
                .with_for_update(key_share=True)
            )
        ).scalar_one()
        end = body.start_time + timedelta(minutes=kind.duration_minutes)
        if (await db.execute(_overlapping(key.org_id, calendar, body.start_time, end))).first():
            raise HTTPException(409)
        appointment = _made(key, kind, calendar, body, end)
        db.add_all((_time(appointment, calendar), appointment))
        await db.flush()
        await db.refresh(appointment, ["appointment_type"])
        db.add(_event(appointment))
        await db.commit()
        return {"appointment": appointment}

else:
    options = {"pool_size": 8, "max_overflow": 40} if URL.startswith("postgres") else {}
    sync_engine = create_engine(URL, **options)
    if URL.startswith("sqlite"):

        @event.listens_for(sync_engine, "connect")
        def _configure(connection: Any, _record: Any) -> None:
            connection.isolation_level = None
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(sync_engine, "begin")
        def _begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    new_sync_session = sessionmaker(sync_engine, expire_on_commit=False)

    def sync_session() -> Iterator[Session]:
        with new_sync_session() as current:
            yield current

    SyncDb = Annotated[Session, Depends(sync_session)]

    def sync_api_key(authorization: Annotated[str, Header()], db: SyncDb) -> ApiKey:
        key = db.execute(_key(authorization)).scalar_one_or_none()
        if key is None:
            raise HTTPException(401)
        return key

    @app.post("/v1/calendar/appointments", response_model=Answer)
    def create_in_thread(
        body: Body, key: Annotated[ApiKey, Depends(sync_api_key)], db: SyncDb
    ) -> dict[str, Appointment]:
        kind = db.get(AppointmentType, (key.org_id, body.appointment_type_id))
        if kind is None:
            raise HTTPException(404)
        calendar = db.execute(
            select(Calendar)
            .where(Calendar.org_id == key.org_id, Calendar.is_default)
            .with_for_update(key_share=True)
        ).scalar_one()
        end = body.start_time + timedelta(minutes=kind.duration_minutes)
        if db.execute(_overlapping(key.org_id, calendar, body.start_time, end)).first():
            raise HTTPException(409)
        appointment = _made(key, kind, calendar, body, end)
        db.add_all((_time(appointment, calendar), appointment))
        db.flush()
        db.refresh(appointment, ["appointment_type"])
        db.add(_event(appointment))
        db.commit()
        return {"appointment": appointment}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning", access_log=False)
