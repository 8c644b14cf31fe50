"""Appointments can be changed and listed: history, cancellation reasons, and the indexes of lists.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from kalends.db.columns import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("appointments", sa.Column("cancellation_reason", sa.Text(), nullable=True))
    op.add_column("appointments", sa.Column("created_by", sa.Text(), nullable=True))
    op.create_index("ix_appointments_org_id_start_time_id", "appointments", ["org_id", "start_time", "id"])
    op.create_index("ix_appointments_org_id_updated_at_id", "appointments", ["org_id", "updated_at", "id"])
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


def downgrade() -> None:
    op.drop_table("appointment_changes")
    op.drop_index("ix_appointments_org_id_updated_at_id", table_name="appointments")
    op.drop_index("ix_appointments_org_id_start_time_id", table_name="appointments")
    op.drop_column("appointments", "created_by")
    op.drop_column("appointments", "cancellation_reason")
