"""People of the staff, how they sign in, and where they are signed in.

Versions with 0011 know no people, and can't read history that names one. Going back makes people who did
something actors of the kind `operator`, by the same id and name.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

from kalends.db.columns import UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ACTORS = {
    "appointment_changes": "actor",
    **dict.fromkeys(("appointments", "api_keys", "blocks", "feeds", "receivers", "sources"), "created_by"),
}
"""Where it is stored who did something, by table."""


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("calendar_id", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_people_org_id")),
        sa.ForeignKeyConstraint(
            ["org_id", "calendar_id"],
            ["calendars.org_id", "calendars.id"],
            name=op.f("fk_people_org_id_calendar_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("pk_people")),
        sa.UniqueConstraint("org_id", "address", name=op.f("uq_people_org_id_address")),
    )
    op.create_index("ix_people_address", "people", ["address"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("begun_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "person_id"],
            ["people.org_id", "people.id"],
            name=op.f("fk_sessions_org_id_person_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "digest", name=op.f("pk_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_sessions_digest")),
    )
    op.create_index("ix_sessions_org_id_person_id", "sessions", ["org_id", "person_id"], unique=False)
    op.create_table(
        "entries",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "person_id"],
            ["people.org_id", "people.id"],
            name=op.f("fk_entries_org_id_person_id"),
        ),
        sa.PrimaryKeyConstraint("org_id", "digest", name=op.f("pk_entries")),
        sa.UniqueConstraint("digest", name=op.f("uq_entries_digest")),
    )
    op.create_index("ix_entries_org_id_person_id", "entries", ["org_id", "person_id"], unique=False)


def downgrade() -> None:
    for table, column in _ACTORS.items():
        op.execute(_without_people(table, column, '{"kind":'))
    for name in ("actor", "created_by"):  # each is written in two ways
        op.execute(_without_people("events", "payload", f'"{name}":{{"kind":', "%"))
        op.execute(_without_people("events", "payload", f'"{name}": {{"kind": ', "%"))
    op.drop_table("entries")
    op.drop_table("sessions")
    op.drop_table("people")


def _without_people(table: str, column: str, before: str, anywhere: str = "") -> str:
    """Return the statement that writes `operator` for `person` after what stands before it."""
    person, operator = f'{before}"person"', f'{before}"operator"'
    where = f"{column} LIKE '{anywhere}{person}%'"
    return f"UPDATE {table} SET {column} = replace({column}, '{person}', '{operator}') WHERE {where}"
