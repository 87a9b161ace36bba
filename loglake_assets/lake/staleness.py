"""Which committed days were built from other input than there is now: late, changed, or unheard of."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

from loglake_assets.lake.commits import ROLLBACK, Commit, head
from loglake_assets.lake.late import unread_late_objects
from loglake_assets.lake.listing import RawObject, raw_objects
from loglake_assets.lake.manifests import GONE_WHILE_READING, manifest_if_any
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import day_number


def stale_days(
    s3: Any, source: LogSource, raw_bucket: str, readready_bucket: str, days: Collection[date]
) -> list[date]:
    """The days whose commit did not read all their objects as they are now. Lists prefixes, reads manifests."""
    landed: dict[date, list[RawObject]] = defaultdict(list)
    for found in raw_objects(s3, source, raw_bucket, days):
        landed[found.placement.day].append(found)
    commits = {day: head(s3, readready_bucket, source.readready.name, day_number(day)) for day in sorted(days)}
    return [day for day, commit in commits.items() if commit and is_stale(s3, readready_bucket, commit, landed[day])]


STALE, RAW_GONE = "stale", "raw_gone"


def is_stale(s3: Any, readready_bucket: str, commit: Commit, objects: Iterable[RawObject]) -> bool:
    """Whether building the day again would bring it something."""
    return difference(s3, readready_bucket, commit, objects) == STALE


def difference(s3: Any, readready_bucket: str, commit: Commit, objects: Iterable[RawObject]) -> str | None:
    """STALE where the day's own prefixes hold an object the commit did not read as it is now, or the ledger names one.

    RAW_GONE where nothing is new and an object that it read there is gone, which no build mends. None: as it was read.

    The look-ahead's prefix grows all day without making the day stale: what it brings late stands in the ledger. A day
    that was rolled back is as a person wants it.
    """
    if commit.reason == ROLLBACK:
        return None
    manifest = manifest_if_any(s3, readready_bucket, commit.table, commit.day, commit.run_id)
    if manifest is None:
        return STALE
    read = {o.name: o.etag for o in manifest.objects}
    listed = {o.name: o.etag for o in objects}
    if any(read.get(name) != etag for name, etag in listed.items()):
        return STALE
    if unread_late_objects(s3, readready_bucket, manifest):
        return STALE
    own = (o for o in manifest.objects if o.prefix_day == commit.day and o.reason != GONE_WHILE_READING)
    return RAW_GONE if any(o.name not in listed for o in own) else None
