"""Raw objects as S3 lists them, by delivery day, without asking the catalog: what the catalog is checked against."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

from loglake_assets.lake.listed import entries
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import Ignored, Placement, place

_YEAR = re.compile(r"(^|/)20[0-9]{2}/$")
_DEEPEST = 12  # levels of prefixes above a delivery day; deeper trees are not a log's


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


def raw_objects(s3: Any, source: LogSource, bucket: str, days: Collection[date]) -> Iterator[RawObject]:
    """Every placed object delivered on one of `days`, in key order within each prefix."""
    prefixes = list(_day_prefixes(s3, source, bucket, "", sorted(set(days)), 0))
    with ThreadPoolExecutor(16) as pool:
        for objects in pool.map(lambda prefix: list(_objects(s3, source, bucket, prefix)), prefixes):
            yield from objects


def raw_objects_by_day(
    s3: Any, source: LogSource, bucket: str, days: Collection[date]
) -> Iterator[tuple[date, list[RawObject]]]:
    """(day, its objects) in order of days: the tree is walked once, and one day's objects are held at a time."""
    prefixes = list(_day_prefixes(s3, source, bucket, "", sorted(set(days)), 0))
    with ThreadPoolExecutor(16) as pool:
        for day in sorted(set(days)):
            of_day = (prefix for prefix in prefixes if prefix.endswith(f"{day:%Y/%m/%d}/"))
            found = pool.map(lambda prefix: list(_objects(s3, source, bucket, prefix)), of_day)
            yield day, [entry for objects in found for entry in objects]


def _day_prefixes(s3: Any, source: LogSource, bucket: str, prefix: str, days: list[date], depth: int) -> Iterator[str]:
    """The prefixes that hold the days' objects: the tree is walked down to where a day would follow, and no further.

    Except where any prefix may stand before the day: there a day at this level says nothing of the level below.
    """
    if not days:
        return
    probe = _probe(source, bucket, prefix, days[0])
    if is_placed := isinstance(probe, Placement):
        yield from (f"{prefix}{day:%Y/%m/%d}/" for day in days)
        if not isinstance(_probe(source, bucket, f"{prefix}any/", days[0]), Placement):
            return
    if depth >= _DEEPEST or (isinstance(probe, Ignored) and probe.reason != "unknown_key"):
        return
    for child in _children(s3, bucket, prefix):
        if not (is_placed and _YEAR.search(child)):
            yield from _day_prefixes(s3, source, bucket, child, days, depth + 1)


def _probe(source: LogSource, bucket: str, prefix: str, day: date) -> Placement | Ignored:
    by_day = place(source, bucket, f"{prefix}{day:%Y/%m/%d}/object")
    return by_day if isinstance(by_day, Placement) else place(source, bucket, f"{prefix}{day:%Y/%m/%d}/00/object")


def _children(s3: Any, bucket: str, prefix: str) -> Iterable[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    return (p["Prefix"] for page in pages for p in page.get("CommonPrefixes", ()))


def _objects(s3: Any, source: LogSource, bucket: str, prefix: str) -> Iterator[RawObject]:
    for entry in entries(s3, bucket, prefix):
        placement = place(source, bucket, entry["Key"])
        if isinstance(placement, Placement):
            yield raw_object(bucket, entry, placement)


def raw_object(bucket: str, entry: Mapping[str, Any], placement: Placement) -> RawObject:
    """A listed object that has its placement."""
    modified = entry["LastModified"].timestamp()
    return RawObject(bucket, entry["Key"], entry["Size"], entry["ETag"].strip('"'), modified, placement)
