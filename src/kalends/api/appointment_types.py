"""`/v1/calendar/appointment-types`."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from kalends.api.calls import PathId, Reading
from kalends.api.changes import Deleting, Writing
from kalends.api.errors import deleting, reading, writing
from kalends.api.json_body import JsonRoute
from kalends.core import errors
from kalends.schemas.appointment_types import (
    AppointmentTypeAnswer,
    AppointmentTypeChange,
    AppointmentTypeCreate,
    AppointmentTypesAnswer,
    AppointmentTypeUpdate,
)
from kalends.schemas.wire import Deleted
from kalends.services.booking import unbooked_types
from kalends.services.setup import appointment_types

router = APIRouter(prefix="/v1/calendar/appointment-types", tags=["appointment_types"], route_class=JsonRoute)
IsActive = Annotated[Literal["true", "false"] | None, Query(alias="isActive")]


@router.get("", name="list", **reading(AppointmentTypesAnswer))
async def list_all(call: Reading, is_active: IsActive = None) -> AppointmentTypesAnswer:
    """List the kinds of appointment in the organization's order: all, or the active or inactive ones only."""
    active = None if is_active is None else is_active == "true"
    return AppointmentTypesAnswer.of(await call.db.read(appointment_types.all_of, call.org_id, active))


@router.post("", **writing(AppointmentTypeAnswer, errors.NotFound))
async def create(body: AppointmentTypeCreate, change: Writing) -> Response:
    """Add a kind of appointment."""
    return await change.make(
        AppointmentTypeAnswer.of, appointment_types.create, change.party, body, change.now
    )


@router.get("/{id}", **reading(AppointmentTypeAnswer, errors.NotFound))
async def get(id: PathId, call: Reading) -> AppointmentTypeAnswer:
    """Show one kind of appointment."""
    return AppointmentTypeAnswer.of(await call.db.read(appointment_types.get, call.org_id, id))


@router.put("", **writing(AppointmentTypeAnswer, errors.NotFound))
async def update(body: AppointmentTypeUpdate, change: Writing) -> Response:
    """Change the type that the body names; only what is sent. Booked appointments stay as they are."""
    return await change.make(
        AppointmentTypeAnswer.of, appointment_types.change, change.party, body.id, body, change.now
    )


@router.put("/{id}", **writing(AppointmentTypeAnswer, errors.NotFound))
async def change_one(id: PathId, body: AppointmentTypeChange, change: Writing) -> Response:
    """Change a type; only what is sent. Booked appointments stay as they are."""
    return await change.make(
        AppointmentTypeAnswer.of, appointment_types.change, change.party, id, body, change.now
    )


@router.delete("/{id}", **deleting(Deleted, errors.InUse))
async def delete(id: PathId, change: Deleting) -> Response:
    """Delete a type that was never booked. A type that was booked can be made inactive instead."""
    return await change.make(Deleted.of, unbooked_types.remove, change.party, id, change.now)
