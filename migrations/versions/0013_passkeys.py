"""Passkeys of the staff, what browsers are asked to answer, who made the link by which a password was set,
and who people are at an identity provider.

Going back to 0012 takes the passkeys and nothing else: whoever has no password needs a link again. History
stays readable, since versions with 0012 know actors of the kind `person`. Versions with 0011 don't, so going
back that far makes them actors of the kind `operator` (see 0012).

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

from kalends.db.columns import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_OF_PEOPLE = ("password_by", "oidc_issuer", "oidc_subject")
_SETTERS = """
UPDATE people SET password_by = (
    SELECT sessions.created_by FROM sessions
    WHERE sessions.org_id = people.org_id AND sessions.person_id = people.id
    AND sessions.created_by IS NOT NULL
    ORDER BY sessions.begun_at LIMIT 1
) WHERE password IS NOT NULL
"""
"""A password that was set with 0012 may have been set in any session by a link: who made the first of those
that last is taken for who is behind it."""


def upgrade() -> None:
    for column in _OF_PEOPLE:
        op.add_column("people", sa.Column(column, sa.Text(), nullable=True))
    op.create_index("ix_people_oidc_subject", "people", ["oidc_subject", "oidc_issuer"], unique=False)
    op.create_index(
        "uq_people_org_id_oidc_subject", "people", ["org_id", "oidc_issuer", "oidc_subject"], unique=True
    )
    op.execute(_SETTERS)
    op.create_table(
        "passkeys",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("credential", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "person_id"],
            ["people.org_id", "people.id"],
            name=op.f("fk_passkeys_org_id_person_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential", name=op.f("uq_passkeys_credential")),
    )
    op.create_index("ix_passkeys_org_id_person_id", "passkeys", ["org_id", "person_id"], unique=False)
    op.create_table(
        "challenges",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_challenges")),
    )
    op.create_index("ix_challenges_expires_at", "challenges", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("challenges")
    op.drop_table("passkeys")
    op.drop_index("uq_people_org_id_oidc_subject", "people")
    op.drop_index("ix_people_oidc_subject", "people")
    for column in _OF_PEOPLE:
        op.drop_column("people", column)
