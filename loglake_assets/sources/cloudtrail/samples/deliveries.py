"""One object to be: which events it holds, and under which key it is delivered."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from loglake_assets.sources.cloudtrail.samples.identifiers import iso_day
from loglake_assets.sources.cloudtrail.samples.trail import ACCOUNTS, GROUPS

READABLE = ("log", "gzip_without_suffix", "plain_json", "empty_records", "zero_byte")
UNREADABLE = {"corrupt": "corrupt_gzip", "truncated": "truncated_gzip"}
IGNORED = {"digest": "digest", "insight": "insight", "folder_marker": "folder_marker", "other_log": "other_log"}


@dataclass(slots=True)
class Delivery:
    """One object to be: the group that delivers, when (epoch seconds), and the numbers of the events it holds."""

    group: int
    time: int
    events: list[int]
    unique: str = ""
    kind: str = "log"

    @property
    def day(self) -> str:
        return iso_day(self.time)

    @property
    def key(self) -> str:
        prefix, account = ACCOUNTS[GROUPS[self.group][0]]
        return _KEYS.get(self.kind, _log_key)(f"{prefix}/{account}", account, GROUPS[self.group][1], self)


def _log_key(prefix: str, account: str, region: str, delivery: Delivery) -> str:
    at = datetime.fromtimestamp(delivery.time, UTC)
    suffix = ".json" if delivery.kind in ("gzip_without_suffix", "plain_json") else ".json.gz"
    name = f"{account}_CloudTrail_{region}_{at:%Y%m%dT%H%MZ}_{delivery.unique}{suffix}"
    return f"{prefix}/CloudTrail/{region}/{at:%Y/%m/%d}/{name}"


def _digest_key(prefix: str, account: str, region: str, delivery: Delivery) -> str:
    at = datetime.fromtimestamp(delivery.time, UTC)
    name = f"{account}_CloudTrail-Digest_{region}_example-trail_us-east-1_{at:%Y%m%dT%H%M%SZ}.json.gz"
    return f"{prefix}/CloudTrail-Digest/{region}/{at:%Y/%m/%d}/{name}"


def _insight_key(prefix: str, account: str, region: str, delivery: Delivery) -> str:
    return _log_key(prefix, account, region, delivery).replace("CloudTrail", "CloudTrail-Insight")


def _other_log(prefix: str, account: str, region: str, delivery: Delivery) -> str:
    at = datetime.fromtimestamp(delivery.time, UTC)
    folder = f"{prefix}/Config/{region}/{at.year}/{at.month}/{at.day}/ConfigHistory"
    return f"{folder}/{account}_Config_{region}_ConfigHistory_{at:%Y%m%dT%H%M%SZ}.json.gz"


_KEYS: dict[str, Callable[[str, str, str, Delivery], str]] = {
    "digest": _digest_key,
    "insight": _insight_key,
    "folder_marker": lambda prefix, account, region, delivery: f"{prefix}/CloudTrail/",
    "other_log": _other_log,
}
