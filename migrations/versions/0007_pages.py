"""What pages for clients need: how an organization shows itself, where appointments of a type take place and
what they cost, who may book them, and whom clients may choose.

Revision ID: 0007
Revises: 0006
"""

import re
import unicodedata
from collections import defaultdict

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_RESERVED = ("hold", "logo", "theme", "appointments")
_ORGANIZATION = ("intro", "address", "phone", "contact_email", "privacy_url", "terms_url", "color", "logo")


def upgrade() -> None:
    for name in (*_ORGANIZATION, "manage_url_template"):
        op.add_column("organizations", sa.Column(name, sa.Text(), nullable=True))
    op.add_column(
        "organizations", sa.Column("embed_origins", sa.JSON(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.add_column("organizations", sa.Column("page", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column(
        "organizations", sa.Column("indexing", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "logos",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="pk_logos"),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name="fk_logos_org_id"),
    )
    op.add_column(
        "appointment_types", sa.Column("slug", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    for name in ("confirmation_text", "redirect_url"):
        op.add_column("appointment_types", sa.Column(name, sa.Text(), nullable=True))
    for name in ("location", "price"):
        op.add_column("appointment_types", sa.Column(name, sa.JSON(none_as_null=True), nullable=True))
    op.add_column(
        "appointment_types", sa.Column("texts", sa.JSON(), server_default=sa.text("'{}'"), nullable=False)
    )
    for name, default in (("visibility", "public"), ("contact", "either")):
        op.add_column(
            "appointment_types",
            sa.Column(name, sa.Text(), server_default=sa.text(f"'{default}'"), nullable=False),
        )
    op.add_column(
        "appointment_types",
        sa.Column("clients_choose", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    _name_types()
    op.create_index("uq_appointment_types_org_id_slug", "appointment_types", ["org_id", "slug"], unique=True)
    for name in ("public_name", "about"):
        op.add_column("calendars", sa.Column(name, sa.Text(), nullable=True))
    op.add_column(
        "calendars", sa.Column("is_public", sa.Boolean(), server_default=sa.false(), nullable=False)
    )


def downgrade() -> None:
    for name in ("is_public", "about", "public_name"):
        op.drop_column("calendars", name)
    op.drop_index("uq_appointment_types_org_id_slug", table_name="appointment_types")
    for name in (
        *("clients_choose", "contact", "visibility", "texts", "price", "location"),
        *("redirect_url", "confirmation_text", "slug"),
    ):
        op.drop_column("appointment_types", name)
    op.drop_table("logos")
    for name in ("indexing", "page", "embed_origins", "manage_url_template", *reversed(_ORGANIZATION)):
        op.drop_column("organizations", name)


def _name_types() -> None:
    """Give each type a slug from its name, each once in its organization, the oldest first."""
    tx = op.get_bind()
    taken: dict[str, set[str]] = defaultdict(set)
    found = "SELECT org_id, id, name FROM appointment_types ORDER BY org_id, sort_order, id"
    write = sa.text("UPDATE appointment_types SET slug = :slug WHERE org_id = :org AND id = :id")
    for row in tx.execute(sa.text(found)).all():
        slug = _free(_slug(row.name) or "booking", taken[row.org_id])
        taken[row.org_id].add(slug)
        tx.execute(write, {"slug": slug, "org": row.org_id, "id": row.id})


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].strip("-")


def _free(wanted: str, taken: set[str]) -> str:
    slug, number = wanted, 2
    while slug in taken or slug in _RESERVED:
        slug, number = f"{wanted[:55]}-{number}", number + 1
    return slug
