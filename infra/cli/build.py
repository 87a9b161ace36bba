"""Days built through Dagster, in this process: windows of the backfill policy's size, each a run of the job."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from infra.cli.command_lake import AwsLake, CommandLake
from infra.cli.dagster_home import write_dagster_home
from infra.cli.dagster_runs import DayResult, InterruptedBuildError, print_errors, run_days
from infra.cli.day_argument import BuildError
from infra.cli.quarantine import print_quarantine
from infra.cli.review import build_review_range, print_review_days
from infra.cli.submission import submit_days
from infra.cli.terminal_output import pct_text, print_table, size
from loglake_assets.lake.checks.coverage import Coverage, coverage_of_commit
from loglake_assets.lake.checks.day_report import measure_words
from loglake_assets.lake.checks.source_report import delivery_hint
from loglake_assets.orchestration.readready_days import ACCEPT_LOSS_TAG
from loglake_assets.reviews import Review, load_review, review_names
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.calendar_days import day_number, days_between, days_text
from loglake_assets.sources.words import inflect, tally
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


def build_range(
    lake: CommandLake, source: LogSource, first: date, last: date, say: Say, tags: Mapping[str, str] | None = None
) -> list[DayResult]:
    """Build the days of a range that have a source.

    A day that only the late ledger knows of, because a build of this range found events of it, is built as well.
    """
    with_source = partial(days_with_source, lake, source)
    results = run_days(lake, source.name, source.readready.name, first, last, with_source, say, tags)
    asked = days_between(first, last)
    _say_days_without_source(lake, source, asked, {result.day for result in results}, say)
    return results


def build_days(lake: CommandLake, name: str, first: date, last: date, accept_loss: bool, say: Say) -> int:
    """Build days of a log or a review, here or by the lake's Dagster, and print them; returns 1 where one failed.

    Raises InterruptedBuildError after printing the days that were built.
    """
    if accept_loss and name in review_names():
        raise BuildError(f"--accept-loss is for logs: {name} is made from tables, and takes nothing from raw objects.")
    tags = {ACCEPT_LOSS_TAG: "true"} if accept_loss else {}
    if isinstance(lake, AwsLake) and lake.dagster:
        return submit_days(lake, name, first, last, partial(_days_to_submit, lake, name, say), tags, say)
    if isinstance(lake, AwsLake):
        write_dagster_home(lake.dagster_home)
        say(f"Built here; Dagster records the runs in {lake.dagster_home}, since lakes/ names no Dagster of this lake.")
    if name in review_names():
        return _build_review(lake, load_review(name), first, last, say)
    source = load_source(name)
    try:
        results = build_range(lake, source, first, last, say, tags)
    except InterruptedBuildError as stop:
        print_days(lake, source, stop.results)
        raise
    print_days(lake, source, results)
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


def _days_to_submit(lake: CommandLake, name: str, say: Say, asked: list[date]) -> list[date]:
    """Those of a log that have a source, the others said; a review's run says itself which days it can be made of."""
    if name in review_names():
        return asked
    source = load_source(name)
    days = days_with_source(lake, source, asked)
    _say_days_without_source(lake, source, asked, days, say)
    return days


def days_with_source(lake: CommandLake, source: LogSource, days: list[date]) -> list[date]:
    """Those of the days that have a raw partition or an object in the late ledger."""
    return lake.resource.days_with_logs(source, days)


def _say_days_without_source(
    lake: CommandLake, source: LogSource, asked: list[date], built: Collection[date], say: Say
) -> None:
    absent = [day for day in asked if day not in built]
    if len(absent) == len(asked):
        raise BuildError(
            f"No raw logs are known for {days_text(asked)}: {source.raw.name} has no partition for any of these days. "
            f"Nothing was built. If logs were delivered, `{loglake('reconcile')}` registers them; if not, "
            f"{delivery_hint(lake.raw_bucket(source))}."
        )
    if absent:
        say(
            f"  {len(absent)} of {tally(len(asked), 'day')} {inflect(len(absent), 'has', 'have')} no raw logs (no "
            f"partition), the first is {absent[0]}: not built"
        )


def print_days(lake: CommandLake, source: LogSource, results: Sequence[DayResult]) -> None:
    """The table of built days, as they were counted last, then each error once."""
    rows = [_row(result, _last_coverage(lake, source, result)) for result in results]
    print_table(f"{source.title}, readready by day", HEADINGS, rows)
    print_errors(results)


def _last_coverage(lake: CommandLake, source: LogSource, result: DayResult) -> Coverage | None:
    """What was found when the day was counted last: building another day may have counted it again."""
    if not result.metadata:
        return None
    return coverage_of_commit(lake.table(source.readready.name), day_number(result.day), result.metadata["commit"])


def _row(result: DayResult, coverage: Coverage | None) -> list[Any]:
    m = result.metadata
    if not m:
        return [result.day, *[None] * (len(HEADINGS) - 2), result.newest_commit or "not built"]
    return [
        result.day,
        m["records_read"],
        m["excluded"],
        m["duplicates"],
        m["quarantined_records"],
        m["dagster/row_count"],
        pct_text(coverage.pct if coverage else m["coverage_pct"]),
        m["objects_read"],
        m["quarantined_objects"],
        size(m["raw_bytes"]),
        size(m["orc_bytes"]),
        f"{m['glue_seconds']:.1f}",
        ", ".join(measure_words(coverage)),
    ]
