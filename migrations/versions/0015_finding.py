"""Words by which appointments are found, and the key by which clients are told apart.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

from kalends.core.finding import found_by

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
_BATCH = 2_000
_READ = (
    "SELECT org_id, id, client_name, client_email, client_email_folded, client_phone, client_phone_digits, "
    "client_notes, internal_notes FROM appointments"
)


def upgrade() -> None:
    op.add_column("appointments", sa.Column("client_key", sa.Text(), nullable=True))
    op.add_column(
        "appointments", sa.Column("client_words", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    _read_words()
    op.create_index(
        "ix_appointments_org_id_client_key",
        "appointments",
        ["org_id", "client_key", "start_time", "id", "is_hold"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index("ix_appointments_org_id_client_key", table_name="appointments")
    op.drop_column("appointments", "client_words")
    op.drop_column("appointments", "client_key")


def _read_words() -> None:
    """Compute the words of what is stored, some rows at a time: notes may be long. They have to be those by
    which the present code searches. Whoever changes `found_by` renews them by a migration of its own."""
    tx = op.get_bind()
    write = sa.text(
        "UPDATE appointments SET client_key = :client_key, client_words = :client_words "
        "WHERE org_id = :org AND id = :id"
    )
    last = ("", "")
    after = sa.text(f"{_READ} WHERE (org_id, id) > (:org, :id) ORDER BY org_id, id LIMIT {_BATCH}")
    while rows := tx.execute(after, {"org": last[0], "id": last[1]}).all():
        tx.execute(write, [{"org": row.org_id, "id": row.id, **found_by(dict(row._mapping))} for row in rows])
        last = (rows[-1].org_id, rows[-1].id)
