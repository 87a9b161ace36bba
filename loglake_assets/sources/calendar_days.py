"""Calendar days as the lake's tables, its commands and people write them. Standard library only."""

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from itertools import groupby


def day_number(day: date) -> int:
    """A day as the lake's partition value: 2026-11-01 is 20261101."""
    return day.year * 10000 + day.month * 100 + day.day


def day_from_number(number: int | str) -> date:
    """The day of a partition value such as 20261101. Raises ValueError for anything else."""
    text = str(number)
    if len(text) != 8 or not text.isdigit():
        raise ValueError(f"{number!r} is not a day: expected yyyymmdd, such as 20261101")
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def days_between(first: date, last: date) -> list[date]:
    """Every day from the first to the last, both included; none where the first is after the last."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def days_argument(first: date, last: date) -> str:
    """Days as a `loglake` command takes them: 2026-11-01, or 2026-11-01..2026-11-03."""
    return f"{first}" if first == last else f"{first}..{last}"


def days_text(days: Collection[date]) -> str:
    """Neighbouring days as people write them: 2026-11-01, or 2026-11-01 to 2026-11-03."""
    first, last = min(days), max(days)
    return f"{first}" if first == last else f"{first} to {last}"


def runs_of_days(days: Collection[date]) -> Iterator[list[date]]:
    """Neighbouring days together, in order."""
    for _, run in groupby(enumerate(sorted(days)), key=lambda at: at[1] - timedelta(days=at[0])):
        yield [day for _, day in run]
