"""Tenancy is a property of the schema: every key starts with the organization."""

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, UniqueConstraint

from kalends.db.tables import metadata

# The directories that find the organization in the first place, what the worker sweeps for all of them, and
# what is about servers.
DIRECTORIES = {
    "pk_organizations",
    "pk_zone_data",
    "pk_challenges",
    "uq_organizations_slug",
    "uq_slugs_slug",
    "uq_api_keys_digest",
    "uq_manage_links_digest",
    "uq_request_links_digest",
    "uq_feeds_digest",
    "uq_sessions_digest",
    "uq_entries_digest",
    "uq_passkeys_credential",
    "ix_people_address",
    "ix_people_oidc_subject",
    "ix_challenges_expires_at",
    "ix_appointments_expires_at",
    "ix_receivers_due_at",
    "ix_receivers_sealed_by",
    "ix_receivers_old_secret_until",
    "ix_idempotency_keys_created_at",
    "ix_manage_links_created_at",
    "ix_request_links_start_time",
    "ix_sources_due_at",
    "ix_sources_sealed_by",
}


def test_every_key_starts_with_the_organization() -> None:
    checked = set()
    for table in metadata.tables.values():
        keys = [
            *(
                each
                for each in table.constraints
                if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)
            ),
            *(each for each in table.constraints if isinstance(each, ForeignKeyConstraint)),
            *table.indexes,
        ]
        assert any(isinstance(key, PrimaryKeyConstraint) for key in keys)
        for key in keys:
            assert isinstance(key, PrimaryKeyConstraint | UniqueConstraint | ForeignKeyConstraint | Index)
            checked.add(str(key.name))
            if key.name not in DIRECTORIES:
                assert next(iter(key.columns)).name == "org_id", key.name
    assert checked > DIRECTORIES
