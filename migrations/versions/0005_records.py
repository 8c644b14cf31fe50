"""Records: who made keys, feeds and webhooks, which slugs are whose, by which key a webhook's
secrets are encrypted; and the indexes along which the worker finds what has expired.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from kalends.db.columns import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_MAKERS = ("api_keys", "feeds", "receivers")


def upgrade() -> None:
    for table in _MAKERS:
        # Nobody knows any more who made what was there before.
        op.add_column(table, sa.Column("created_by", sa.Text(), nullable=True))
    op.create_table(
        "slugs",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("given_up_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_slugs_org_id")),
        sa.PrimaryKeyConstraint("org_id", "slug", name=op.f("pk_slugs")),
        sa.UniqueConstraint("slug", name=op.f("uq_slugs_slug")),
    )
    op.execute("INSERT INTO slugs (org_id, slug) SELECT id, slug FROM organizations")
    op.add_column(
        "receivers", sa.Column("sealed_by", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.create_index(
        "ix_receivers_sealed_by",
        "receivers",
        ["sealed_by", "id"],
        unique=False,
        postgresql_where=sa.text("kind = 'webhook'"),
        sqlite_where=sa.text("kind = 'webhook'"),
    )
    op.create_index(
        "ix_receivers_old_secret_until",
        "receivers",
        ["old_secret_until"],
        unique=False,
        postgresql_where=sa.text("old_secret_until IS NOT NULL"),
        sqlite_where=sa.text("old_secret_until IS NOT NULL"),
    )
    op.drop_index("ix_idempotency_keys_org_id_created_at", table_name="idempotency_keys")
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_index("ix_manage_links_created_at", "manage_links", ["created_at", "digest"], unique=False)


def downgrade() -> None:
    sealed = op.get_bind().execute(sa.text("SELECT count(*) FROM receivers WHERE sealed_by <> ''")).scalar()
    if sealed:
        raise RuntimeError(
            f"{sealed} webhooks have encrypted secrets, which an older version can't read. First run this "
            "version's worker with KALENDS_SECRETS_KEY empty and the key in KALENDS_SECRETS_KEY_BEFORE."
        )
    op.drop_index("ix_manage_links_created_at", table_name="manage_links")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
    op.create_index(
        "ix_idempotency_keys_org_id_created_at", "idempotency_keys", ["org_id", "created_at"], unique=False
    )
    op.drop_index("ix_receivers_old_secret_until", table_name="receivers")
    op.drop_index("ix_receivers_sealed_by", table_name="receivers")
    op.drop_column("receivers", "sealed_by")
    op.drop_table("slugs")
    for table in reversed(_MAKERS):
        op.drop_column(table, "created_by")
