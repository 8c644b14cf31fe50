"""Wall-clock time and instants: the only place where the two meet.

Rules and people speak wall-clock times in an IANA zone; facts are UTC instants in whole seconds.
"""

from datetime import UTC, date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from kalends.core.errors import AmbiguousTime, InvalidTime, NonexistentTime

_NOT_PLACES = frozenset({"localtime", "Factory"})
"""Names some systems list that depend on the machine, not on a place."""


@cache
def zone_names() -> frozenset[str]:
    """Every IANA zone name this system knows. A user's zone is checked against it before ZoneInfo,
    which reads files by name, ever sees it."""
    return frozenset(available_timezones()) - _NOT_PLACES


def stamp(instant: datetime) -> str:
    """An instant as the API writes it: `YYYY-MM-DDTHH:MM:SSZ`. (`strftime` does not pad the year 1.)"""
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def instant(moment: datetime, zone: str) -> datetime:
    """The UTC instant of `moment`; a naive one is wall-clock time in `zone`, a known IANA name.

    Raises NonexistentTime where the clocks skip that wall time, AmbiguousTime where they repeat it
    (the answer names both readings), InvalidTime where the instant falls outside the years 1 to 9999.
    """
    try:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC).replace(microsecond=0)
        return _unzoned(moment.replace(microsecond=0, fold=0), zone)
    except OverflowError:
        raise InvalidTime(f"{moment.isoformat()} is outside the years 1 to 9999 in UTC.") from None


def day_start(day: date, zone: str) -> datetime:
    """The UTC instant at which a calendar day begins in `zone`, a known IANA name. Where the clocks skip
    midnight it is the moment of the change; where they repeat it, the first of the two.

    Raises InvalidTime where the instant falls outside the years 1 to 9999.
    """
    try:
        return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    except OverflowError:
        raise InvalidTime(f"{day.isoformat()} is outside the years 1 to 9999 in UTC.") from None


def _unzoned(wall: datetime, zone: str) -> datetime:
    place = ZoneInfo(zone)
    first, second = (wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    # In a gap, fold 0 reads the wall time with the offset before the change and fold 1 with the one
    # after it, so the first reading is the later instant (PEP 495).
    readings = [stamp(reading) for reading in sorted((first, second))]
    if first > second:
        raise NonexistentTime(
            f"{wall.isoformat()} does not exist in {zone}: the clocks skip it. "
            f"Did you mean {readings[0]} or {readings[1]}? Send an offset or Z to say which.",
            timezone=zone,
            readings=readings,
        )
    raise AmbiguousTime(
        f"{wall.isoformat()} happens twice in {zone}: {readings[0]} and {readings[1]}. "
        "Send an offset or Z to say which.",
        timezone=zone,
        readings=readings,
    )
