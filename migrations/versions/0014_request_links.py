"""Links in mails to staff by which a person confirms or declines a request, and links to sign in that are
mailed.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

from kalends.db.columns import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "request_links",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("appointment_id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("start_time", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "appointment_id"],
            ["appointments.org_id", "appointments.id"],
            name=op.f("fk_request_links_org_id_appointment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "person_id"],
            ["people.org_id", "people.id"],
            name=op.f("fk_request_links_org_id_person_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "digest", name=op.f("pk_request_links")),
        sa.UniqueConstraint("digest", name=op.f("uq_request_links_digest")),
    )
    op.create_index(
        "ix_request_links_org_id_person_id", "request_links", ["org_id", "person_id"], unique=False
    )
    op.create_index("ix_request_links_start_time", "request_links", ["start_time"], unique=False)
    op.add_column("entries", sa.Column("event_id", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("entries", "event_id")
    op.drop_index("ix_request_links_start_time", "request_links")
    op.drop_index("ix_request_links_org_id_person_id", "request_links")
    op.drop_table("request_links")
