"""The raw sensor: which raw days are new or changed, read from the catalog, told only on change.

AddAPart's consumer stamps on the partition what arrives after its day, so a tick needs no bucket listing. The cursor is
bounded: a hot window of days with their versions, and a slow sweep through history, a month a tick, whose known
versions come from Dagster itself. (A cursor with an entry per day is copied into every tick row: 21 MB in 432 ticks.)
"""

import calendar
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from loglake_assets.lake.lake import Lake
from loglake_assets.orchestration.raw_days import RawDay, known_versions, late_objects_by_day, raw_day_event, raw_days
from loglake_assets.orchestration.source_config import SourceConfig
from loglake_assets.sources.words import tally

HOT_DAYS = 45
EVENTS_A_TICK = 500
MONTHS_A_TICK = 12


@dataclass(frozen=True)
class SensorCursor:
    """`hot`: version by day of the hot window. `sweep`: the month (its first day) that the next tick looks at."""

    hot: Mapping[str, str] = field(default_factory=dict)
    sweep: str | None = None

    @staticmethod
    def from_text(text: str | None) -> "SensorCursor":
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
    def sensor(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.SensorResult:
        return sense(context, config, lake, datetime.now(UTC).date())

    return sensor


def sense(context: dg.SensorEvaluationContext, config: SourceConfig, lake: Lake, today: date) -> dg.SensorResult:
    """One tick: the hot window against the cursor, one month of history against Dagster's own records."""
    cursor = SensorCursor.from_text(context.cursor)
    hot_start = max(today - timedelta(days=HOT_DAYS), config.start_day)
    late = late_objects_by_day(config, lake)
    hot = raw_days(config, lake, hot_start, today, late)
    known = dict(cursor.hot) or known_versions(context.instance, config, hot)
    changed = [d for d in hot if known.get(d.day.isoformat()) != d.version(today)][:EVENTS_A_TICK]
    swept, next_sweep = _sweep(
        context.instance, config, lake, cursor, hot_start, today, late, EVENTS_A_TICK - len(changed)
    )
    told = {d.day.isoformat(): d.version(today) for d in changed}
    kept = {d.day.isoformat(): known[d.day.isoformat()] for d in hot if d.day.isoformat() in known}
    recorded = known_versions(context.instance, config, changed)  # the hourly checks report raw days as well
    news = [d for d in changed if recorded.get(d.day.isoformat()) != d.version(today)]
    events = [raw_day_event(config, d, today) for d in (*news, *swept)]
    return dg.SensorResult(
        asset_events=events,
        cursor=SensorCursor({**kept, **told}, next_sweep).text(),
        skip_reason=dg.SkipReason(_tell(len(events), next_sweep)),
    )


def _tell(count: int, next_sweep: str | None) -> str:
    history = f"history looked at up to {next_sweep}" if next_sweep else "all history looked at"
    return f"recorded {tally(count, 'new or changed raw day')}; {history}"


def _sweep(
    instance: dg.DagsterInstance,
    config: SourceConfig,
    lake: Lake,
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
        changed = _changes_in_month(instance, config, lake, month, before, today, late)
        if len(changed) > room:
            return changed[: max(room, 0)], month.isoformat()
        month = _next_month(month)
        if changed:
            return changed, month.isoformat()
    return [], month.isoformat()


def _changes_in_month(
    instance: dg.DagsterInstance,
    config: SourceConfig,
    lake: Lake,
    month: date,
    before: date,
    today: date,
    late: Mapping[date, int],
) -> list[RawDay]:
    first, end = max(month, config.start_day), min(_next_month(month), before) - timedelta(days=1)
    if first > end:
        return []
    days = raw_days(config, lake, first, end, late)
    known = known_versions(instance, config, days)
    return [d for d in days if known.get(d.day.isoformat()) != d.version(today)]


def _next_month(month: date) -> date:
    return month + timedelta(days=calendar.monthrange(month.year, month.month)[1])
