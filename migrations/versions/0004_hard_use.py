"""What a day of hard use asked for: an organization's language and grace, any first day of the week, clients'
addresses whatever their capitals, the last booking of each calendar, what clients were mailed, since when
deliveries wait and where mails went, and which zone data servers use.

Revision ID: 0004
Revises: 0003
"""

import unicodedata

import holidays
import sqlalchemy as sa
from alembic import op

from kalends.db.columns import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BATCH = 10_000
_WEEK_START = "ck_organizations_week_start"
_TWO_DAYS, _ALL_DAYS = "week_start IN (0, 1)", "week_start BETWEEN 0 AND 6"


def upgrade() -> None:
    op.add_column("organizations", sa.Column("language", sa.Text(), nullable=True))
    op.add_column(
        "organizations",
        sa.Column("client_grace_minutes", sa.Integer(), server_default=sa.text("15"), nullable=False),
    )
    _check_week_start(_TWO_DAYS, _ALL_DAYS)
    op.add_column("appointments", sa.Column("client_email_folded", sa.Text(), nullable=True))
    _fold_addresses()
    op.create_index(
        "ix_appointments_org_id_client_email_folded",
        "appointments",
        ["org_id", "client_email_folded", "start_time", "id"],
        unique=False,
        postgresql_where=sa.text("client_email_folded IS NOT NULL"),
        sqlite_where=sa.text("client_email_folded IS NOT NULL"),
    )
    op.create_index(
        "ix_appointments_org_id_calendar_id_id",
        "appointments",
        ["org_id", "calendar_id", "id"],
        unique=False,
        postgresql_where=sa.text("status <> 'cancelled'"),
        sqlite_where=sa.text("status <> 'cancelled'"),
    )
    # A request that nobody has confirmed ends when its time begins.
    op.execute(
        "UPDATE appointments SET expires_at = start_time WHERE status = 'pending' AND NOT is_hold "
        "AND (expires_at IS NULL OR expires_at > start_time)"
    )
    op.create_index(
        "ix_deliveries_org_id_subject_id_told",
        "deliveries",
        ["org_id", "subject_id", "place"],
        unique=False,
        postgresql_where=sa.text("status = 'delivered' AND audience = 'client'"),
        sqlite_where=sa.text("status = 'delivered' AND audience = 'client'"),
    )
    op.add_column("deliveries", sa.Column("due_since", UtcDateTime(), nullable=True))
    op.add_column("deliveries", sa.Column("address", sa.Text(), nullable=True))
    op.add_column("deliveries", sa.Column("appointment_id", sa.Text(), nullable=True))
    op.execute(
        "UPDATE deliveries SET due_since = CASE WHEN audience = 'reminder' THEN due_at ELSE created_at END "
        "WHERE status = 'pending'"
    )
    op.execute(
        "UPDATE deliveries SET appointment_id = (SELECT subject_id FROM events "
        "WHERE events.org_id = deliveries.org_id AND events.id = deliveries.event_id) "
        "WHERE audience IS NOT NULL"
    )
    op.create_index(
        "ix_deliveries_pending_due_since",
        "deliveries",
        ["org_id", "receiver_id", "due_since"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
        sqlite_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_deliveries_org_id_appointment_id_id",
        "deliveries",
        ["org_id", "appointment_id", "id"],
        unique=False,
        postgresql_where=sa.text("appointment_id IS NOT NULL"),
        sqlite_where=sa.text("appointment_id IS NOT NULL"),
    )
    _name_sources_of_holidays()
    op.create_table(
        "zone_data",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_zone_data")),
    )


def downgrade() -> None:
    op.drop_table("zone_data")
    op.drop_index("ix_deliveries_org_id_appointment_id_id", table_name="deliveries")
    op.drop_index("ix_deliveries_pending_due_since", table_name="deliveries")
    op.drop_column("deliveries", "appointment_id")
    op.drop_column("deliveries", "address")
    op.drop_column("deliveries", "due_since")
    op.drop_index("ix_deliveries_org_id_subject_id_told", table_name="deliveries")
    op.drop_index("ix_appointments_org_id_calendar_id_id", table_name="appointments")
    op.drop_index("ix_appointments_org_id_client_email_folded", table_name="appointments")
    op.drop_column("appointments", "client_email_folded")
    op.execute("UPDATE organizations SET week_start = 1 WHERE week_start > 1")
    _check_week_start(_ALL_DAYS, _TWO_DAYS)
    op.drop_column("organizations", "client_grace_minutes")
    op.drop_column("organizations", "language")


def _check_week_start(before: str, after: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f(_WEEK_START), "organizations", type_="check")
        op.create_check_constraint(op.f(_WEEK_START), "organizations", after)
        return
    # SQLite can't change a constraint, and a table that others refer to can't be built anew within a
    # transaction. Its manual has this way for a CHECK, which touches no row (lang_altertable, section 7).
    tx = op.get_bind()
    version = tx.exec_driver_sql("PRAGMA schema_version").scalar_one()
    tx.exec_driver_sql("PRAGMA writable_schema = ON")
    changed = tx.exec_driver_sql(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'organizations' "
        "AND instr(sql, ?) > 0",
        (before, after, before),
    )
    if changed.rowcount != 1:
        raise RuntimeError(
            "The table organizations does not have the check of week_start that it should have."
        )
    tx.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    tx.exec_driver_sql("PRAGMA writable_schema = RESET")


def _fold_addresses() -> None:
    """Databases fold the letters of ASCII alike; for all others Python does it."""
    tx = op.get_bind()
    on_postgres = tx.dialect.name == "postgresql"
    lower = 'lower(client_email COLLATE "C")' if on_postgres else "lower(client_email)"
    op.execute(f"UPDATE appointments SET client_email_folded = {lower} WHERE client_email IS NOT NULL")
    not_ascii = "client_email ~ '[^ -~]'" if on_postgres else "client_email GLOB '*[^ -~]*'"
    rows = tx.execute(sa.text(f"SELECT org_id, id, client_email FROM appointments WHERE {not_ascii}")).all()
    fold = sa.text("UPDATE appointments SET client_email_folded = :folded WHERE org_id = :org AND id = :id")
    for first in range(0, len(rows), _BATCH):
        tx.execute(
            fold,
            [
                {"org": row.org_id, "id": row.id, "folded": _folded(row.client_email)}
                for row in rows[first : first + _BATCH]
            ],
        )


def _folded(address: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", address).casefold())


def _name_sources_of_holidays() -> None:
    """DE and DEU are one source, and so are DE-BY, de-by and DE-Bayern. What stands twice stays as it is."""
    tx = op.get_bind()
    rename = sa.text(
        "UPDATE overrides SET holiday = :after WHERE holiday = :before AND NOT EXISTS "
        "(SELECT 1 FROM overrides AS other WHERE other.org_id = overrides.org_id "
        "AND other.schedule_id = overrides.schedule_id AND other.start_date = overrides.start_date "
        "AND other.holiday = :after)"
    )
    for before in tx.execute(sa.text("SELECT DISTINCT holiday FROM overrides WHERE holiday IS NOT NULL")):
        if (after := _source(before.holiday)) != before.holiday:
            tx.execute(rename, {"before": before.holiday, "after": after})


def _source(spelt: str) -> str:
    country, _, part = spelt.partition("-")
    try:
        known = holidays.country_holidays(country)
    except NotImplementedError:
        return spelt
    parts = {each.casefold(): each for each in known.subdivisions}
    parts |= {name.casefold(): each for name, each in known.subdivisions_aliases.items()}
    return "-".join(each for each in (known.country, parts.get(part.casefold(), part)) if each)
