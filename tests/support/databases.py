"""Which of the two databases a test is run on: both, unless it says otherwise."""

import pytest

on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
"""For what is decided before a database is asked, or after it has answered."""


def everyday_on_sqlite(name: str, *, everyday: object, torture: object) -> pytest.MarkDecorator:
    """For the same, if the long version is to be on both: the values of a parameter in the two versions."""
    return pytest.mark.parametrize(
        ("url", name),
        [
            ("sqlite", everyday),
            *(
                pytest.param(database, torture, marks=pytest.mark.torture)
                for database in ("sqlite", "postgresql")
            ),
        ],
        indirect=["url"],
    )
