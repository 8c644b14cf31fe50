"""The tables. Every primary, unique and foreign key starts with the organization, so one
organization's row can't refer to another's even by mistake, and the schema shards by it.

The exceptions are the directories that find the organization in the first place (`organizations` by
id and slug, the digests of API keys, of clients' links and feeds, and what staff sign in with), `challenges`,
which are of nobody yet, and `zone_data`, which is about servers. The guarantee against double
bookings (an exclusion constraint on PostgreSQL, triggers on SQLite) is laid down in the migrations.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Named,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
    false,
    text,
    true,
)

from kalends.db.columns import UtcDateTime

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class OrganizationColumns(TypedColumns):
    id: Named[str] = Column(Text)
    name: Named[str] = Column(Text)
    slug: Named[str] = Column(Text)
    timezone: Named[str] = Column(Text)
    week_start: Named[int] = Column(Integer)
    plan: Named[str] = Column(Text)
    requests_per_hour: Named[int | None] = Column(Integer)
    sandbox: Named[bool] = Column(Boolean)
    client_notice_hours: Named[int] = Column(Integer, server_default=text("24"))
    client_grace_minutes: Named[int] = Column(Integer, server_default=text("15"))
    notification_email: Named[str | None] = Column(Text)
    language: Named[str | None] = Column(Text)
    clients_confirm_by_mail: Named[bool] = Column(Boolean, server_default=false())
    public_bookings_per_hour: Named[int | None] = Column(Integer, server_default=text("200"))
    intro: Named[str | None] = Column(Text)
    address: Named[str | None] = Column(Text)
    phone: Named[str | None] = Column(Text)
    contact_email: Named[str | None] = Column(Text)
    privacy_url: Named[str | None] = Column(Text)
    terms_url: Named[str | None] = Column(Text)
    color: Named[str | None] = Column(Text)
    logo: Named[str | None] = Column(Text)
    embed_origins: Named[list[str]] = Column(JSON, server_default=text("'[]'"))
    page: Named[bool] = Column(Boolean, server_default=true())
    indexing: Named[bool] = Column(Boolean, server_default=false())
    manage_url_template: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(UtcDateTime)
    updated_at: Named[datetime] = Column(UtcDateTime)


organizations = Table(
    "organizations",
    metadata,
    OrganizationColumns,
    PrimaryKeyConstraint("id"),
    UniqueConstraint("slug"),
    CheckConstraint("week_start BETWEEN 0 AND 6", name="week_start"),
    CheckConstraint("plan IN ('starter', 'professional', 'enterprise')", name="plan"),
)
"""`client_notice_hours` is how long before its start clients may still cancel or move an appointment, and
`client_grace_minutes` how long after they booked it they may do so all the same. `language` (BCP 47) is that
of mails to staff and of pages; null: not chosen yet. Of `public_bookings_per_hour`, null is no limit. `logo`
is the digest of the picture in `logos`; `page` says whether there are pages for clients, `indexing` whether
search engines may list them, and `embed_origins` which sites may frame them."""


class LogoColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    digest: Named[str] = Column(Text)
    media_type: Named[str] = Column(Text)
    content: Named[bytes] = Column(LargeBinary)


logos = Table(
    "logos",
    metadata,
    LogoColumns,
    PrimaryKeyConstraint("org_id"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
)
"""Pictures of organizations, apart from their rows, which many calls read whole."""


class SlugColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    slug: Named[str] = Column(Text)
    given_up_at: Named[datetime | None] = Column(UtcDateTime)


slugs = Table(
    "slugs",
    metadata,
    SlugColumns,
    PrimaryKeyConstraint("org_id", "slug"),
    UniqueConstraint("slug"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
)
"""Whose each slug is: an organization's present one, which stands in its own row, too, and those it has given
up. They stay its own, so nobody else gets them, and the links out there lead on to the present one."""


class ApiKeyColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    name: Named[str | None] = Column(Text)
    digest: Named[bytes] = Column(LargeBinary)
    prefix: Named[str] = Column(Text)
    scopes: Named[list[str]] = Column(JSON)
    created_by: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(UtcDateTime)
    expires_at: Named[datetime | None] = Column(UtcDateTime)
    revoked_at: Named[datetime | None] = Column(UtcDateTime)
    last_used_at: Named[datetime | None] = Column(UtcDateTime)


api_keys = Table(
    "api_keys",
    metadata,
    ApiKeyColumns,
    PrimaryKeyConstraint("org_id", "id"),
    UniqueConstraint("digest"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
)
"""`created_by`, here and elsewhere, is who made it, as JSON (`schemas.appointments.Actor`); null for what was
made before that was kept."""


class PersonColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    name: Named[str] = Column(Text)
    email: Named[str | None] = Column(Text)
    address: Named[str | None] = Column(Text)
    scopes: Named[list[str]] = Column(JSON)
    calendar_id: Named[str | None] = Column(Text)
    language: Named[str | None] = Column(Text)
    active: Named[bool] = Column(Boolean)
    password: Named[str | None] = Column(Text)
    password_by: Named[str | None] = Column(Text)
    oidc_issuer: Named[str | None] = Column(Text)
    oidc_subject: Named[str | None] = Column(Text)
    created_by: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(UtcDateTime)
    updated_at: Named[datetime] = Column(UtcDateTime)


people = Table(
    "people",
    metadata,
    PersonColumns,
    PrimaryKeyConstraint("org_id", "id"),
    UniqueConstraint("org_id", "address"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
    ForeignKeyConstraint(["org_id", "calendar_id"], ["calendars.org_id", "calendars.id"]),
    Index("ix_people_address", "address"),
    Index("ix_people_oidc_subject", "oidc_subject", "oidc_issuer"),
    Index("uq_people_org_id_oidc_subject", "org_id", "oidc_issuer", "oidc_subject", unique=True),
)
"""The staff. `address` is `email` in the form in which addresses are compared, by which a person signs in;
`password` is its digest by scrypt (`passwords.hashed`), and `password_by` who made the link by which they had
come in when they set it, if they had come in by one. Since they first signed in by an identity provider, it
is kept who they are there."""


class SessionColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    digest: Named[bytes] = Column(LargeBinary)
    person_id: Named[str] = Column(Text)
    device: Named[str] = Column(Text)
    created_by: Named[str | None] = Column(Text)
    begun_at: Named[datetime] = Column(UtcDateTime)
    seen_at: Named[datetime] = Column(UtcDateTime)
    expires_at: Named[datetime] = Column(UtcDateTime)


sessions = Table(
    "sessions",
    metadata,
    SessionColumns,
    PrimaryKeyConstraint("org_id", "digest"),
    UniqueConstraint("digest"),
    ForeignKeyConstraint(["org_id", "person_id"], ["people.org_id", "people.id"]),
    Index("ix_sessions_org_id_person_id", "org_id", "person_id"),
)
"""Browsers in which a person is signed in, by the digest of a cookie. `device` is what the browser calls
itself; `created_by` is who made the link by which they came in, or had come in when they set the password or
added the passkey by which they came in."""


class EntryColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    digest: Named[bytes] = Column(LargeBinary)
    person_id: Named[str] = Column(Text)
    created_by: Named[str | None] = Column(Text)
    expires_at: Named[datetime] = Column(UtcDateTime)
    again: Named[bool] = Column(Boolean)
    event_id: Named[str | None] = Column(Text)


entries = Table(
    "entries",
    metadata,
    EntryColumns,
    PrimaryKeyConstraint("org_id", "digest"),
    UniqueConstraint("digest"),
    ForeignKeyConstraint(["org_id", "person_id"], ["people.org_id", "people.id"]),
    Index("ix_entries_org_id_person_id", "org_id", "person_id"),
)
"""Links by which a person signs in, once, by their digests; the demo's may be used `again`. `event_id` is the
event by which a link is mailed: until then, `digest` is that of a token that nobody knows."""


class PasskeyColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    person_id: Named[str] = Column(Text)
    name: Named[str] = Column(Text)
    credential: Named[bytes] = Column(LargeBinary)
    public_key: Named[bytes] = Column(LargeBinary)
    sign_count: Named[int] = Column(BigInteger)
    verified: Named[bool] = Column(Boolean)
    created_by: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(UtcDateTime)
    used_at: Named[datetime | None] = Column(UtcDateTime)


passkeys = Table(
    "passkeys",
    metadata,
    PasskeyColumns,
    PrimaryKeyConstraint("org_id", "id"),
    UniqueConstraint("credential"),
    ForeignKeyConstraint(["org_id", "person_id"], ["people.org_id", "people.id"]),
    Index("ix_passkeys_org_id_person_id", "org_id", "person_id"),
)
"""Passkeys of people. `credential` is the id that a browser gave one, by which it is found. It is
`verified` if its device asked who they are (by a finger, a face, a PIN) when it was made. `created_by` is who
made the link by which its person had come in when they added it."""


class ChallengeColumns(TypedColumns):
    digest: Named[bytes] = Column(LargeBinary)
    purpose: Named[str] = Column(Text)
    content: Named[bytes] = Column(LargeBinary)
    expires_at: Named[datetime] = Column(UtcDateTime)


challenges = Table(
    "challenges",
    metadata,
    ChallengeColumns,
    PrimaryKeyConstraint("digest"),
    Index("ix_challenges_expires_at", "expires_at"),
)
"""What browsers were asked, by the digest of a cookie, until they answer. Whoever signs in is nobody yet, so
it is of no organization."""


class ScheduleColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    name: Named[str] = Column(Text)
    timezone: Named[str | None] = Column(Text)
    is_default: Named[bool] = Column(Boolean)
    created_at: Named[datetime] = Column(UtcDateTime)
    updated_at: Named[datetime] = Column(UtcDateTime)


schedules = Table(
    "schedules",
    metadata,
    ScheduleColumns,
    PrimaryKeyConstraint("org_id", "id"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
    Index(
        "uq_schedules_org_id_default",
        "org_id",
        unique=True,
        postgresql_where=text("is_default"),
        sqlite_where=text("is_default"),
    ),
)
"""When there is work. Every organization has a default one, in the organization's own zone (null here)."""


class CalendarColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    name: Named[str] = Column(Text)
    color: Named[str | None] = Column(Text)
    is_active: Named[bool] = Column(Boolean)
    is_default: Named[bool] = Column(Boolean)
    schedule_id: Named[str | None] = Column(Text)
    public_name: Named[str | None] = Column(Text)
    about: Named[str | None] = Column(Text)
    is_public: Named[bool] = Column(Boolean, server_default=false())
    busy_changes: Named[int] = Column(BigInteger, server_default=text("0"))
    deleted_at: Named[datetime | None] = Column(UtcDateTime)
    created_at: Named[datetime] = Column(UtcDateTime)
    updated_at: Named[datetime] = Column(UtcDateTime)


calendars = Table(
    "calendars",
    metadata,
    CalendarColumns,
    PrimaryKeyConstraint("org_id", "id"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
    ForeignKeyConstraint(["org_id", "schedule_id"], ["schedules.org_id", "schedules.id"]),
    Index(
        "uq_calendars_org_id_default",
        "org_id",
        unique=True,
        postgresql_where=text("is_default"),
        sqlite_where=text("is_default"),
    ),
)


class AppointmentTypeColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    name: Named[str] = Column(Text)
    duration_minutes: Named[int] = Column(Integer)
    description: Named[str | None] = Column(Text)
    color: Named[str] = Column(Text)
    buffer_before_minutes: Named[int] = Column(Integer)
    buffer_after_minutes: Named[int] = Column(Integer)
    max_per_day: Named[int | None] = Column(Integer)
    max_per_week: Named[int | None] = Column(Integer)
    max_per_month: Named[int | None] = Column(Integer)
    max_open_per_client: Named[int | None] = Column(Integer, server_default=text("5"))
    min_notice_hours: Named[int] = Column(Integer)
    max_days_ahead: Named[int | None] = Column(Integer)
    requires_confirmation: Named[bool] = Column(Boolean)
    confirm_within_hours: Named[int | None] = Column(Integer)
    slot_interval_minutes: Named[int | None] = Column(Integer)
    reminder_hours: Named[int | None] = Column(Integer, server_default=text("24"))
    booking_questions: Named[list[dict[str, Any]]] = Column(JSON)
    schedule_id: Named[str | None] = Column(Text)
    slug: Named[str] = Column(Text, server_default=text("''"))
    location: Named[dict[str, Any] | None] = Column(JSON(none_as_null=True))
    price: Named[dict[str, Any] | None] = Column(JSON(none_as_null=True))
    visibility: Named[str] = Column(Text, server_default=text("'public'"))
    contact: Named[str] = Column(Text, server_default=text("'either'"))
    confirmation_text: Named[str | None] = Column(Text)
    redirect_url: Named[str | None] = Column(Text)
    texts: Named[dict[str, Any]] = Column(JSON, server_default=text("'{}'"))
    clients_choose: Named[bool] = Column(Boolean, server_default=false())
    requirements: Named[list[dict[str, Any]]] = Column(JSON, server_default=text("'[]'"))
    is_active: Named[bool] = Column(Boolean)
    sort_order: Named[int] = Column(Integer)
    created_at: Named[datetime] = Column(UtcDateTime)
    updated_at: Named[datetime] = Column(UtcDateTime)


appointment_types = Table(
    "appointment_types",
    metadata,
    AppointmentTypeColumns,
    PrimaryKeyConstraint("org_id", "id"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
    ForeignKeyConstraint(["org_id", "schedule_id"], ["schedules.org_id", "schedules.id"]),
    CheckConstraint("duration_minutes BETWEEN 1 AND 10080", name="duration_minutes"),
    CheckConstraint("buffer_before_minutes BETWEEN 0 AND 1440", name="buffer_before_minutes"),
    CheckConstraint("buffer_after_minutes BETWEEN 0 AND 1440", name="buffer_after_minutes"),
    Index("uq_appointment_types_org_id_slug", "org_id", "slug", unique=True),
)
"""`slug` names a type in the addresses of pages. `texts` has translations by language. `requirements` lists
what it needs at once (`name`, `count`, `offset_minutes`, `duration_minutes`); if empty, one calendar."""


class TypeCalendarColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    appointment_type_id: Named[str] = Column(Text)
    position: Named[int] = Column(Integer)
    calendar_id: Named[str] = Column(Text)
    requirement: Named[int] = Column(Integer, server_default=text("0"))


type_calendars = Table(
    "type_calendars",
    metadata,
    TypeCalendarColumns,
    PrimaryKeyConstraint("org_id", "appointment_type_id", "position"),
    UniqueConstraint("org_id", "appointment_type_id", "calendar_id"),
    ForeignKeyConstraint(
        ["org_id", "appointment_type_id"], ["appointment_types.org_id", "appointment_types.id"]
    ),
    ForeignKeyConstraint(["org_id", "calendar_id"], ["calendars.org_id", "calendars.id"]),
)
"""Which calendars serve a type, in their order, and which of its requirements each fills, by its place among
them."""


class WindowColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    schedule_id: Named[str] = Column(Text)
    day_of_week: Named[int] = Column(Integer)
    start_time: Named[str] = Column(Text)
    end_time: Named[str] = Column(Text)
    appointment_type_id: Named[str | None] = Column(Text)
    is_active: Named[bool] = Column(Boolean)
    created_at: Named[datetime] = Column(UtcDateTime)


windows = Table(
    "windows",
    metadata,
    WindowColumns,
    PrimaryKeyConstraint("org_id", "id"),
    ForeignKeyConstraint(["org_id", "schedule_id"], ["schedules.org_id", "schedules.id"]),
    ForeignKeyConstraint(
        ["org_id", "appointment_type_id"], ["appointment_types.org_id", "appointment_types.id"]
    ),
    CheckConstraint("day_of_week BETWEEN 0 AND 6", name="day_of_week"),
    CheckConstraint("start_time < end_time", name="times"),
    Index("ix_windows_org_id_schedule_id", "org_id", "schedule_id"),
)
"""The weekly hours of schedules: `day_of_week` 0 is Sunday; times are HH:MM:SS on the wall, to 24:00:00."""


class OverrideColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    schedule_id: Named[str] = Column(Text)
    start_date: Named[str] = Column(Text)
    end_date: Named[str] = Column(Text)
    windows: Named[list[dict[str, str]]] = Column(JSON)
    reason: Named[str | None] = Column(Text)
    holiday: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(UtcDateTime)
    updated_at: Named[datetime] = Column(UtcDateTime)


overrides = Table(
    "overrides",
    metadata,
    OverrideColumns,
    PrimaryKeyConstraint("org_id", "id"),
    ForeignKeyConstraint(["org_id", "schedule_id"], ["schedules.org_id", "schedules.id"]),
    CheckConstraint("start_date <= end_date", name="dates"),
    UniqueConstraint("org_id", "schedule_id", "holiday", "start_date"),
    Index("ix_overrides_org_id_schedule_id_start_date", "org_id", "schedule_id", "start_date"),
)
"""Days that differ: local dates (both included) with hours of their own, or none. `holiday` is the country or
region that a public holiday came from, such as DE or DE-BY."""


class AppointmentColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    appointment_type_id: Named[str] = Column(Text)
    calendar_id: Named[str] = Column(Text)
    start_time: Named[datetime] = Column(UtcDateTime)
    end_time: Named[datetime] = Column(UtcDateTime)
    busy_start: Named[datetime] = Column(UtcDateTime)
    busy_end: Named[datetime] = Column(UtcDateTime)
    overlap_allowed: Named[bool] = Column(Boolean)
    is_hold: Named[bool] = Column(Boolean, server_default=false())
    expires_at: Named[datetime | None] = Column(UtcDateTime)
    held_from: Named[bytes | None] = Column(LargeBinary)
    client_name: Named[str] = Column(Text)
    client_email: Named[str | None] = Column(Text)
    client_email_folded: Named[str | None] = Column(Text)
    client_phone: Named[str | None] = Column(Text)
    client_phone_digits: Named[str | None] = Column(Text)
    client_key: Named[str | None] = Column(Text)
    client_words: Named[str] = Column(Text, server_default=text("''"))
    client_language: Named[str] = Column(Text)
    client_timezone: Named[str | None] = Column(Text)
    client_notes: Named[str | None] = Column(Text)
    internal_notes: Named[str | None] = Column(Text)
    answers: Named[list[dict[str, Any]]] = Column(JSON, server_default=text("'[]'"))
    calendars: Named[list[dict[str, str]] | None] = Column(JSON(none_as_null=True))
    own_minutes: Named[int | None] = Column(Integer)
    status: Named[str] = Column(Text)
    source: Named[str] = Column(Text)
    version: Named[int] = Column(Integer)
    confirmed_at: Named[datetime | None] = Column(UtcDateTime)
    completed_at: Named[datetime | None] = Column(UtcDateTime)
    cancelled_at: Named[datetime | None] = Column(UtcDateTime)
    no_show_at: Named[datetime | None] = Column(UtcDateTime)
    cancellation_reason: Named[str | None] = Column(Text)
    created_by: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(UtcDateTime)
    updated_at: Named[datetime] = Column(UtcDateTime)


appointments = Table(
    "appointments",
    metadata,
    AppointmentColumns,
    PrimaryKeyConstraint("org_id", "id"),
    ForeignKeyConstraint(["org_id", "calendar_id"], ["calendars.org_id", "calendars.id"]),
    ForeignKeyConstraint(
        ["org_id", "appointment_type_id"], ["appointment_types.org_id", "appointment_types.id"]
    ),
    CheckConstraint("status IN ('pending', 'confirmed', 'completed', 'cancelled', 'no_show')", name="status"),
    CheckConstraint("source IN ('manual', 'booking_page')", name="source"),
    CheckConstraint(
        "busy_start <= start_time AND start_time < end_time AND end_time <= busy_end", name="times"
    ),
    # Lists are read along these: by start, and by last change.
    Index("ix_appointments_org_id_start_time_id", "org_id", "start_time", "id"),
    Index("ix_appointments_org_id_updated_at_id", "org_id", "updated_at", "id"),
    # A client's appointments, by start.
    Index(
        "ix_appointments_org_id_client_email_folded",
        "org_id",
        "client_email_folded",
        "start_time",
        "id",
        postgresql_where=text("client_email_folded IS NOT NULL"),
        sqlite_where=text("client_email_folded IS NOT NULL"),
    ),
    # Those of a client who gave no e-mail address.
    Index(
        "ix_appointments_org_id_client_phone_digits",
        "org_id",
        "client_phone_digits",
        "start_time",
        postgresql_where=text("client_phone_digits IS NOT NULL AND client_email_folded IS NULL"),
        sqlite_where=text("client_phone_digits IS NOT NULL AND client_email_folded IS NULL"),
    ),
    # The clients, and what each has booked, by start.
    Index(
        "ix_appointments_org_id_client_key",
        "org_id",
        "client_key",
        "start_time",
        "id",
        "is_hold",
    ),
    # What is held from one network address.
    Index(
        "ix_appointments_org_id_held_from",
        "org_id",
        "held_from",
        postgresql_where=text("held_from IS NOT NULL"),
        sqlite_where=text("held_from IS NOT NULL"),
    ),
    # What lapses by itself, for the sweep over all organizations.
    Index(
        "ix_appointments_expires_at",
        "expires_at",
        postgresql_where=text("expires_at IS NOT NULL"),
        sqlite_where=text("expires_at IS NOT NULL"),
    ),
)
"""Appointments, and holds (`is_hold`): a hold is time that is kept for a client without a name yet, pending
like an appointment that waits for its confirmation. Both lapse at `expires_at`, whether or not that has been
stored yet (`services.booking.lapses`). A hold of version 0 is a booking whose client has not confirmed it by
mail yet (`services.booking.confirmations`). `calendars` lists the calendars of an appointment by the
requirements of its type (`requirement`, `calendar_id`); null if it has `calendar_id` only. `own_minutes` is
how long it lasts, if staff gave it another length than its type's. `client_email_folded` and
`client_phone_digits` are `client_email` and `client_phone` as they are compared (`core.contacts`).
`held_from` is a digest of the network address from which a client holds time; null otherwise."""


class OccupationColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    holder_id: Named[str] = Column(Text)
    calendar_id: Named[str] = Column(Text)
    kind: Named[str] = Column(Text)
    busy_start: Named[datetime] = Column(UtcDateTime)
    busy_end: Named[datetime] = Column(UtcDateTime)
    from_change: Named[int] = Column(BigInteger)
    to_change: Named[int] = Column(BigInteger)
    active: Named[bool] = Column(Boolean)
    expires_at: Named[datetime | None] = Column(UtcDateTime)
    overlap_allowed: Named[bool] = Column(Boolean)


occupations = Table(
    "occupations",
    metadata,
    OccupationColumns,
    PrimaryKeyConstraint("org_id", "holder_id", "calendar_id", "busy_start"),
    ForeignKeyConstraint(["org_id", "calendar_id"], ["calendars.org_id", "calendars.id"]),
    CheckConstraint("kind IN ('appointment', 'block', 'source')", name="kind"),
    CheckConstraint("busy_start < busy_end", name="times"),
    CheckConstraint("from_change <= to_change", name="changes"),
    # What occupies a calendar, for questions that the constraint can't answer: what is in the way, and what
    # staff forced past the constraint.
    Index(
        "ix_occupations_org_id_calendar_id_busy_start",
        "org_id",
        "calendar_id",
        "kind",
        "overlap_allowed",
        "busy_start",
        postgresql_where=text("active"),
        sqlite_where=text("active"),
    ),
    # The last booking or hold of a calendar: ids sort by time.
    Index(
        "ix_occupations_org_id_calendar_id_holder_id",
        "org_id",
        "calendar_id",
        "holder_id",
        postgresql_where=text("active AND kind = 'appointment'"),
        sqlite_where=text("active AND kind = 'appointment'"),
    ),
)
"""What takes time of calendars, buffers included: `holder_id` is an appointment or a hold (`kind`
'appointment'), a block, or a source of busy times. An appointment has a row for each of its calendars, as
long as it is kept: `active` unless it is cancelled, and no longer than until `expires_at`.

Two active rows of a calendar, neither of them forced (`overlap_allowed`), exclude each other if they overlap
in time and their ranges of changes do, too. `calendars.busy_changes` counts the changes of a calendar's busy
times. A busy time is of the change that brought it. An appointment reaches from 0 to the last change before
its time was taken: it excludes every other appointment, and every busy time that was known then. So busy time
may come to lie over what was booked before, but nothing is booked over busy time."""


class AppointmentChangeColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    appointment_id: Named[str] = Column(Text)
    version: Named[int] = Column(Integer)
    at: Named[datetime] = Column(UtcDateTime)
    actor: Named[str] = Column(Text)
    before: Named[str] = Column(Text)
    after: Named[str] = Column(Text)


appointment_changes = Table(
    "appointment_changes",
    metadata,
    AppointmentChangeColumns,
    PrimaryKeyConstraint("org_id", "appointment_id", "version"),
    ForeignKeyConstraint(["org_id", "appointment_id"], ["appointments.org_id", "appointments.id"]),
)
"""What changed in an appointment, and by whom: `before` and `after` are JSON objects of the changed fields.
Its making is told by the appointment itself (`created_by`)."""


class BlockColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    calendar_id: Named[str | None] = Column(Text)
    start_time: Named[datetime] = Column(UtcDateTime)
    end_time: Named[datetime] = Column(UtcDateTime)
    timezone: Named[str] = Column(Text)
    rule: Named[dict[str, Any] | None] = Column(JSON(none_as_null=True))
    reason: Named[str | None] = Column(Text)
    created_by: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(UtcDateTime)
    updated_at: Named[datetime] = Column(UtcDateTime)


blocks = Table(
    "blocks",
    metadata,
    BlockColumns,
    PrimaryKeyConstraint("org_id", "id"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
    ForeignKeyConstraint(["org_id", "calendar_id"], ["calendars.org_id", "calendars.id"]),
    CheckConstraint("start_time < end_time", name="times"),
    Index("ix_blocks_org_id_start_time_id", "org_id", "start_time", "id"),
)
"""Time without a client: of one calendar, or of all if `calendar_id` is null. What a block takes of each of
them is in `occupations`. `rule` says when it comes again, at the same times of the clock in `timezone`."""


class ManageLinkColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    appointment_id: Named[str] = Column(Text)
    digest: Named[bytes] = Column(LargeBinary)
    created_at: Named[datetime] = Column(UtcDateTime)


manage_links = Table(
    "manage_links",
    metadata,
    ManageLinkColumns,
    PrimaryKeyConstraint("org_id", "appointment_id", "digest"),
    UniqueConstraint("digest"),
    ForeignKeyConstraint(["org_id", "appointment_id"], ["appointments.org_id", "appointments.id"]),
    # For the worker, which looks through the old ones of all organizations.
    Index("ix_manage_links_created_at", "created_at", "digest"),
)
"""The secret links by which a client sees, cancels and moves an appointment, by their digests."""


class RequestLinkColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    digest: Named[bytes] = Column(LargeBinary)
    appointment_id: Named[str] = Column(Text)
    person_id: Named[str] = Column(Text)
    start_time: Named[datetime] = Column(UtcDateTime)
    used_at: Named[datetime | None] = Column(UtcDateTime)


request_links = Table(
    "request_links",
    metadata,
    RequestLinkColumns,
    PrimaryKeyConstraint("org_id", "digest"),
    UniqueConstraint("digest"),
    ForeignKeyConstraint(["org_id", "appointment_id"], ["appointments.org_id", "appointments.id"]),
    ForeignKeyConstraint(["org_id", "person_id"], ["people.org_id", "people.id"]),
    Index("ix_request_links_org_id_person_id", "org_id", "person_id"),
    # For the worker, which removes those of all organizations that have ended.
    Index("ix_request_links_start_time", "start_time"),
)
"""The links in mails to staff by which a person confirms or declines a request, once, by their digests.
`start_time` is the time that was asked for."""


class EventColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    type: Named[str] = Column(Text)
    payload: Named[str] = Column(Text)
    occurred_at: Named[datetime] = Column(UtcDateTime)
    subject_id: Named[str | None] = Column(Text)
    subject_version: Named[int | None] = Column(Integer)
    seq: Named[int | None] = Column(BigInteger)


events = Table(
    "events",
    metadata,
    EventColumns,
    PrimaryKeyConstraint("org_id", "id"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
    Index(
        "ix_events_org_id_unnumbered",
        "org_id",
        "id",
        postgresql_where=text("seq IS NULL"),
        sqlite_where=text("seq IS NULL"),
    ),
    Index(
        "uq_events_org_id_seq",
        "org_id",
        "seq",
        unique=True,
        postgresql_where=text("seq IS NOT NULL"),
        sqlite_where=text("seq IS NOT NULL"),
    ),
)
"""The outbox. `payload` is JSON kept as text: what is delivered later is made of these very bytes. `seq`
numbers an organization's events in the order of their commits; it is given after the commit
(`services.outbox.event_order`). `subject_id` is what the event is about, at its version `subject_version`."""


class EventHeadColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    seq: Named[int] = Column(BigInteger)
    forgotten: Named[int] = Column(BigInteger)
    numbered_at: Named[datetime] = Column(UtcDateTime)


event_heads = Table(
    "event_heads",
    metadata,
    EventHeadColumns,
    PrimaryKeyConstraint("org_id"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
)
"""The last number given to an event of the organization, and when; and the number of the last event that is
no longer kept. The process that gives numbers holds this row's lock."""


class ReceiverColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    kind: Named[str] = Column(Text)
    name: Named[str | None] = Column(Text)
    url: Named[str] = Column(Text)
    events: Named[list[str]] = Column(JSON)
    secret: Named[str] = Column(Text)
    old_secret: Named[str | None] = Column(Text)
    old_secret_until: Named[datetime | None] = Column(UtcDateTime)
    sealed_by: Named[str] = Column(Text, server_default=text("''"))
    active: Named[bool] = Column(Boolean)
    disabled_reason: Named[str | None] = Column(Text)
    failing_since: Named[datetime | None] = Column(UtcDateTime)
    due_at: Named[datetime | None] = Column(UtcDateTime)
    rests_until: Named[datetime | None] = Column(UtcDateTime)
    leased_by: Named[str | None] = Column(Text)
    leased_until: Named[datetime | None] = Column(UtcDateTime)
    created_by: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(UtcDateTime)
    updated_at: Named[datetime] = Column(UtcDateTime)


receivers = Table(
    "receivers",
    metadata,
    ReceiverColumns,
    PrimaryKeyConstraint("org_id", "id"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
    CheckConstraint("kind IN ('webhook', 'mail')", name="kind"),
    Index(
        "ix_receivers_due_at",
        "due_at",
        postgresql_where=text("due_at IS NOT NULL"),
        sqlite_where=text("due_at IS NOT NULL"),
    ),
    # For the worker: whose secrets are to be encrypted again, and whose old ones no longer sign.
    Index(
        "ix_receivers_sealed_by",
        "sealed_by",
        "id",
        postgresql_where=text("kind = 'webhook'"),
        sqlite_where=text("kind = 'webhook'"),
    ),
    Index(
        "ix_receivers_old_secret_until",
        "old_secret_until",
        postgresql_where=text("old_secret_until IS NOT NULL"),
        sqlite_where=text("old_secret_until IS NOT NULL"),
    ),
)
"""Who is told of events: webhooks, and the mail of each organization. A worker that delivers to one leases
it, so that its deliveries are made one after the other. `due_at` is when the next of them is to be made, but
not before `rests_until`. Secrets must be known to sign with, so they are encrypted, not digested: both by the
key that `sealed_by` names (`vault`), and as they are if that is empty. `old_secret` has those of before, the
newest first."""


class DeliveryColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    receiver_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    event_id: Named[str] = Column(Text)
    audience: Named[str | None] = Column(Text)
    appointment_id: Named[str | None] = Column(Text)
    subject_id: Named[str | None] = Column(Text)
    place: Named[int] = Column(BigInteger)
    status: Named[str] = Column(Text)
    attempts: Named[int] = Column(Integer)
    due_at: Named[datetime | None] = Column(UtcDateTime)
    due_since: Named[datetime | None] = Column(UtcDateTime)
    address: Named[str | None] = Column(Text)
    last_attempt_at: Named[datetime | None] = Column(UtcDateTime)
    answer_code: Named[int | None] = Column(Integer)
    answer: Named[str | None] = Column(Text)
    error: Named[str | None] = Column(Text)
    latency_ms: Named[int | None] = Column(Integer)
    created_at: Named[datetime] = Column(UtcDateTime)


deliveries = Table(
    "deliveries",
    metadata,
    DeliveryColumns,
    PrimaryKeyConstraint("org_id", "receiver_id", "id"),
    ForeignKeyConstraint(["org_id", "receiver_id"], ["receivers.org_id", "receivers.id"]),
    ForeignKeyConstraint(["org_id", "event_id"], ["events.org_id", "events.id"]),
    CheckConstraint("status IN ('pending', 'delivered', 'failed', 'skipped')", name="status"),
    # What is due, whether something of the same appointment is to be delivered before, and what has waited
    # for longest.
    *(
        Index(
            f"ix_deliveries_pending_{last[0]}",
            "org_id",
            "receiver_id",
            *last,
            postgresql_where=text("status = 'pending'"),
            sqlite_where=text("status = 'pending'"),
        )
        for last in (("due_at", "place"), ("subject_id", "place"), ("due_since",))
    ),
    # The mails of an appointment, in any state.
    Index(
        "ix_deliveries_org_id_appointment_id_id",
        "org_id",
        "appointment_id",
        "id",
        postgresql_where=text("appointment_id IS NOT NULL"),
        sqlite_where=text("appointment_id IS NOT NULL"),
    ),
    Index("ix_deliveries_org_id_event_id", "org_id", "event_id"),
    # What a client was told of an appointment.
    Index(
        "ix_deliveries_org_id_subject_id_told",
        "org_id",
        "subject_id",
        "place",
        postgresql_where=text("status = 'delivered' AND audience = 'client'"),
        sqlite_where=text("status = 'delivered' AND audience = 'client'"),
    ),
)
"""An event on its way to a receiver, and what became of it. `place` is the event's number in the order of
events: deliveries are tried in this order. `due_at` is when it is tried next, `due_since` when it should have
been delivered (a reminder: not before its time). Of a mail, `appointment_id` is what it is about, and
`address` is the one to which it was last tried."""


class FeedColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    calendar_id: Named[str | None] = Column(Text)
    kind: Named[str] = Column(Text, server_default=text("'appointments'"))
    digest: Named[bytes] = Column(LargeBinary)
    created_by: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(UtcDateTime)


feeds = Table(
    "feeds",
    metadata,
    FeedColumns,
    PrimaryKeyConstraint("org_id", "id"),
    UniqueConstraint("digest"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
    ForeignKeyConstraint(["org_id", "calendar_id"], ["calendars.org_id", "calendars.id"]),
)
"""Secret addresses at which calendar programs read appointments, or only when time is taken (`kind`: `busy`):
of one calendar, or of all."""


class SourceColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    id: Named[str] = Column(Text)
    calendar_id: Named[str] = Column(Text)
    kind: Named[str] = Column(Text)
    url: Named[str] = Column(Text)
    shown_url: Named[str] = Column(Text)
    username: Named[str | None] = Column(Text)
    password: Named[str | None] = Column(Text)
    sealed_by: Named[str] = Column(Text)
    free_timed_events: Named[bool] = Column(Boolean)
    state: Named[str | None] = Column(Text)
    events: Named[int | None] = Column(Integer)
    unreadable: Named[list[str]] = Column(JSON, server_default=text("'[]'"))
    last_success_at: Named[datetime | None] = Column(UtcDateTime)
    failing_since: Named[datetime | None] = Column(UtcDateTime)
    failing_told: Named[bool] = Column(Boolean)
    failures: Named[int] = Column(Integer)
    error: Named[str | None] = Column(Text)
    begun_at: Named[datetime | None] = Column(UtcDateTime)
    due_at: Named[datetime] = Column(UtcDateTime)
    leased_by: Named[str | None] = Column(Text)
    leased_until: Named[datetime | None] = Column(UtcDateTime)
    created_by: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(UtcDateTime)


sources = Table(
    "sources",
    metadata,
    SourceColumns,
    PrimaryKeyConstraint("org_id", "id"),
    ForeignKeyConstraint(["org_id", "calendar_id"], ["calendars.org_id", "calendars.id"]),
    CheckConstraint("kind IN ('ics', 'caldav')", name="kind"),
    Index("ix_sources_org_id_calendar_id", "org_id", "calendar_id"),
    # For the worker: which are to be read, and whose addresses are to be encrypted again.
    Index("ix_sources_due_at", "due_at"),
    Index("ix_sources_sealed_by", "sealed_by", "id"),
)
"""Other calendars whose busy times a calendar keeps. A worker leases one to read it. `url` and `password` are
encrypted by the key that `sealed_by` names, and as they are if that is empty; `shown_url` is what people see
of the address. `state` is what the next reading needs to know of the last one, `events` how many that found,
`begun_at` when the last one began, well or not, and `failures` how many have failed in a row. `failing_told`
is whether `source.failing` was told."""


class IdempotencyKeyColumns(TypedColumns):
    org_id: Named[str] = Column(Text)
    key: Named[str] = Column(Text)
    fingerprint: Named[bytes] = Column(LargeBinary)
    answer: Named[str | None] = Column(Text)
    created_at: Named[datetime] = Column(UtcDateTime)


idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    IdempotencyKeyColumns,
    PrimaryKeyConstraint("org_id", "key"),
    ForeignKeyConstraint(["org_id"], ["organizations.id"]),
    # For the worker, which forgets what has expired.
    Index("ix_idempotency_keys_created_at", "created_at"),
)


class ZoneDataColumns(TypedColumns):
    version: Named[str] = Column(Text)
    seen_at: Named[datetime] = Column(UtcDateTime)


zone_data = Table("zone_data", metadata, ZoneDataColumns, PrimaryKeyConstraint("version"))
"""Which versions of the time zone data the servers and workers of this database use, and when one of them
last said so: if the versions differ, two servers disagree about the time of a wall clock."""
