"""How a database goes about what is asked of it."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from kalends.db.database import Tx


def plan(tx: Tx, ask: Callable[[], object], is_it: Callable[[str], bool]) -> str:
    """The steps of the one statement among those of a question that `is_it`."""
    said: list[tuple[str, Any]] = []
    event.listen(tx, "before_cursor_execute", lambda *args: said.append((args[2], args[3])))
    ask()
    [(statement, parameters)] = [each for each in said if is_it(each[0])]
    if tx.dialect.name == "sqlite":
        steps = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return "\n".join(row.detail for row in steps)
    # The server's connections use generic plans, which hold for any values.
    tx.exec_driver_sql(f"PREPARE question AS {statement}")
    nulls = ", ".join("NULL" for _ in parameters)
    steps = tx.exec_driver_sql(f"EXPLAIN EXECUTE question ({nulls})")
    tx.exec_driver_sql("DEALLOCATE question")
    return "\n".join(steps.scalars())
