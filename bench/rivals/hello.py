"""(a) FastAPI with the same body and answer, and no database: what the framework alone costs."""

import os
from datetime import UTC, datetime, timedelta

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, EmailStr


class Body(BaseModel):
    appointment_type_id: str
    start_time: datetime
    client_name: str
    client_email: EmailStr | None = None
    client_phone: str | None = None


class TypeSummary(BaseModel):
    id: str
    name: str
    duration_minutes: int
    color: str


class Appointment(Body):
    id: str
    org_id: str
    end_time: datetime
    status: str
    confirmed_at: datetime
    source: str
    appointment_type: TypeSummary


class Answer(BaseModel):
    appointment: Appointment


app = FastAPI()


@app.post("/v1/calendar/appointments")
async def create(body: Body) -> Answer:
    return Answer(
        appointment=Appointment(
            **body.model_dump(),
            id="apt_hello",
            org_id="org_hello",
            end_time=body.start_time + timedelta(minutes=1),
            status="confirmed",
            confirmed_at=datetime.now(UTC),
            source="manual",
            appointment_type=TypeSummary(
                id=body.appointment_type_id, name="Hello", duration_minutes=1, color="#3b82f6"
            ),
        )
    )


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning", access_log=False)
