"""What keeps one client from taking what is for all: caps on open bookings and on holds, confirmation by
mail, and how many bookings an organization takes in an hour.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BATCH = 10_000


def upgrade() -> None:
    op.add_column(
        "appointment_types",
        sa.Column("max_open_per_client", sa.Integer(), server_default=sa.text("5"), nullable=True),
    )
    op.add_column(
        "organizations",
        sa.Column("clients_confirm_by_mail", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column(
        "organizations",
        sa.Column("public_bookings_per_hour", sa.Integer(), server_default=sa.text("200"), nullable=True),
    )
    op.add_column("appointments", sa.Column("client_phone_digits", sa.Text(), nullable=True))
    op.add_column("appointments", sa.Column("held_from", sa.LargeBinary(), nullable=True))
    _read_digits()
    without_address = sa.text("client_phone_digits IS NOT NULL AND client_email_folded IS NULL")
    op.create_index(
        "ix_appointments_org_id_client_phone_digits",
        "appointments",
        ["org_id", "client_phone_digits", "start_time"],
        unique=False,
        postgresql_where=without_address,
        sqlite_where=without_address,
    )
    op.create_index(
        "ix_appointments_org_id_held_from",
        "appointments",
        ["org_id", "held_from"],
        unique=False,
        postgresql_where=sa.text("held_from IS NOT NULL"),
        sqlite_where=sa.text("held_from IS NOT NULL"),
    )


def downgrade() -> None:
    _forget_what_waits_for_clients()
    op.drop_index("ix_appointments_org_id_held_from", table_name="appointments")
    op.drop_index("ix_appointments_org_id_client_phone_digits", table_name="appointments")
    op.drop_column("appointments", "held_from")
    op.drop_column("appointments", "client_phone_digits")
    op.drop_column("organizations", "public_bookings_per_hour")
    op.drop_column("organizations", "clients_confirm_by_mail")
    op.drop_column("appointment_types", "max_open_per_client")


def _read_digits() -> None:
    tx = op.get_bind()
    if tx.dialect.name == "postgresql":
        op.execute(
            "UPDATE appointments SET client_phone_digits = regexp_replace(client_phone, '[^0-9]', '', 'g') "
            "WHERE client_phone IS NOT NULL"
        )
        return
    found = tx.execute(
        sa.text("SELECT org_id, id, client_phone FROM appointments WHERE client_phone IS NOT NULL")
    ).all()
    write = sa.text("UPDATE appointments SET client_phone_digits = :digits WHERE org_id = :org AND id = :id")
    for first in range(0, len(found), _BATCH):
        tx.execute(
            write,
            [
                {"org": row.org_id, "id": row.id, "digits": _digits(row.client_phone)}
                for row in found[first : first + _BATCH]
            ],
        )


def _digits(number: str) -> str:
    return "".join(each for each in number if each in "0123456789")


def _forget_what_waits_for_clients() -> None:
    """The version before knows no booking that waits for its client's confirmation, and no mail that asks for
    it."""
    asked = "SELECT id FROM events WHERE events.org_id = deliveries.org_id AND type = 'booking.asked'"
    op.execute(f"DELETE FROM deliveries WHERE event_id IN ({asked})")
    op.execute("DELETE FROM events WHERE type = 'booking.asked'")
    waiting = "SELECT id FROM appointments WHERE appointments.org_id = manage_links.org_id AND version = 0"
    op.execute(f"DELETE FROM manage_links WHERE appointment_id IN ({waiting})")
    op.execute("DELETE FROM appointments WHERE version = 0")
