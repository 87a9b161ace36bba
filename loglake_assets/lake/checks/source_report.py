"""All days of a source in one listing of its raw bucket: a report of each, and the objects that are in no table."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from loglake_assets.lake.checks.day_report import DayReport, Verdict
from loglake_assets.lake.checks.reconciliation import Reconciler
from loglake_assets.lake.storage.raw_bucket import RawBucket
from loglake_assets.lake.storage.raw_objects import EXAMPLES, UNKNOWN_KEY, RawObject, raw_object, raw_objects_by_day
from loglake_assets.lake.versions.commits import sequences
from loglake_assets.s3.pages import entries
from loglake_assets.sources.placement import Ignored, day_from_number, place

_RUNS_NAMED = 10  # of neighbouring days


@dataclass(frozen=True)
class SourceReport:
    """All days of a source, and the objects of its bucket that are in no table, by reason: no logs, or denied.

    `unknown` names some of those that no pattern of the source places.
    """

    days: tuple[DayReport, ...]
    ignored: dict[str, int]
    unknown: tuple[str, ...] = ()
    delivered: frozenset[date] = frozenset()
    """Days under whose prefixes any object lies, denied ones included."""


def source_report(reconciler: Reconciler, first_open: date) -> SourceReport:
    """Every day that has objects or a commit; days from `first_open` on are not due to be built. Lists the whole raw
    bucket.
    """
    landed, ignored, unknown = _landings(reconciler.raw)
    numbers = sequences(reconciler.table)
    days = sorted({*landed, *(day_from_number(day) for day in numbers)})
    reports = reconciler.days_of(landed, days, first_open)
    for denied in (judged for report in reports for judged in report.select(Verdict.EXCLUDED)):
        ignored[f"denied:{denied.detail}"] += 1
    of_the_lake = tuple(report for report in reports if report.landed_count or report.commit_seq or report.run_id)
    return SourceReport(of_the_lake, dict(ignored), tuple(unknown), frozenset(landed))


def _landings(raw: RawBucket) -> tuple[dict[date, list[RawObject]], dict[str, int], list[str]]:
    """Objects by delivery day, counts of those that are no logs, and some of the keys that no pattern places."""
    landed: dict[date, list[RawObject]] = defaultdict(list)
    ignored: dict[str, int] = defaultdict(int)
    unknown: list[str] = []
    for entry in entries(raw.s3, raw.name):
        placement = place(raw.source, raw.name, entry["Key"])
        if isinstance(placement, Ignored):
            ignored[placement.reason] += 1
            if placement.reason == UNKNOWN_KEY and len(unknown) < EXAMPLES:
                unknown.append(entry["Key"])
            continue
        landed[placement.day].append(raw_object(raw.name, entry, placement))
    return landed, ignored, unknown


def days_without_raw_logs(raw: RawBucket, days: Collection[date]) -> list[date]:
    """Those of the days of which no object lies in the source's raw bucket. Lists the days' folders only."""
    return [day for day, objects in raw_objects_by_day(raw, days) if not objects]


def no_raw_logs(days: Collection[date], raw: RawBucket) -> str:
    """The words for days without raw logs, and what to do if there should be some."""
    runs = list(runs_of_days(days))
    named = ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:_RUNS_NAMED])
    more = f" and {len(runs) - _RUNS_NAMED:,} more ranges" if len(runs) > _RUNS_NAMED else ""
    return (
        f"{named}{more}: no raw logs are there for {'this day' if len(days) == 1 else 'these days'}. If logs were "
        f"expected, see whether {raw.source.title} is delivered to s3://{raw.name}; on one machine "
        f"`loglake load {raw.source.name} folder` puts files there."
    )


def runs_of_days(days: Collection[date]) -> Iterator[list[date]]:
    """Neighbouring days together, in order."""
    for _, run in groupby(enumerate(sorted(days)), key=lambda at: at[1] - timedelta(days=at[0])):
        yield [day for _, day in run]
