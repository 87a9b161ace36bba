"""From an object key to the raw partition it belongs to, or to the reason why it belongs to none. Pure functions."""

import re
from dataclasses import dataclass
from datetime import date

from loglake_assets.sources.calendar_days import day_number
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
