"""Books of before the table `occupations`: a database at revision 0007, filled by SQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, text

from kalends.db import migrating
from kalends.db.database import Tx
from kalends.db.tables import metadata

NOW = datetime(2024, 1, 20, 12, tzinfo=UTC)
ORGS, CALENDARS = 5, 10
GUARD = "appointments_no_double_booking"


def fill(tx: Tx, rows: int) -> None:
    """Migrate to revision 0007, and book so many appointments: every hour one in each calendar. Every seventh
    is cancelled and every thirteenth forced, both over others; every eleventh lapses, half of those are
    holds."""
    migrating.upgrade(tx, "0007")
    made = {"created_at": NOW, "updated_at": NOW}
    for org in (f"org_{number}" for number in range(ORGS)):
        _insert(tx, "organizations", made | _ORG | {"id": org, "name": org, "slug": org})
        _insert(tx, "appointment_types", made | _TYPE | {"org_id": org})
        for number in range(CALENDARS):
            which = {"org_id": org, "id": f"cal_{number}", "is_default": number == 0}
            _insert(tx, "calendars", made | which | {"name": "Room", "is_active": True})
    if tx.dialect.name == "sqlite":
        tx.execute(text(_appointments(rows, "{0}")))
        return
    # Built at once, the constraint's index costs less than row by row. It refuses overlaps all the same.
    named = text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name")
    constraint = tx.execute(named, {"name": GUARD}).scalar_one()
    tx.execute(text(f"ALTER TABLE appointments DROP CONSTRAINT {GUARD}"))
    tx.execute(text(_appointments(rows, "to_timestamp({0})")))
    tx.execute(text(f"ALTER TABLE appointments ADD CONSTRAINT {GUARD} {constraint}"))


def kept(tx: Tx) -> list[tuple[Any, ...]]:
    """Return what no migration may change of the appointments, summed up by calendar."""
    times = ("start_time", "end_time", "busy_start", "busy_end", "expires_at")
    seconds = "{0}" if tx.dialect.name == "sqlite" else "extract(epoch FROM {0})"
    sums = ", ".join(f"sum({seconds.format(name)})" for name in times)
    summed = (
        "SELECT org_id, calendar_id, status, is_hold, overlap_allowed, count(*), min(id), max(id), "
        f"{sums} FROM appointments GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
    )
    return [tuple(row) for row in tx.execute(text(summed))]


def without_their_time(tx: Tx) -> int:
    """Return how many appointments have not just the occupation that they must have, and how many occupations
    there are too many."""
    must = (
        "SELECT org_id, id, calendar_id, 'appointment', busy_start, busy_end, 0, 0, status <> 'cancelled', "
        "expires_at, overlap_allowed FROM appointments"
    )
    have = (
        "SELECT org_id, holder_id, calendar_id, kind, busy_start, busy_end, from_change, to_change, active, "
        "expires_at, overlap_allowed FROM occupations"
    )
    differ = "SELECT count(*) FROM ({0} EXCEPT {1}) AS differ"
    both = (differ.format(must, have), differ.format(have, must))
    return sum(tx.execute(text(each)).scalar_one() for each in both)


_ORG = {"timezone": "UTC", "week_start": 0, "plan": "starter", "sandbox": False}
_TYPE = {
    "id": "type_1",
    "name": "Consultation",
    "color": "#000000",
    "is_active": True,
    "sort_order": 0,
    "duration_minutes": 30,
    "buffer_before_minutes": 5,
    "buffer_after_minutes": 10,
    "min_notice_hours": 0,
    "requires_confirmation": True,
    "booking_questions": [],
}


def _insert(tx: Tx, table: str, row: dict[str, Any]) -> None:
    """Insert a row of an earlier schema, which has no more columns than these."""
    tx.execute(insert(metadata.tables[table]).values(row))


def _appointments(rows: int, moment: str) -> str:
    """Return the statement that inserts the appointments, numbered by `n`. `moment` makes of seconds what the
    database stores."""
    start = (
        f"{int(NOW.timestamp())} + n / {ORGS * CALENDARS} * 3600 "
        "+ CASE WHEN n % 13 = 0 THEN -1800 WHEN n % 7 = 0 THEN 2400 ELSE 0 END"
    )
    columns = {
        "org_id": f"'org_' || (n % {ORGS})",
        "id": f"'apt_' || (n * 7919 % {rows})",  # in another order than the times
        "appointment_type_id": "'type_1'",
        "calendar_id": f"'cal_' || (n / {ORGS} % {CALENDARS})",
        "start_time": moment.format(start),
        "end_time": moment.format(f"{start} + 1800"),
        "busy_start": moment.format(f"{start} - 300"),
        "busy_end": moment.format(f"{start} + 2400"),
        "overlap_allowed": "n % 13 = 0",
        "is_hold": "n % 22 = 0",
        "expires_at": f"CASE WHEN n % 11 = 0 THEN {moment.format(start)} END",
        "client_name": "'Jane Doe'",
        "client_email": "'jane@example.com'",
        "client_phone": "'+1234567890'",
        "client_language": "'en'",
        "status": "CASE WHEN n % 7 = 0 THEN 'cancelled' WHEN n % 11 = 0 THEN 'pending' ELSE 'confirmed' END",
        "source": "'manual'",
        "version": "1",
        "created_at": moment.format(start),
        "updated_at": moment.format(start),
    }
    return (
        "WITH RECURSIVE numbers (n) AS "
        f"(SELECT CAST(0 AS bigint) UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows - 1}) "
        f"INSERT INTO appointments ({', '.join(columns)}) SELECT {', '.join(columns.values())} FROM numbers"
    )
