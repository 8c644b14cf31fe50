"""How rows belong together that are often read together."""

from sqlalchemy import and_

from kalends.db.tables import appointments, deliveries, events, occupations

IS_HOLDER = and_(appointments.c.org_id == occupations.c.org_id, appointments.c.id == occupations.c.holder_id)
"""The appointment or hold that takes some time of a calendar. A block or a source takes time without one."""

IS_ITS_EVENT = and_(events.c.org_id == deliveries.c.org_id, events.c.id == deliveries.c.event_id)
"""The event that a delivery tells."""
