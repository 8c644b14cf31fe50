"""Which of the two databases a test is run on: both, unless it says otherwise."""

import pytest

on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
"""For what is decided before a database is asked, or after it has answered."""
