"""What events need to leave the building: their order, who wants them, and what became of them.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from kalends.db.columns import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("organizations", sa.Column("notification_email", sa.Text(), nullable=True))
    op.add_column(
        "appointment_types",
        sa.Column("reminder_hours", sa.Integer(), server_default=sa.text("24"), nullable=True),
    )
    op.add_column("appointments", sa.Column("client_timezone", sa.Text(), nullable=True))
    op.add_column("events", sa.Column("subject_id", sa.Text(), nullable=True))
    op.add_column("events", sa.Column("subject_version", sa.Integer(), nullable=True))
    op.add_column("events", sa.Column("seq", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_events_org_id_unnumbered",
        "events",
        ["org_id", "id"],
        unique=False,
        postgresql_where=sa.text("seq IS NULL"),
        sqlite_where=sa.text("seq IS NULL"),
    )
    op.create_index(
        "uq_events_org_id_seq",
        "events",
        ["org_id", "seq"],
        unique=True,
        postgresql_where=sa.text("seq IS NOT NULL"),
        sqlite_where=sa.text("seq IS NOT NULL"),
    )
    op.create_table(
        "event_heads",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("forgotten", sa.BigInteger(), nullable=False),
        sa.Column("numbered_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_event_heads_org_id")),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_event_heads")),
    )
    # What has happened before is told to those who ask, but to nobody by mail.
    op.execute(
        "UPDATE events SET seq = numbered.seq FROM (SELECT org_id, id, row_number() OVER "
        "(PARTITION BY org_id ORDER BY id) AS seq FROM events) AS numbered "
        "WHERE events.org_id = numbered.org_id AND events.id = numbered.id"
    )
    op.execute(
        "INSERT INTO event_heads (org_id, seq, forgotten, numbered_at) "
        "SELECT org_id, max(seq), 0, max(occurred_at) FROM events GROUP BY org_id"
    )
    op.create_table(
        "receivers",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("old_secret", sa.Text(), nullable=True),
        sa.Column("old_secret_until", UtcDateTime(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("failing_since", UtcDateTime(), nullable=True),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("rests_until", UtcDateTime(), nullable=True),
        sa.Column("leased_by", sa.Text(), nullable=True),
        sa.Column("leased_until", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('webhook', 'mail')", name=op.f("ck_receivers_kind")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_receivers_org_id")),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_receivers")),
    )
    op.create_index(
        "ix_receivers_due_at",
        "receivers",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "deliveries",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("receiver_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=True),
        sa.Column("subject_id", sa.Text(), nullable=True),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("last_attempt_at", UtcDateTime(), nullable=True),
        sa.Column("answer_code", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'delivered', 'failed', 'skipped')", name=op.f("ck_deliveries_status")
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "receiver_id"],
            ["receivers.org_id", "receivers.id"],
            name=op.f("fk_deliveries_org_id_receiver_id"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "event_id"], ["events.org_id", "events.id"], name=op.f("fk_deliveries_org_id_event_id")
        ),
        sa.PrimaryKeyConstraint("org_id", "receiver_id", "id", name=op.f("pk_deliveries")),
    )
    for last in (["due_at", "place"], ["subject_id", "place"]):
        op.create_index(
            f"ix_deliveries_pending_{last[0]}",
            "deliveries",
            ["org_id", "receiver_id", *last],
            unique=False,
            postgresql_where=sa.text("status = 'pending'"),
            sqlite_where=sa.text("status = 'pending'"),
        )
    op.create_index("ix_deliveries_org_id_event_id", "deliveries", ["org_id", "event_id"], unique=False)

    op.create_table(
        "feeds",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("calendar_id", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_feeds_org_id")),
        sa.ForeignKeyConstraint(
            ["org_id", "calendar_id"],
            ["calendars.org_id", "calendars.id"],
            name=op.f("fk_feeds_org_id_calendar_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_feeds")),
        sa.UniqueConstraint("digest", name=op.f("uq_feeds_digest")),
    )


def downgrade() -> None:
    op.drop_table("feeds")
    op.drop_table("deliveries")
    op.drop_table("receivers")
    op.drop_table("event_heads")
    op.drop_index("uq_events_org_id_seq", table_name="events")
    op.drop_index("ix_events_org_id_unnumbered", table_name="events")
    for column in ("seq", "subject_version", "subject_id"):
        op.drop_column("events", column)
    op.drop_column("appointments", "client_timezone")
    op.drop_column("appointment_types", "reminder_hours")
    op.drop_column("organizations", "notification_email")
