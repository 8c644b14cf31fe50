"""Types that need several calendars at once: their requirements, and which of them a calendar fills.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "appointment_types",
        sa.Column("requirements", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
    )
    op.add_column(
        "type_calendars",
        sa.Column("requirement", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("type_calendars", "requirement")
    op.drop_column("appointment_types", "requirements")
