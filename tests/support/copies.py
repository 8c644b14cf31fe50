"""Organizations for tests, made once in a process and copied from then on: most tests ask what happens to an
organization, and those of the services how one is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, insert, select

from kalends.db.database import Tx
from kalends.db.tables import metadata
from kalends.ids import new_id

Rows = list[tuple[Table, list[dict[str, Any]]]]


@dataclass(frozen=True)
class Pattern:
    """All rows of an organization, as they were just after it was made."""

    rows: Rows
    made_at: datetime

    def copy(self, tx: Tx, now: datetime, instead: Mapping[Any, Any]) -> dict[str, str]:
        """Store them once more, with other ids, as made at `now`, and with what else is to stand `instead` of
        what there is. Returns the new ids by those of the pattern."""
        ids = sorted(row["id"] for _, rows in self.rows for row in rows if "id" in row)
        new = dict(zip(ids, sorted(new_id(each.partition("_")[0]) for each in ids), strict=True))
        others = {**instead, **new, self.made_at: now}
        written = [each for each in others if isinstance(each, str)]

        def other(value: Any) -> Any:
            if isinstance(value, str) and value.startswith("{"):  # JSON, kept as text
                for old in written:
                    value = value.replace(old, others[old])
                return value
            return others.get(value, value) if isinstance(value, str | bytes | datetime) else value

        for table, rows in self.rows:
            tx.execute(insert(table), [{name: other(each) for name, each in row.items()} for row in rows])
        return new


def pattern(tx: Tx, org_id: str, now: datetime) -> Pattern:
    """Return the rows of an organization that was made at `now`."""
    found = []
    for table in metadata.sorted_tables:
        owner = table.c.id if table.name == "organizations" else table.c.get("org_id")
        if owner is not None and (rows := tx.execute(select(table).where(owner == org_id)).all()):
            found.append((table, [dict(row._mapping) for row in rows]))
    return Pattern(found, now)
