"""The first schema.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

from kalends.db.columns import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Two active appointments never occupy one calendar at the same time, buffers included; only what staff
# forced (overlap_allowed) stands outside. Both databases say it in the same words, each in its own way.
EXCLUSION = """
ALTER TABLE appointments ADD CONSTRAINT appointments_no_double_booking
EXCLUDE USING gist (org_id WITH =, calendar_id WITH =, tstzrange(busy_start, busy_end) WITH &&)
WHERE (status <> 'cancelled' AND NOT overlap_allowed)
"""

# The rows the trigger compares with are disjoint, since it keeps them so. Hence the newest one that
# starts before the new one's end is the only one that can reach into it: one step in the index.
TRIGGER = """
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
TRIGGERS = {
    "insert": "INSERT",
    "update": "UPDATE OF org_id, id, calendar_id, busy_start, busy_end, status, overlap_allowed",
}


def upgrade() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("week_start", sa.Integer(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("requests_per_hour", sa.Integer(), nullable=True),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "plan IN ('starter', 'professional', 'enterprise')", name=op.f("ck_organizations_plan")
        ),
        sa.CheckConstraint("week_start IN (0, 1)", name=op.f("ck_organizations_week_start")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint("slug", name=op.f("uq_organizations_slug")),
    )
    op.create_table(
        "api_keys",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_api_keys_org_id")),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )
    op.create_table(
        "events",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_events_org_id")),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_events")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_idempotency_keys_org_id")),
        sa.PrimaryKeyConstraint("org_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(
        "ix_idempotency_keys_org_id_created_at", "idempotency_keys", ["org_id", "created_at"], unique=False
    )
    op.create_table(
        "schedules",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_schedules_org_id")),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_schedules")),
    )
    op.create_index(
        "uq_schedules_org_id_default",
        "schedules",
        ["org_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
        sqlite_where=sa.text("is_default"),
    )
    op.create_table(
        "appointment_types",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("duration_minutes", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("color", sa.Text(), nullable=False),
        sa.Column("buffer_before_minutes", sa.Integer(), nullable=False),
        sa.Column("buffer_after_minutes", sa.Integer(), nullable=False),
        sa.Column("max_per_day", sa.Integer(), nullable=True),
        sa.Column("max_per_week", sa.Integer(), nullable=True),
        sa.Column("max_per_month", sa.Integer(), nullable=True),
        sa.Column("min_notice_hours", sa.Integer(), nullable=False),
        sa.Column("max_days_ahead", sa.Integer(), nullable=True),
        sa.Column("requires_confirmation", sa.Boolean(), nullable=False),
        sa.Column("confirm_within_hours", sa.Integer(), nullable=True),
        sa.Column("slot_interval_minutes", sa.Integer(), nullable=True),
        sa.Column("booking_questions", sa.JSON(), nullable=False),
        sa.Column("schedule_id", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("sort_order", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "buffer_after_minutes BETWEEN 0 AND 1440", name=op.f("ck_appointment_types_buffer_after_minutes")
        ),
        sa.CheckConstraint(
            "buffer_before_minutes BETWEEN 0 AND 1440",
            name=op.f("ck_appointment_types_buffer_before_minutes"),
        ),
        sa.CheckConstraint(
            "duration_minutes BETWEEN 1 AND 10080", name=op.f("ck_appointment_types_duration_minutes")
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "schedule_id"],
            ["schedules.org_id", "schedules.id"],
            name=op.f("fk_appointment_types_org_id_schedule_id"),
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_appointment_types_org_id")),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_appointment_types")),
    )
    op.create_table(
        "calendars",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("color", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("schedule_id", sa.Text(), nullable=True),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "schedule_id"],
            ["schedules.org_id", "schedules.id"],
            name=op.f("fk_calendars_org_id_schedule_id"),
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_calendars_org_id")),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_calendars")),
    )
    op.create_index(
        "uq_calendars_org_id_default",
        "calendars",
        ["org_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
        sqlite_where=sa.text("is_default"),
    )
    op.create_table(
        "overrides",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("schedule_id", sa.Text(), nullable=False),
        sa.Column("start_date", sa.Text(), nullable=False),
        sa.Column("end_date", sa.Text(), nullable=False),
        sa.Column("windows", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("holiday", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("start_date <= end_date", name=op.f("ck_overrides_dates")),
        sa.ForeignKeyConstraint(
            ["org_id", "schedule_id"],
            ["schedules.org_id", "schedules.id"],
            name=op.f("fk_overrides_org_id_schedule_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_overrides")),
        sa.UniqueConstraint(
            "org_id",
            "schedule_id",
            "holiday",
            "start_date",
            name=op.f("uq_overrides_org_id_schedule_id_holiday_start_date"),
        ),
    )
    op.create_index(
        "ix_overrides_org_id_schedule_id_start_date",
        "overrides",
        ["org_id", "schedule_id", "start_date"],
        unique=False,
    )
    op.create_table(
        "appointments",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("appointment_type_id", sa.Text(), nullable=False),
        sa.Column("calendar_id", sa.Text(), nullable=False),
        sa.Column("start_time", UtcDateTime(), nullable=False),
        sa.Column("end_time", UtcDateTime(), nullable=False),
        sa.Column("busy_start", UtcDateTime(), nullable=False),
        sa.Column("busy_end", UtcDateTime(), nullable=False),
        sa.Column("overlap_allowed", sa.Boolean(), nullable=False),
        sa.Column("client_name", sa.Text(), nullable=False),
        sa.Column("client_email", sa.Text(), nullable=True),
        sa.Column("client_phone", sa.Text(), nullable=True),
        sa.Column("client_language", sa.Text(), nullable=False),
        sa.Column("client_notes", sa.Text(), nullable=True),
        sa.Column("internal_notes", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", UtcDateTime(), nullable=True),
        sa.Column("completed_at", UtcDateTime(), nullable=True),
        sa.Column("cancelled_at", UtcDateTime(), nullable=True),
        sa.Column("no_show_at", UtcDateTime(), nullable=True),
        sa.Column("cancellation_reason", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("source IN ('manual', 'booking_page')", name=op.f("ck_appointments_source")),
        sa.CheckConstraint(
            "status IN ('pending', 'confirmed', 'completed', 'cancelled', 'no_show')",
            name=op.f("ck_appointments_status"),
        ),
        sa.CheckConstraint(
            "busy_start <= start_time AND start_time < end_time AND end_time <= busy_end",
            name=op.f("ck_appointments_times"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "appointment_type_id"],
            ["appointment_types.org_id", "appointment_types.id"],
            name=op.f("fk_appointments_org_id_appointment_type_id"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "calendar_id"],
            ["calendars.org_id", "calendars.id"],
            name=op.f("fk_appointments_org_id_calendar_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_appointments")),
    )
    op.create_index(
        "ix_appointments_org_id_calendar_id_busy_start",
        "appointments",
        ["org_id", "calendar_id", "overlap_allowed", "busy_start"],
        unique=False,
        postgresql_where=sa.text("status <> 'cancelled'"),
        sqlite_where=sa.text("status <> 'cancelled'"),
    )
    op.create_index(
        "ix_appointments_org_id_start_time_id", "appointments", ["org_id", "start_time", "id"], unique=False
    )
    op.create_index(
        "ix_appointments_org_id_updated_at_id", "appointments", ["org_id", "updated_at", "id"], unique=False
    )
    op.create_table(
        "type_calendars",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("appointment_type_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("calendar_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "appointment_type_id"],
            ["appointment_types.org_id", "appointment_types.id"],
            name=op.f("fk_type_calendars_org_id_appointment_type_id"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "calendar_id"],
            ["calendars.org_id", "calendars.id"],
            name=op.f("fk_type_calendars_org_id_calendar_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "appointment_type_id", "position", name=op.f("pk_type_calendars")),
        sa.UniqueConstraint(
            "org_id",
            "appointment_type_id",
            "calendar_id",
            name=op.f("uq_type_calendars_org_id_appointment_type_id_calendar_id"),
        ),
    )
    op.create_table(
        "windows",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("schedule_id", sa.Text(), nullable=False),
        sa.Column("day_of_week", sa.Integer(), nullable=False),
        sa.Column("start_time", sa.Text(), nullable=False),
        sa.Column("end_time", sa.Text(), nullable=False),
        sa.Column("appointment_type_id", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("day_of_week BETWEEN 0 AND 6", name=op.f("ck_windows_day_of_week")),
        sa.CheckConstraint("start_time < end_time", name=op.f("ck_windows_times")),
        sa.ForeignKeyConstraint(
            ["org_id", "appointment_type_id"],
            ["appointment_types.org_id", "appointment_types.id"],
            name=op.f("fk_windows_org_id_appointment_type_id"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "schedule_id"],
            ["schedules.org_id", "schedules.id"],
            name=op.f("fk_windows_org_id_schedule_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_windows")),
    )
    op.create_index("ix_windows_org_id_schedule_id", "windows", ["org_id", "schedule_id"], unique=False)
    op.create_table(
        "appointment_changes",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("appointment_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "appointment_id"],
            ["appointments.org_id", "appointments.id"],
            name=op.f("fk_appointment_changes_org_id_appointment_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "appointment_id", "version", name=op.f("pk_appointment_changes")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
        op.execute(EXCLUSION)
    else:
        for when, event in TRIGGERS.items():
            op.execute(TRIGGER.format(when=when, event=event))


def downgrade() -> None:
    op.drop_table("appointment_changes")
    op.drop_index("ix_windows_org_id_schedule_id", table_name="windows")
    op.drop_table("windows")
    op.drop_table("type_calendars")
    op.drop_index("ix_appointments_org_id_updated_at_id", table_name="appointments")
    op.drop_index("ix_appointments_org_id_start_time_id", table_name="appointments")
    op.drop_index(
        "ix_appointments_org_id_calendar_id_busy_start",
        table_name="appointments",
        postgresql_where=sa.text("status <> 'cancelled'"),
        sqlite_where=sa.text("status <> 'cancelled'"),
    )
    op.drop_table("appointments")
    op.drop_index("ix_overrides_org_id_schedule_id_start_date", table_name="overrides")
    op.drop_table("overrides")
    op.drop_index(
        "uq_calendars_org_id_default",
        table_name="calendars",
        postgresql_where=sa.text("is_default"),
        sqlite_where=sa.text("is_default"),
    )
    op.drop_table("calendars")
    op.drop_table("appointment_types")
    op.drop_index(
        "uq_schedules_org_id_default",
        table_name="schedules",
        postgresql_where=sa.text("is_default"),
        sqlite_where=sa.text("is_default"),
    )
    op.drop_table("schedules")
    op.drop_index("ix_idempotency_keys_org_id_created_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("events")
    op.drop_table("api_keys")
    op.drop_table("organizations")
