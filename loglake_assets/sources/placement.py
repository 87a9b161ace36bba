"""From an object key to the raw partition it belongs to, or to the reason why it belongs to none. Pure functions."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from loglake_assets.sources.model import LogSource

NOT_SAID = "-"
"""Value of a partition key that an object key does not say, such as the hour: Hive has no empty value."""

_HIDDEN = re.compile(r"(^|/)[._][^/]*(/|$)")


@dataclass(frozen=True)
class Placement:
    """The raw partition of a key: `values` in the order of the table's partition keys, `location` an s3:// prefix."""

    values: tuple[str, ...]
    location: str
    day: date


@dataclass(frozen=True)
class Ignored:
    """A key that becomes no partition, and why. Counted, so that an exclusion never looks like completeness."""

    reason: str


def place(source: LogSource, bucket: str, key: str) -> Placement | Ignored:
    """Where `key` (decoded, as stored in S3) of `bucket` belongs in the source's raw table."""
    if reason := ignore_reason(source, key):
        return Ignored(reason)
    match = source.key_pattern.match(key)
    if not match:
        return Ignored("unknown_key")
    groups = match.groupdict()
    try:
        day = date(int(groups["year"]), int(groups["month"]), int(groups["dayofmonth"]))
    except ValueError:
        return Ignored("unknown_key")
    groups["logcalendarday"] = day_number(day)
    values = tuple(str(groups.get(column.name) or NOT_SAID) for column in source.raw.partition_keys)
    return Placement(values, f"s3://{bucket}/{groups['prefix']}/", day)


def ignore_reason(source: LogSource, key: str) -> str | None:
    """Why a key is no delivery of this log whatever its day is, or None: a folder, a hidden file, another log."""
    if key.endswith("/") or key.endswith("$folder$"):
        return "folder_marker"
    if _HIDDEN.search(key):
        return "hidden"
    for reason, regex in source.key_pattern.ignored_regexes:
        if regex.search(key):
            return reason
    return None


def day_number(day: date) -> int:
    """A day as the lake's partition value: 2026-11-01 is 20261101."""
    return day.year * 10000 + day.month * 100 + day.day


def days_between(first: date, last: date) -> list[date]:
    """Every day from the first to the last, both included; none where the first is after the last."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def days_argument(first: date, last: date) -> str:
    """Days as a `loglake` command takes them: 2026-11-01, or 2026-11-01..2026-11-03."""
    return f"{first}" if first == last else f"{first}..{last}"


def day_from_number(number: int | str) -> date:
    """The day of a partition value such as 20261101. Raises ValueError for anything else."""
    text = str(number)
    if len(text) != 8 or not text.isdigit():
        raise ValueError(f"{number!r} is not a day: expected yyyymmdd, such as 20261101")
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))
