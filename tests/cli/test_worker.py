"""`kalends worker`, as operators start and stop it."""

from pathlib import Path

from tests.support.workers import WorkerProcess


def test_a_worker_that_is_stopped_as_soon_as_it_works_stops_quietly(tmp_path: Path) -> None:
    """Whatever it is about at that moment."""
    for number in range(2):
        worker = WorkerProcess(f"sqlite:///{tmp_path / 'worker.db'}", tmp_path / f"log{number}")
        worker.start().wait()
        assert worker.stop() == 0
        assert worker.log.read_text() == ""
