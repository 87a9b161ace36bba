"""Raw objects as S3 lists them, by delivery day, without asking the catalog: what the catalog is checked against.

A source's key patterns are the one description of where a day lies. AddAPart places a key by them; here the same
patterns, narrowed to the days that are asked for, decide which folders can hold such a key. Folders that cannot hold
any key of the log are reported, since objects in them are in no table.
"""

import functools
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import regex

from loglake_assets.lake.storage.raw_bucket import RawBucket
from loglake_assets.s3.pages import entries
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import Ignored, Placement, ignore_reason, place
from loglake_assets.sources.rules import Rules

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

_IN_FLIGHT = 16
UNKNOWN_KEY = "unknown_key"
EXAMPLES = 20  # unknown keys named of one folder


@dataclass(frozen=True)
class RawObject:
    """One object of a delivery prefix. `size` in bytes, `last_modified` in seconds since 1970."""

    bucket: str
    key: str
    size: int
    etag: str
    last_modified: float
    placement: Placement

    @property
    def name(self) -> tuple[str, str]:
        return self.bucket, self.key


def find_deny_rule(rules: Rules, source: LogSource, found: RawObject) -> str | None:
    """The name of the deny rule that keeps the object's prefix from a partition; None where there is none."""
    keys = tuple(column.name for column in source.raw.partition_keys)
    return rules.deny_rule(found.key, keys, found.placement)


@dataclass
class DayFolders:
    """Where objects of some days lie in a bucket.

    `folders` by day hold objects of that day and nothing that is nearer to the root; `objects` lie above such folders;
    `unknown` are keys that no pattern of the source places: all of those above the days' folders, and at most
    `EXAMPLES` of each folder that no pattern allows.
    """

    folders: dict[date, list[str]] = field(default_factory=dict)
    objects: list[RawObject] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def raw_objects(raw: RawBucket, days: Collection[date]) -> Iterator[RawObject]:
    """Every placed object delivered on one of `days`, in key order within each folder."""
    for _, objects in raw_objects_by_day(raw, days):
        yield from objects


def raw_objects_by_day(
    raw: RawBucket, days: Collection[date], unknown: list[str] | None = None
) -> Iterator[tuple[date, list[RawObject]]]:
    """(day, its objects) in order of days: the tree is walked once, and one day's objects are held at a time.

    Keys that no pattern places are added to `unknown`, as far as the walk meets them.
    """
    found = day_folders(raw, days)
    names = unknown if unknown is not None else []
    names.extend(found.unknown)
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        for day in sorted(set(days)):
            listed = pool.map(lambda folder: list(entries(raw.s3, raw.name, folder)), found.folders.get(day, ()))
            objects = [one for one in found.objects if one.placement.day == day]
            for entry in (entry for listing in listed for entry in listing):
                placement = place(raw.source, raw.name, entry["Key"])
                if isinstance(placement, Placement) and placement.day == day:
                    objects.append(raw_object(raw.name, entry, placement))
                elif isinstance(placement, Placement) or placement.reason == UNKNOWN_KEY:
                    names.append(entry["Key"])
            yield day, objects


def unknown_keys(raw: RawBucket, days: Collection[date]) -> list[str]:
    """Keys that are in no table because no pattern of the source places them, among folders of these days and above.

    Lists the days' folders; of a folder that no pattern allows at most `EXAMPLES` keys are named.
    """
    unknown: list[str] = []
    for _ in raw_objects_by_day(raw, days, unknown):
        pass
    return unknown


def day_folders(raw: RawBucket, days: Collection[date]) -> DayFolders:
    """Walk the bucket's folders down to those of the days; a folder that can hold no key of these days is passed by."""
    found, tree = DayFolders(), _Tree(raw.source, frozenset(days))
    level, refused = [""] if days else [], []
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        while level:
            below: list[str] = []
            for children, listed in pool.map(lambda prefix: _folder(raw.s3, raw.name, prefix), level):
                _sort_objects(found, raw.source, raw.name, listed, tree.days)
                for child in children:
                    if own := tree.days_of(child):
                        for day in own:
                            found.folders.setdefault(day, []).append(child)
                    elif tree.leads_to_days(child):
                        below.append(child)
                    elif not tree.is_known(child):
                        refused.append(child)
            level = below
        for keys in pool.map(lambda prefix: _unknown_under(raw, prefix), refused):
            found.unknown.extend(keys)
    return found


