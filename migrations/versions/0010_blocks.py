"""Time without a client, and feeds that tell only when time is taken.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

from kalends.db.columns import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blocks",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("calendar_id", sa.Text(), nullable=True),
        sa.Column("start_time", UtcDateTime(), nullable=False),
        sa.Column("end_time", UtcDateTime(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("rule", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("start_time < end_time", name=op.f("ck_blocks_times")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_blocks_org_id")),
        sa.ForeignKeyConstraint(
            ["org_id", "calendar_id"],
            ["calendars.org_id", "calendars.id"],
            name=op.f("fk_blocks_org_id_calendar_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_blocks")),
    )
    op.create_index("ix_blocks_org_id_start_time_id", "blocks", ["org_id", "start_time", "id"])
    op.add_column(
        "feeds", sa.Column("kind", sa.Text(), server_default=sa.text("'appointments'"), nullable=False)
    )


def downgrade() -> None:
    op.execute("DELETE FROM occupations WHERE kind = 'block'")
    op.execute("DELETE FROM feeds WHERE kind <> 'appointments'")  # it would show appointments there
    op.drop_column("feeds", "kind")
    op.drop_index("ix_blocks_org_id_start_time_id", table_name="blocks")
    op.drop_table("blocks")
