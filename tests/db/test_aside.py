import threading

import pytest

from kalends.db.aside import aside
from kalends.db.database import Database, Tx

pytestmark = pytest.mark.anyio


async def test_what_takes_long_is_not_computed_in_the_event_loop(db: Database) -> None:
    def unit(tx: Tx) -> tuple[int, int]:
        assert tx.exec_driver_sql("SELECT 1").scalar() == 1
        thread = aside(tx, threading.get_ident)
        return thread, int(tx.exec_driver_sql("SELECT 2").scalar_one())  # the connection is still good

    for run in (db.read, db.read_one, db.write):
        thread, two = await run(unit)
        assert thread != threading.get_ident()
        assert two == 2


async def test_what_is_raised_aside_undoes_the_unit(db: Database) -> None:
    def divide() -> float:
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        await db.write(aside, divide)
