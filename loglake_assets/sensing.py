"""The raw sensor: which raw days are new or changed, read from the catalog, told only on change.

AddAPart's consumer stamps every arrival it hears of on the partition, so a tick needs no bucket listing. The cursor is
bounded: a hot window of days with their versions, and a slow sweep through history, a month a tick, whose known
versions come from Dagster itself. (A cursor with an entry per day is copied into every tick row: 21 MB in 432 ticks.)
"""

import calendar
import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from loglake_assets.config import SourceConfig
from loglake_assets.lake.late import late_counts
from loglake_assets.lake.reconciling import days_expression, partitions
from loglake_assets.sources.placement import day_from_number
from resources.lake import LakeResource

HOT_DAYS = 45
EVENTS_A_TICK = 500
MONTHS_A_TICK = 12
_VERSION_TAG = "dagster/data_version"


@dataclass(frozen=True)
class RawDay:
    """What the catalog and the late ledger say of one raw day."""

    day: date
    partition_count: int
    last_arrival: str
    late_objects: int

    def version(self, today: date) -> str:
        """Changes when the day's objects do. For a day still open only new prefixes count: its objects come all day."""
        arrival = self.last_arrival if self.day < today else "open"
        text = f"{self.partition_count}/{arrival}/{self.late_objects}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class SensorCursor:
    """`hot`: version by day of the hot window. `sweep`: the month (its first day) that the next tick looks at."""

    hot: Mapping[str, str] = field(default_factory=dict)
    sweep: str | None = None

    @staticmethod
    def parsed(text: str | None) -> "SensorCursor":
        return SensorCursor(**json.loads(text)) if text else SensorCursor()

    def text(self) -> str:
        return json.dumps({"hot": dict(self.hot), "sweep": self.sweep}, sort_keys=True)


def raw_sensor(config: SourceConfig) -> dg.SensorDefinition:
    """A sensor that reports raw days of one source as materializations of its external asset."""

    @dg.sensor(
        name=f"{config.source.name}_raw",
        description=f"New and changed days of {config.source.raw.name}, from the Glue catalog and the late ledger.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        target=None,
    )
    def sensor(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult:
        return sense(context, config, lake, datetime.now(UTC).date())

    return sensor


def sense(
    context: dg.SensorEvaluationContext, config: SourceConfig, lake: LakeResource, today: date
) -> dg.SensorResult:
    """One tick: the hot window against the cursor, one month of history against Dagster's own records."""
    cursor = SensorCursor.parsed(context.cursor)
    hot_start = max(today - timedelta(days=HOT_DAYS), config.start_day)
    counts = late_counts(lake.s3, lake.settings.readready_bucket, config.source.readready.name)
    late = {day_from_number(day): count for day, count in counts.items()}
    hot = raw_days(config, lake, hot_start, today, late)
    known = dict(cursor.hot) or _known_versions(context.instance, config, hot)
    changed = [d for d in hot if known.get(d.day.isoformat()) != d.version(today)][:EVENTS_A_TICK]
    swept, next_sweep = _swept(
        context.instance, config, lake, cursor, hot_start, today, late, EVENTS_A_TICK - len(changed)
    )
    told = {d.day.isoformat(): d.version(today) for d in changed}
    kept = {d.day.isoformat(): known[d.day.isoformat()] for d in hot if d.day.isoformat() in known}
    events = [_materialization(config, d, today) for d in (*changed, *swept)]
    return dg.SensorResult(
        asset_events=events,
        cursor=SensorCursor({**kept, **told}, next_sweep).text(),
        skip_reason=dg.SkipReason(_told(len(events), next_sweep)),
    )


def _told(count: int, next_sweep: str | None) -> str:
    history = f"history looked at up to {next_sweep}" if next_sweep else "all history looked at"
    return f"recorded {count} raw days that are new or changed; {history}"


def _swept(
    instance: dg.DagsterInstance,
    config: SourceConfig,
    lake: LakeResource,
    cursor: SensorCursor,
    before: date,
    today: date,
    late: Mapping[date, int],
    room: int,
) -> tuple[list[RawDay], str | None]:
    """Changed days of the next months of history, and the month that comes next.

    Empty and unchanged months are passed until one has changed days or enough were looked at; a month stays due when
    there is no room for all its days.
    """
    month = date.fromisoformat(cursor.sweep) if cursor.sweep else config.start_day.replace(day=1)
    for _ in range(MONTHS_A_TICK):
        if month >= before:
            return [], None
        changed = _changed_in_month(instance, config, lake, month, before, today, late)
        if len(changed) > room:
            return changed[: max(room, 0)], month.isoformat()
        month = _next_month(month)
        if changed:
            return changed, month.isoformat()
    return [], month.isoformat()


def _changed_in_month(
    instance: dg.DagsterInstance,
    config: SourceConfig,
    lake: LakeResource,
    month: date,
    before: date,
    today: date,
    late: Mapping[date, int],
) -> list[RawDay]:
    first, end = max(month, config.start_day), min(_next_month(month), before) - timedelta(days=1)
    if first > end:
        return []
    days = raw_days(config, lake, first, end, late)
    known = _known_versions(instance, config, days)
    return [d for d in days if known.get(d.day.isoformat()) != d.version(today)]


def _next_month(month: date) -> date:
    return month + timedelta(days=calendar.monthrange(month.year, month.month)[1])


def raw_days(
    config: SourceConfig, lake: LakeResource, first: date, last: date, late: Mapping[date, int]
) -> list[RawDay]:
    """The raw days of a range that have a partition, or a late object by `late`, the ledger's count of each day."""
    source = config.source
    position = [c.name for c in source.raw.partition_keys].index("logcalendarday")
    arrivals: dict[date, list[str]] = defaultdict(list)
    expression = days_expression([first, last])
    for partition in partitions(lake.glue, lake.settings.database, source.raw.name, expression):
        day = day_from_number(partition["Values"][position])
        arrivals[day].append(partition.get("Parameters", {}).get("loglake.last_arrival", ""))
    return [
        RawDay(day, len(arrivals[day]), max(arrivals[day], default=""), late.get(day, 0))
        for day in sorted({*arrivals, *late})
        if first <= day <= last
    ]


def _known_versions(instance: dg.DagsterInstance, config: SourceConfig, days: Sequence[RawDay]) -> dict[str, str]:
    """The version Dagster last recorded of each day."""
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


def _materialization(config: SourceConfig, day: RawDay, today: date) -> dg.AssetMaterialization:
    metadata: dict[str, Any] = {
        "partitions": day.partition_count,
        "last_arrival": day.last_arrival or "unknown",
        "late_objects": day.late_objects,
    }
    return dg.AssetMaterialization(
        config.raw_key, partition=day.day.isoformat(), metadata=metadata, tags={_VERSION_TAG: day.version(today)}
    )
