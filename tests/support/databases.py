"""Which of the two databases a test is run on: both, unless it says otherwise."""

import pytest

on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
"""For what is decided before a database is asked, or after it has answered."""
on_own_sqlite = pytest.mark.parametrize("own_url", ["sqlite"], indirect=True)
"""The same of a database in which nothing is of anybody else."""


def everyday_on_sqlite(
    name: str, *, everyday: object, torture: object, fixture: str = "url"
) -> pytest.MarkDecorator:
    """For the same, if the long version is to be on both: the values of a parameter in the two versions."""
    return pytest.mark.parametrize(
        (fixture, name),
        [
            ("sqlite", everyday),
            *(
                pytest.param(database, torture, marks=pytest.mark.torture)
                for database in ("sqlite", "postgresql")
            ),
        ],
        indirect=[fixture],
    )


def sqlite_first(fixture: str = "url") -> pytest.MarkDecorator:
    """For what takes long and asks of the databases what other tests ask of both: every day on SQLite, and on
    PostgreSQL in the long version."""
    databases = ["sqlite", pytest.param("postgresql", marks=pytest.mark.torture)]
    return pytest.mark.parametrize(fixture, databases, indirect=True)
