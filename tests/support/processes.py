"""With how many processes a server is tried."""

import pytest


def everyday_two_workers(name: str, *, everyday: int, torture: int) -> pytest.MarkDecorator:
    """Try two worker processes every day, since they are harder than one, and both in the long version: the
    values of a parameter in the two versions."""
    two = ["--workers", "2"]
    return pytest.mark.parametrize(
        ("options", name),
        [
            pytest.param(two, everyday, id="two workers"),
            pytest.param([], torture, id="one process, long", marks=pytest.mark.torture),
            pytest.param(two, torture, id="two workers, long", marks=pytest.mark.torture),
        ],
    )
