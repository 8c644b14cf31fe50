"""What takes time of calendars, in a table of its own: several calendars in one appointment, blocks, and what
other calendars know.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

from kalends.db.columns import UtcDateTime
from kalends.telemetry import log

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Two active occupations of a calendar never overlap, unless staff forced one of them (overlap_allowed), or
# one is a busy time that came after the other had been booked: an appointment excludes what comes with the
# changes of busy time up to the one it has seen, a busy time is of its own change. Both databases say it in
# the same words, each in its own way.
EXCLUSION = """
ALTER TABLE occupations ADD CONSTRAINT occupations_no_double_booking
EXCLUDE USING gist (
  org_id WITH =, calendar_id WITH =, tstzrange(busy_start, busy_end) WITH &&,
  int8range(from_change, to_change, '[]') WITH &&
)
WHERE (active AND NOT overlap_allowed)
"""

# The appointments of a calendar are disjoint, since the trigger keeps them so. Hence the newest one that
# starts before the new one's end is the only one that can reach into it: one step in the index. Busy times
# may overlap each other and older appointments, so a range is read; none is longer than ten days
# (core.lifecycle.MAX_BUSY).
TRIGGER = """
CREATE TRIGGER occupations_no_double_booking_on_{when} BEFORE {event} ON occupations
WHEN NEW.active AND NOT NEW.overlap_allowed
BEGIN
  SELECT RAISE(ABORT, 'occupations_no_double_booking')
  WHERE NEW.kind = 'appointment' AND NEW.busy_start < (
    SELECT busy_end FROM occupations
    WHERE org_id = NEW.org_id AND calendar_id = NEW.calendar_id AND kind = 'appointment'
      AND overlap_allowed = 0 AND active AND busy_start < NEW.busy_end AND holder_id <> NEW.holder_id
    ORDER BY busy_start DESC LIMIT 1
  );
  SELECT RAISE(ABORT, 'occupations_no_double_booking')
  WHERE EXISTS (
    SELECT 1 FROM occupations
    WHERE org_id = NEW.org_id AND calendar_id = NEW.calendar_id
      AND kind IN ('block', 'source', CASE NEW.kind WHEN 'appointment' THEN 'block' ELSE 'appointment' END)
      AND overlap_allowed = 0 AND active
      AND busy_start < NEW.busy_end AND busy_start > NEW.busy_start - 864000 AND busy_end > NEW.busy_start
      AND from_change <= NEW.to_change AND to_change >= NEW.from_change AND holder_id <> NEW.holder_id
  );
END
"""
TRIGGERS = {
    "insert": "INSERT",
    "update": "UPDATE OF org_id, calendar_id, kind, busy_start, busy_end, from_change, to_change, active, "
    "overlap_allowed",
}

_FORMER_EXCLUSION = """
ALTER TABLE appointments ADD CONSTRAINT appointments_no_double_booking
EXCLUDE USING gist (org_id WITH =, calendar_id WITH =, tstzrange(busy_start, busy_end) WITH &&)
WHERE (status <> 'cancelled' AND NOT overlap_allowed)
"""
_FORMER_TRIGGER = """
CREATE TRIGGER appointments_no_double_booking_on_{when} BEFORE {event} ON appointments
WHEN NEW.status <> 'cancelled' AND NOT NEW.overlap_allowed
BEGIN
  SELECT RAISE(ABORT, 'appointments_no_double_booking')
  WHERE NEW.busy_start < (
    SELECT busy_end FROM appointments
    WHERE org_id = NEW.org_id AND calendar_id = NEW.calendar_id AND overlap_allowed = 0
      AND status <> 'cancelled' AND busy_start < NEW.busy_end AND id <> NEW.id
    ORDER BY busy_start DESC LIMIT 1
  );
