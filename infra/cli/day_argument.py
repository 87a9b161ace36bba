"""Days as a command takes them."""

from datetime import UTC, date, datetime, timedelta

EARLIEST, LATEST = date(2000, 1, 1), date(2100, 1, 1)
"""Before the first AWS log, and later than anybody plans."""


class BuildError(RuntimeError):
    """The days asked for cannot be built; the message says why and what to ask for."""


def days_of(text: str) -> tuple[date, date]:
    """First and last day of `2026-11-01` or `2026-11-01..2026-11-07`. Raises BuildError."""
    first, dots, last = text.partition("..")
    found = day_of(first), day_of(last if dots else first)
    if found[0] > found[1]:
        raise BuildError(f"{text} ends before it begins. Write the earlier day first.")
    return found


def day_of(text: str) -> date:
    """A day as typed. Raises BuildError."""
    example = datetime.now(UTC).date() - timedelta(days=1)
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise BuildError(f"{text!r} is not a day; expected yyyy-mm-dd, such as {example}.") from error
    if not EARLIEST <= day <= LATEST:
        raise BuildError(f"{text} is no day of any log; expected one from {EARLIEST} to {LATEST}, such as {example}.")
    return day


def parse_days(days: str | None, first: str | None, last: str | None) -> tuple[date, date]:
    """The days of --days, or of --from and --to. Raises BuildError."""
    if bool(days) == bool(first) or bool(first) != bool(last):
        raise BuildError("Say the days once: --days 2026-11-01..2026-11-07, or --from 2026-11-01 --to 2026-11-07.")
    return days_of(days or f"{first}..{last}")