@dataclass(frozen=True)
class _Tree:
    """What a folder can hold, by the source's key patterns narrowed to some days."""

    source: LogSource
    days: frozenset[date]

    def days_of(self, folder: str) -> set[date]:
        """The days whose objects lie in this folder: it says the whole day."""
        if ignore_reason(self.source, f"{folder}object"):
            return set()
        return {day for match in self._matches(folder) if (day := _day_of(match.groupdict())) in self.days}

    def leads_to_days(self, folder: str) -> bool:
        """Whether a key of one of the days can begin so."""
        return not ignore_reason(self.source, f"{folder}object") and any(True for _ in self._matches(folder))

    def is_known(self, folder: str) -> bool:
        """Whether a key of any day, or one that is ignored by its folder, can begin so."""
        if ignore_reason(self.source, f"{folder}object"):
            return True
        matches = (pattern.match(folder, partial=True) for pattern in _partial_patterns(self.source))
        return any(match and _is_possible(match.groupdict()) for match in matches)

    def _matches(self, folder: str) -> Iterator["regex.Match[str]"]:
        for pattern in _narrow_patterns(self.source, self.days):
            if match := pattern.match(folder, partial=True):
                yield match


@functools.lru_cache(maxsize=64)
def _partial_patterns(source: LogSource) -> tuple["regex.Pattern[str]", ...]:
    return tuple(regex.compile(text) for text in source.key_pattern.patterns)


@functools.lru_cache(maxsize=64)
def _narrow_patterns(source: LogSource, days: frozenset[date]) -> tuple["regex.Pattern[str]", ...]:
    """The source's patterns, once for each month of the days, taking the days of that month only."""
    months: dict[tuple[int, int], list[int]] = {}
    for day in sorted(days):
        months.setdefault((day.year, day.month), []).append(day.day)
    return tuple(
        regex.compile(_narrow(text, year, month, of_month))
        for text in source.key_pattern.patterns
        for (year, month), of_month in months.items()
    )


def _narrow(pattern: str, year: int, month: int, days: Sequence[int]) -> str:
    """A pattern whose groups `year`, `month` and `dayofmonth` take these numbers only, with or without a leading 0."""
    for group, numbers in (("year", [year]), ("month", [month]), ("dayofmonth", days)):
        only = "|".join(f"0?{number}" for number in numbers)
        # Before the group, not in it, where it would hold for the first of the group's alternatives only.
        pattern = pattern.replace(f"(?P<{group}>", f"(?=(?:{only})(?![0-9]))(?P<{group}>")
    return pattern


def _day_of(groups: Mapping[str, str | None]) -> date | None:
    """The day that the groups of a match say; None where they do not say all of it."""
    parts = [groups.get(name) for name in ("year", "month", "dayofmonth")]
    return date(*(int(part) for part in parts if part)) if all(parts) else None


def _is_possible(groups: Mapping[str, str | None]) -> bool:
    """Whether there is such a day, as far as the groups say it: the 31st of November is none."""
    month, day = groups.get("month"), groups.get("dayofmonth")
    try:
        date(int(groups.get("year") or 2000), int(month or 1), int(day or 1))
    except ValueError:
        return False
    return True


def _folder(s3: "S3Client", bucket: str, prefix: str) -> tuple[list[str], "list[ObjectTypeDef]"]:
    """(the folders, the objects) that lie directly under a prefix."""
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"))
    folders = [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", ())]
    return folders, [entry for page in pages for entry in page.get("Contents", ())]


def _sort_objects(
    found: DayFolders, source: LogSource, bucket: str, listed: "list[ObjectTypeDef]", days: Collection[date]
) -> None:
    for entry in listed:
        placement = place(source, bucket, entry["Key"])
        if isinstance(placement, Ignored):
            if placement.reason == UNKNOWN_KEY:
                found.unknown.append(entry["Key"])
        elif placement.day in days:
            found.objects.append(raw_object(bucket, entry, placement))


def _unknown_under(raw: RawBucket, prefix: str) -> list[str]:
    """Some keys of a folder that no pattern places; of the first thousand, at most EXAMPLES."""
    keys = (entry["Key"] for entry in itertools.islice(entries(raw.s3, raw.name, prefix), 1000))
    unknown = (key for key in keys if place(raw.source, raw.name, key) == Ignored(UNKNOWN_KEY))
    return list(itertools.islice(unknown, EXAMPLES))


def raw_object(bucket: str, entry: Mapping[str, Any], placement: Placement) -> RawObject:
    """A listed object that has its placement."""
    modified = entry["LastModified"].timestamp()
    return RawObject(bucket, entry["Key"], entry["Size"], entry["ETag"].strip('"'), modified, placement)