END
"""
_FORMER_TRIGGERS = {
    "insert": "INSERT",
    "update": "UPDATE OF org_id, id, calendar_id, busy_start, busy_end, status, overlap_allowed",
}
_FORMER_INDEXES = {
    "ix_appointments_org_id_calendar_id_id": ["org_id", "calendar_id", "id"],
    "ix_appointments_org_id_calendar_id_busy_start": [
        "org_id",
        "calendar_id",
        "overlap_allowed",
        "busy_start",
    ],
}
_AT_ONCE = 50_000


def upgrade() -> None:
    op.add_column(
        "calendars", sa.Column("busy_changes", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("appointments", sa.Column("calendars", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("appointments", sa.Column("own_minutes", sa.Integer(), nullable=True))
    op.create_table(
        "occupations",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("holder_id", sa.Text(), nullable=False),
        sa.Column("calendar_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("busy_start", UtcDateTime(), nullable=False),
        sa.Column("busy_end", UtcDateTime(), nullable=False),
        sa.Column("from_change", sa.BigInteger(), nullable=False),
        sa.Column("to_change", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("overlap_allowed", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kind IN ('appointment', 'block', 'source')", name=op.f("ck_occupations_kind")),
        sa.CheckConstraint("busy_start < busy_end", name=op.f("ck_occupations_times")),
        sa.CheckConstraint("from_change <= to_change", name=op.f("ck_occupations_changes")),
        sa.ForeignKeyConstraint(
            ["org_id", "calendar_id"],
            ["calendars.org_id", "calendars.id"],
            name=op.f("fk_occupations_org_id_calendar_id"),
        ),
        sa.PrimaryKeyConstraint(
            "org_id", "holder_id", "calendar_id", "busy_start", name=op.f("pk_occupations")
        ),
    )
    moved = _move()
    if moved:
        log.info("building the indexes of the time that is taken; of a million rows it takes minutes")
    op.create_index(
        "ix_occupations_org_id_calendar_id_busy_start",
        "occupations",
        ["org_id", "calendar_id", "kind", "overlap_allowed", "busy_start"],
        postgresql_where=sa.text("active"),
        sqlite_where=sa.text("active"),
    )
    op.create_index(
        "ix_occupations_org_id_calendar_id_holder_id",
        "occupations",
        ["org_id", "calendar_id", "holder_id"],
        postgresql_where=sa.text("active AND kind = 'appointment'"),
        sqlite_where=sa.text("active AND kind = 'appointment'"),
    )
    if _on_postgresql():
        op.execute(EXCLUSION)
        op.execute("ALTER TABLE appointments DROP CONSTRAINT appointments_no_double_booking")
    else:
        for when, event in TRIGGERS.items():
            op.execute(TRIGGER.format(when=when, event=event))
            op.execute(f"DROP TRIGGER appointments_no_double_booking_on_{when}")
    for name in _FORMER_INDEXES:
        op.drop_index(name, table_name="appointments")


def downgrade() -> None:
    _must_fit()
    log.info("building the indexes of appointments; of a million rows it takes minutes")
    for name, columns in _FORMER_INDEXES.items():
        op.create_index(
            name,
            "appointments",
            columns,
            postgresql_where=sa.text("status <> 'cancelled'"),
            sqlite_where=sa.text("status <> 'cancelled'"),
        )
    if _on_postgresql():
        op.execute(_FORMER_EXCLUSION)
    else:
        for when, event in _FORMER_TRIGGERS.items():
            op.execute(_FORMER_TRIGGER.format(when=when, event=event))
    op.drop_table("occupations")
    op.drop_column("appointments", "own_minutes")
    op.drop_column("appointments", "calendars")
    op.drop_column("calendars", "busy_changes")


def _on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _move() -> int:
    """Give every appointment and hold its occupation, some at a time so that the log tells how far it is.
    Returns how many there are. Raises RuntimeError if any was left out, which undoes the migration."""
    tx = op.get_bind()
    total: int = tx.execute(sa.text("SELECT count(*) FROM appointments")).scalar_one()
    last_of_next = sa.text(
        "SELECT org_id, id FROM (SELECT org_id, id FROM appointments WHERE (org_id, id) > (:org, :id) "
        f"ORDER BY org_id, id LIMIT {_AT_ONCE}) AS next ORDER BY org_id DESC, id DESC LIMIT 1"
    )
    move = sa.text(
        "INSERT INTO occupations (org_id, holder_id, calendar_id, kind, busy_start, busy_end, from_change, "
        "to_change, active, expires_at, overlap_allowed) "
        "SELECT org_id, id, calendar_id, 'appointment', busy_start, busy_end, 0, 0, status <> 'cancelled', "
        "expires_at, overlap_allowed FROM appointments "
        "WHERE (org_id, id) > (:org, :id) AND (org_id, id) <= (:last_org, :last_id)"
    )
    moved, at = 0, {"org": "", "id": ""}
    while last := tx.execute(last_of_next, at).first():
        moved += tx.execute(move, at | {"last_org": last.org_id, "last_id": last.id}).rowcount
        at = {"org": last.org_id, "id": last.id}
        log.info("moving the time of appointments", moved=moved, of=total)
    if moved != total:
        raise RuntimeError(f"{total - moved} appointments would have lost their time; nothing was changed.")
    return moved


def _must_fit() -> None:
    """Raise RuntimeError if the schema of before could not hold what is stored."""
    tx = op.get_bind()
    for where, what in {
        "SELECT count(*) FROM appointments WHERE calendars IS NOT NULL": "appointments of several calendars",
        "SELECT count(*) FROM occupations WHERE kind <> 'appointment'": "busy times",
    }.items():
        if count := tx.execute(sa.text(where)).scalar_one():
            raise RuntimeError(f"There are {count} {what}, which the former schema can't hold.")
