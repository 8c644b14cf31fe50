import pytest

from kalends.core.plans import hourly_limit


@pytest.mark.parametrize(
    ("plan", "own", "limit"),
    [
        ("starter", None, 1_000),
        ("professional", None, 10_000),
        ("enterprise", None, 1_000_000),
        ("enterprise", 5, 5),
        ("starter", 5, 1_000),
    ],
)
def test_hourly_limit(plan: str, own: int | None, limit: int) -> None:
    assert hourly_limit(plan, own) == limit
