"""Deleting appointment types: only what books knows whether something stands in the way."""

from datetime import datetime

from sqlalchemy import exists, select

from kalends.core.errors import InUse
from kalends.db.database import Tx
from kalends.db.locks import lock_settings, lock_type
from kalends.db.tables import appointments
from kalends.services.booking import lapses
from kalends.services.outbox.parties import Party
from kalends.services.setup import appointment_types


def remove(tx: Tx, party: Party, type_id: str, now: datetime) -> str:
    """Delete a type that was never booked. Returns its id. Raises NotFound, InUse."""
    org_id = party.org_id
    lock_settings(tx, org_id)
    lock_type(tx, org_id, type_id)  # before its holds, as a booking does
    appointment_types.get(tx, org_id, type_id)
    lapses.clear_holds(tx, org_id, type_id, now)
    booked = exists().where(appointments.c.org_id == org_id, appointments.c.appointment_type_id == type_id)
    if tx.execute(select(booked)).scalar():
        raise InUse("Appointments use this type, so it can't be deleted; set isActive: false instead.")
    appointment_types.remove(tx, party, type_id, now)
    return type_id
