"""Raw days as the catalog and the late ledger know them, and the one way in which they are reported to Dagster.

The sensor and the hourly checks both report through here: an event says what is news, and carries the day's data
version. A day that is reported again without news would keep the raw table looking fresh after its logs have stopped.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.partitions import days_expression, raw_partitions
from loglake_assets.lake.versions.late_ledger import late_counts
from loglake_assets.orchestration.day_checks import newest_materializations
from loglake_assets.orchestration.source_config import SourceConfig
from loglake_assets.sources.calendar_days import day_from_number

_VERSION_TAG = "dagster/data_version"


@dataclass(frozen=True)
class RawDay:
    """What the catalog and the late ledger say of one raw day."""

    day: date
    partition_count: int
    last_arrival: str
    late_objects: int

    @property
    def has_late_arrival(self) -> bool:
        """Whether AddAPart has noted an object that came after the day was over."""
        return self.last_arrival[:10] > self.day.isoformat()

    def version(self, today: date) -> str:
        """Changes when the day's objects do. For a day still open only new prefixes count: its objects come all day."""
        arrival = self.last_arrival if self.day < today else "open"
        text = f"{self.partition_count}/{arrival}/{self.late_objects}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def late_objects_by_day(config: SourceConfig, lake: Lake) -> dict[date, int]:
    """How many entries the late ledger has of each day."""
    counts = late_counts(lake.table(config.source.readready.name))
    return {day_from_number(day): count for day, count in counts.items()}


def raw_days(config: SourceConfig, lake: Lake, first: date, last: date, late: Mapping[date, int]) -> list[RawDay]:
    """The raw days of a range that have a partition, or a late object by `late`, the ledger's count of each day."""
    source = config.source
    arrivals: dict[date, list[str]] = defaultdict(list)
    expression = days_expression([first, last])
    for day, partition in raw_partitions(lake.catalog, source, expression):
        arrivals[day].append(partition.get("Parameters", {}).get("loglake.last_arrival", ""))
    return [
        RawDay(day, len(arrivals[day]), max(arrivals[day], default=""), late.get(day, 0))
        for day in sorted({*arrivals, *late})
        if first <= day <= last
    ]


def known_versions(instance: dg.DagsterInstance, config: SourceConfig, days: Sequence[RawDay]) -> dict[str, str]:
    """The version that Dagster recorded last of each day (by partition key)."""
    if not days:
        return {}
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=config.raw_key, asset_partitions=[d.day.isoformat() for d in days]),
        limit=1000,
    ).records
    known: dict[str, str] = {}
    for record in records:  # newest first
        event = record.asset_materialization
        if event and event.partition:
            known.setdefault(event.partition, (event.tags or {}).get(_VERSION_TAG, ""))
    return known


def raw_day_event(config: SourceConfig, day: RawDay, today: date) -> dg.AssetMaterialization:
    """The event that reports a raw day: with its data version, so that the next look knows what was reported."""
    metadata: dict[str, Any] = {
        "partitions": day.partition_count,
        "last_arrival": day.last_arrival if day.has_late_arrival else "during the day",
        "late_objects": day.late_objects,
    }
    return dg.AssetMaterialization(
        config.raw_key, partition=day.day.isoformat(), metadata=metadata, tags={_VERSION_TAG: day.version(today)}
    )


def news_of(
    instance: dg.DagsterInstance, config: SourceConfig, lake: Lake, days: Sequence[date], today: date
) -> list[dg.AssetMaterialization]:
    """Reports of those of the days of which there is news.

    News is another version than Dagster recorded last. And a day that was built after its last report is reported once
    more: what arrived while that build went on was reported before it ended, and healing would not ask for it again.
    """
    if not days:
        return []
    found = [
        d for d in raw_days(config, lake, min(days), max(days), late_objects_by_day(config, lake)) if d.day in days
    ]
    known = known_versions(instance, config, found)
    keys = [d.day.isoformat() for d in found]
    reported = newest_materializations(instance, config.raw_key, keys)
    built = newest_materializations(instance, config.readready_key, keys)
    return [
        raw_day_event(config, d, today)
        for d, key in zip(found, keys, strict=True)
        if known.get(key) != d.version(today) or (key in built and built[key].storage_id > reported[key].storage_id)
    ]
