"""Other calendars whose busy times are kept.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

from kalends.db.columns import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sources",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("calendar_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("shown_url", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("sealed_by", sa.Text(), nullable=False),
        sa.Column("free_timed_events", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("events", sa.Integer(), nullable=True),
        sa.Column("unreadable", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("last_success_at", UtcDateTime(), nullable=True),
        sa.Column("failing_since", UtcDateTime(), nullable=True),
        sa.Column("failing_told", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("begun_at", UtcDateTime(), nullable=True),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("leased_by", sa.Text(), nullable=True),
        sa.Column("leased_until", UtcDateTime(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('ics', 'caldav')", name=op.f("ck_sources_kind")),
        sa.ForeignKeyConstraint(
            ["org_id", "calendar_id"],
            ["calendars.org_id", "calendars.id"],
            name=op.f("fk_sources_org_id_calendar_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_sources")),
    )
    op.create_index("ix_sources_org_id_calendar_id", "sources", ["org_id", "calendar_id"], unique=False)
    op.create_index("ix_sources_due_at", "sources", ["due_at"], unique=False)
    op.create_index("ix_sources_sealed_by", "sources", ["sealed_by", "id"], unique=False)


def downgrade() -> None:
    # Busy times of sources that nobody reads any more would stay in the way for ever.
    op.execute("DELETE FROM occupations WHERE kind = 'source'")
    op.drop_table("sources")
