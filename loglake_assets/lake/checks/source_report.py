"""All days of a source in one listing of its raw bucket: a report of each, and the objects that are in no table."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from loglake_assets.lake.checks.day_report import DayReport, Verdict
from loglake_assets.lake.checks.reconciliation import Reconciler
from loglake_assets.lake.storage.raw_bucket import RawBucket
from loglake_assets.lake.storage.raw_objects import EXAMPLES, UNKNOWN_KEY, RawObject, raw_object, raw_objects_by_day
from loglake_assets.lake.versions.commits import sequences
from loglake_assets.s3.pages import entries
from loglake_assets.sources.calendar_days import day_from_number, days_text, runs_of_days
from loglake_assets.sources.placement import Ignored, place
from resources.settings import is_local, loglake

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
    named = ", ".join(days_text(run) for run in runs[:_RUNS_NAMED])
    more = f" and {len(runs) - _RUNS_NAMED:,} more ranges" if len(runs) > _RUNS_NAMED else ""
    these = "this day" if len(days) == 1 else "these days"
    return f"{named}{more}: no raw logs are there for {these}. If logs were expected, {delivery_hint(raw)}."


def delivery_hint(raw: RawBucket) -> str:
    """What to do where no logs are: see whether they are delivered; on the local lake, put files there."""
    hint = f"see whether {raw.source.title} is delivered to s3://{raw.name}"
    return f"{hint}; `{loglake(f'load {raw.source.name} FOLDER')}` puts files there" if is_local() else hint
