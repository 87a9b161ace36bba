"""What tests ask of day reports."""

from collections.abc import Collection
from datetime import date

from loglake_assets.lake.checks.coverage import Coverage
from loglake_assets.lake.lake import Lake
from loglake_assets.orchestration.reconcile_job import day_reports, send_gaps
from loglake_assets.sources import LogSource


def stale_days(source: LogSource, lake: Lake, days: Collection[date]) -> list[date]:
    """Built days that building again would bring something."""
    return [report.day for report in day_reports(source, lake, days) if report.is_stale]


def reconcile(source: LogSource, lake: Lake, days: Collection[date]) -> tuple[int, int]:
    """Send AddAPart what the catalog misses of the days: (raw prefixes, commits)."""
    return send_gaps(source, lake, day_reports(source, lake, days))


def coverage(day: int, seq: int, expected: int = 1, found: int = 1) -> Coverage:
    """What a recount says of a day (yyyymmdd) of commit `seq` that has `found` of its `expected` events."""
    return Coverage(
        source="cloudtrail",
        day=day,
        expected=expected,
        found=found,
        missing=expected - found,
        surplus=0,
        repeated=0,
        excluded=0,
        denied={},
        unreadable={},
        unplaceable_records=0,
        missing_by_object={},
        missing_events=(),
        surplus_events=(),
        commit_seq=seq,
        object_count=1,
        bytes_read=1,
        checked_at="2026-11-28T00:00:00+00:00",
    )
