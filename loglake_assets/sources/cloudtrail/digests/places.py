"""Where digests and log files lie: keys taken apart, and the accounts and Regions of a bucket found by walking it.

A digest names its original place. In a replicated or moved bucket the same tail, from `AWSLogs/` on, lies in another
bucket and may stand after another prefix; the digest's own two places say which prefix became which.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_KEY = re.compile(
    r"^(?P<lead>(?:.*/)?)(?P<root>AWSLogs/(?:o-[a-z0-9]+/)?\d{12}/)(?P<log>CloudTrail(?:-Digest|-NetworkActivity)?)/"
    r"(?P<region>[a-z0-9-]+)/(?P<year>\d{4})/(?P<month>\d{2})/(?P<day>\d{2})/(?P<name>[^/]+)$",
    re.DOTALL,
)
_ACCOUNT = re.compile(r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?\d{12}/$")
_DIGEST = re.compile(r"^(?P<stem>.+)_(?P<stamp>\d{8}T\d{6}Z)(?P<backfill>_backfill)?\.json\.gz$", re.DOTALL)
_DELIVERED = re.compile(r"_(\d{8}T\d{4}Z)_[^_]+$")
_DEEPEST = 12  # levels of prefixes above an account
HOUR = timedelta(hours=1)


@dataclass(frozen=True, order=True)
class Group:
    """An account and Region under one prefix: what CloudTrail keeps digests for. `root` ends in the account and /."""

    root: str
    region: str

    def prefix(self, day: date, log: str) -> str:
        """Where a day lies; `log` is CloudTrail or CloudTrail-Digest."""
        return f"{self.root}{log}/{self.region}/{day:%Y/%m/%d}/"

    @property
    def name(self) -> str:
        return f"{self.root}CloudTrail/{self.region}/"


@dataclass(frozen=True)
class DigestPlace:
    """Where a digest lies. `stem` names account, Region, trail and home Region: the digests of one stem are a chain."""

    key: str
    group: Group
    stem: str
    end: datetime
    is_backfill: bool

    @property
    def day(self) -> date:
        """The delivery day of its hour: one that ends at midnight is of the day before."""
        return day_of_end(self.end)

    @property
    def home_region(self) -> str:
        return self.stem.rsplit("_", 1)[-1]

    def at(self, end: datetime) -> str:
        """The key of the digest of the same chain that ends at another time."""
        return f"{self.group.prefix(end.date(), 'CloudTrail-Digest')}{self.stem}_{end:%Y%m%dT%H%M%SZ}.json.gz"


def day_of_end(end: datetime) -> date:
    return (end - timedelta(seconds=1)).date()


def digest_place(key: str) -> DigestPlace | None:
    """The place of a digest's key, or None for any other key, such as one whose time is not of its folder's day."""
    found = _KEY.match(key)
    named = _DIGEST.match(found["name"]) if found and found["log"] == "CloudTrail-Digest" else None
    end = _moment(named["stamp"], "%Y%m%dT%H%M%SZ") if named else None
    if not (found and named and end) or f"{end:%Y/%m/%d}" != f"{found['year']}/{found['month']}/{found['day']}":
        return None
    return DigestPlace(key, _group(found), named["stem"], end, bool(named["backfill"]))


def log_group(key: str) -> Group | None:
    """The group of a log file's key, or None for any other key."""
    found = _KEY.match(key)
    return _group(found) if found and found["log"] != "CloudTrail-Digest" else None


def log_day(key: str) -> date | None:
    """The day of a log file's prefix."""
    found = _KEY.match(key)
    moment = _moment(f"{found['year']}{found['month']}{found['day']}", "%Y%m%d") if found else None
    return moment.date() if moment else None


def delivery_time(key: str) -> datetime | None:
    """The minute of delivery that a log file's name tells."""
    found = _DELIVERED.search(key)
    return _moment(found[1], "%Y%m%dT%H%MZ") if found else None


def _group(found: re.Match[str]) -> Group:
    return Group(f"{found['lead']}{found['root']}", found["region"])


def _moment(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None


@dataclass(frozen=True)
class Relocation:
    """From keys as delivered to keys as stored: what stood before `AWSLogs/`, and what stands there now."""

    before: str
    now: str

    def stored_key(self, key: str) -> str:
        return f"{self.now}{key.removeprefix(self.before)}" if key.startswith(self.before) else key


def relocation(stored_key: str, delivered_key: str) -> Relocation | None:
    """What moved, where both keys end in the same tail from `AWSLogs/` on; None where they are of two objects."""
    stored, delivered = _KEY.match(stored_key), _KEY.match(delivered_key)
    if not stored or not delivered:
        return None
    before, now = delivered["lead"], stored["lead"]
    return Relocation(before, now) if delivered_key[len(before) :] == stored_key[len(now) :] else None


def groups(s3: "S3Client", bucket: str) -> Iterator[Group]:
    """Every account and Region that the bucket has log files or digests of."""
    for root in _accounts(s3, bucket, "", 0):
        kinds = (f"{root}CloudTrail/", f"{root}CloudTrail-Digest/")
        regions = {child.split("/")[-2] for kind in kinds for child in _children(s3, bucket, kind)}
        yield from (Group(root, region) for region in sorted(regions))


def _accounts(s3: "S3Client", bucket: str, prefix: str, depth: int) -> Iterator[str]:
    if _ACCOUNT.search(prefix):
        yield prefix
    elif depth <= _DEEPEST:
        for child in _children(s3, bucket, prefix):
            yield from _accounts(s3, bucket, child, depth + 1)


def _children(s3: "S3Client", bucket: str, prefix: str) -> Iterator[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    return (p["Prefix"] for page in pages for p in page.get("CommonPrefixes", ()))
