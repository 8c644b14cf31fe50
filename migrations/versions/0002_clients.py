"""What clients need to book for themselves: holds, what lapses, answers, and links of their own.

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
    op.add_column(
        "organizations",
        sa.Column("client_notice_hours", sa.Integer(), server_default=sa.text("24"), nullable=False),
    )
    op.add_column(
        "appointments", sa.Column("is_hold", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("appointments", sa.Column("expires_at", UtcDateTime(), nullable=True))
    op.add_column(
        "appointments", sa.Column("answers", sa.JSON(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.create_index(
        "ix_appointments_expires_at",
        "appointments",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
        sqlite_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "manage_links",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("appointment_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "appointment_id"],
            ["appointments.org_id", "appointments.id"],
            name=op.f("fk_manage_links_org_id_appointment_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "appointment_id", "digest", name=op.f("pk_manage_links")),
        sa.UniqueConstraint("digest", name=op.f("uq_manage_links_digest")),
    )


def downgrade() -> None:
    op.drop_table("manage_links")
    op.drop_index("ix_appointments_expires_at", table_name="appointments")
    op.execute("DELETE FROM appointments WHERE is_hold")
    for column in ("answers", "expires_at", "is_hold"):
        op.drop_column("appointments", column)
    op.drop_column("organizations", "client_notice_hours")
