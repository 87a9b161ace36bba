"""Days built through Dagster, in this process: windows of the backfill policy's size, each a run of the job."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from infra.cli.dagster_home import write_dagster_home
from infra.cli.dagster_runs import (
    InterruptedBuildError,
    InterruptedRunError,
    coverage_text,
    dagster_instance,
    days_per_run,
    days_until_now,
    job_and_asset,
    load_definitions,
    metadata_of_run,
    newest_commit,
    run_window,
)
from infra.cli.day_argument import BuildError
from infra.cli.first_day import lake_first_day
from infra.cli.lake import AwsLake, CommandLake
from infra.cli.quarantine import print_quarantine
from infra.cli.review import build_review_range, print_review_days
from infra.cli.submission import submit_days
from infra.cli.terminal import print_table, size
from loglake_assets.orchestration.readready_days import ACCEPT_LOSS_TAG
from loglake_assets.orchestration.source_config import windows
from loglake_assets.reviews import Review, load_review, review_names
from loglake_assets.sources import LogSource, load_source
from resources.settings import loglake

Say = Callable[[str], None]
HEADINGS = (
    "day",
    "read",
    "excluded",
    "duplicate",
    "quarantined",
    "written",
    "coverage %",
    "objects read",
    "unreadable",
    "raw inflated",
    "ORC",
    "s/day",
    "state",
)


@dataclass(frozen=True)
class DayResult:
    """One day after a build: the metadata of its materialization, or none when it was not built."""

    day: date
    metadata: dict[str, Any]
    error: str | None
    standing: str = ""
    """What readers see of a day that was not built now, where an earlier commit stands."""

    def row(self) -> list[Any]:
        m = self.metadata
        if not m:
            return [self.day, *[None] * (len(HEADINGS) - 2), self.standing or "not built"]
        return [
            self.day,
            m["records_read"],
            m["excluded"],
            m["duplicates"],
            m["quarantined_records"],
            m["dagster/row_count"],
            coverage_text(m["coverage_pct"]),
            m["objects_read"],
            m["quarantined_objects"],
            size(m["raw_bytes"]),
            size(m["orc_bytes"]),
            f"{m['glue_run_seconds'] / m['days_in_glue_run']:.1f}",
            "complete"
            if m["coverage_pct"] == 100
            else ("empty" if isinstance(m["coverage_pct"], str) else "incomplete"),
        ]


def build_range(
    lake: CommandLake, source: LogSource, first: date, last: date, say: Say, tags: Mapping[str, str] | None = None
) -> list[DayResult]:
    """Build the days of a range that have a source; every window is a Dagster run, seen in the UI like any other.

    A day that only the late ledger knows of, because a build of this range found events of it, is built as well.
    """
    definitions = load_definitions(lake_first_day(lake, first))
    job, key = job_and_asset(definitions, source.name)
    asked, started = days_until_now(job, source.name, first, last), datetime.now(UTC)
    results: dict[date, DayResult] = {}

    def take(window: list[date], run_id: str, error: str | None) -> None:
        for day in window:
            metadata = metadata_of_run(instance, key, day, run_id)
            standing = "" if metadata else newest_commit(lake, source.readready.name, day, started)
            results[day] = DayResult(day, metadata, error, standing)

    with dagster_instance(lake) as instance:
        while days := [d for d in days_with_source(lake, source, asked) if d not in results]:
            for window in windows(days, days_per_run(definitions, key)):
                say(f"  {source.name} {window[0]} to {window[-1]}: Dagster run")
                try:
                    take(window, *run_window(job, instance, window, tags))
                except InterruptedRunError as stop:
                    take([day for day in days if day not in results], stop.run_id, None)
                    raise InterruptedBuildError([results[day] for day in sorted(results)]) from stop
    _tell_days_without_source(source, asked, results, say)
    return [results[day] for day in sorted(results)]


def build_days(lake: CommandLake, name: str, first: date, last: date, accept_loss: bool, say: Say) -> int:
    """Build days of a log or a review, here or by the lake's Dagster, and print them; returns 1 where one failed.

    Raises InterruptedBuildError after printing the days that were built.
    """
    tags = {ACCEPT_LOSS_TAG: "true"} if accept_loss else {}
    if isinstance(lake, AwsLake) and lake.dagster:
        return submit_days(lake, name, first, last, tags, say)
    if isinstance(lake, AwsLake):
        write_dagster_home(lake.dagster_home)
        say(f"Built here; Dagster records the runs in {lake.dagster_home}, since lakes/ names no Dagster of this lake.")
    if name in review_names():
        return _build_review(lake, load_review(name), first, last, say)
    source = load_source(name)
    try:
        results = build_range(lake, source, first, last, say, tags)
    except InterruptedBuildError as stop:
        print_days(source, stop.results)
        raise
    print_days(source, results)
    print_quarantine(lake, source, [r.day for r in results if r.metadata])
    return 1 if any(r.error for r in results) else 0


def _build_review(lake: CommandLake, review: Review, first: date, last: date, say: Say) -> int:
    try:
        results = build_review_range(lake, review, first, last, say)
    except InterruptedBuildError as stop:
        print_review_days(review, stop.results)
        raise
    print_review_days(review, results)
    return 1 if any(r.error for r in results) else 0


def days_with_source(lake: CommandLake, source: LogSource, days: list[date]) -> list[date]:
    """Those of the days that have a raw partition or an object in the late ledger."""
    return lake.resource.days_with_logs(source, days)


def _tell_days_without_source(source: LogSource, asked: list[date], built: Collection[date], say: Say) -> None:
    absent = [day for day in asked if day not in built]
    if len(absent) == len(asked):
        raise BuildError(
            f"No day from {asked[0]} to {asked[-1]} has a source: {source.raw.name} has no partition for any of them. "
            f"Nothing was built. If logs were delivered, `{loglake('reconcile')}` registers them; if not, see whether "
            f"its raw bucket gets them; on one machine `loglake load {source.name} folder` puts files there."
        )
    if absent:
        say(f"  {len(absent)} of {len(asked)} days have no source (no raw partition), the first {absent[0]}: not built")


def print_days(source: LogSource, results: Sequence[DayResult]) -> None:
    """The table of built days, then each error once."""
    print_table(f"{source.title}, readready by day", HEADINGS, [r.row() for r in results])
    for error in dict.fromkeys(r.error for r in results if r.error):
        print(f"FAILED: {error}")
