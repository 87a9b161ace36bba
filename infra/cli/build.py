"""Days built through Dagster, in this process: windows of the backfill policy's size, each a run of the job."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from infra.cli.dagster_home import write_dagster_home
from infra.cli.first_day import lake_first_day
from infra.cli.home import own_environment
from infra.cli.lake import AwsLake, CommandLake
from infra.cli.quarantine import print_quarantine
from infra.cli.signals import StoppedError
from infra.cli.terminal import print_table, size
from loglake_assets.lake.versions.commits import head
from loglake_assets.orchestration.readready_days import ACCEPT_LOSS_TAG
from loglake_assets.orchestration.source_config import window_tags, windows
from loglake_assets.reviews import Review, load_review, review_names
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.placement import day_number
from resources.settings import FIRST_DAY, loglake

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


class BuildError(RuntimeError):
    """The days asked for cannot be built; the message says why and what to ask for."""


class InterruptedBuildError(StoppedError):
    """A build was stopped by a signal, and its Glue run with it; `results` are what stands of each day."""

    def __init__(self, results: Sequence[Any]) -> None:
        built = sum(1 for result in results if result.metadata)
        super().__init__(
            f"Stopped, and the Glue run with it: {built:,} of {len(results):,} days were built by this command. The "
            "same command builds the others; nothing has to be cleaned up first."
        )
        self.results = results


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


def coverage_text(pct: float | str | None) -> str:
    """A percentage that never rounds up to 100."""
    if not isinstance(pct, int | float):
        return "n/a"
    return f"{int(pct * 10_000) / 10_000:.4f}"


@contextmanager
def dagster_instance(lake: CommandLake) -> Iterator[dg.DagsterInstance]:
    """The lake's own Dagster instance."""
    with dg.DagsterInstance.from_config(str(lake.dagster_home)) as instance:
        yield instance


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


def job_and_asset(definitions: dg.Definitions, name: str) -> tuple[dg.JobDefinition, dg.AssetKey]:
    """The job that makes the days of a log or a review, and the asset that it makes."""
    if name in review_names():
        return definitions.resolve_job_def(name), dg.AssetKey(["review", name])
    return definitions.resolve_job_def(f"{name}_readready"), readready_key(load_source(name))


def build_days(lake: CommandLake, name: str, first: date, last: date, accept_loss: bool, say: Say) -> int:
    """Build days of a log or a review, here or by the lake's Dagster, and print them; returns 1 where one failed.

    Raises InterruptedBuildError after printing the days that were built.
    """
    from infra.cli.submission import submit_days

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
    from infra.cli.review import build_review_range, print_review_days

    try:
        results = build_review_range(lake, review, first, last, say)
    except InterruptedBuildError as stop:
        print_review_days(review, stop.results)
        raise
    print_review_days(review, results)
    return 1 if any(r.error for r in results) else 0


def newest_commit(lake: CommandLake, table: str, day: date, started: datetime) -> str:
    """What readers see of a day that a build of now did not finish; empty where they see nothing."""
    commit = head(lake.table(table), day_number(day))
    if commit is None:
        return ""
    is_older = datetime.fromisoformat(commit.committed_at) < started
    return f"built earlier: commit {commit.seq} stands" if is_older else f"not checked: commit {commit.seq} stands"


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


def load_definitions(first: date | None = None) -> dg.Definitions:
    """The project's definitions, with every source, and days from `first` on; without it as the environment says."""
    from loglake_assets.definitions import defs

    with own_environment():
        if first:
            os.environ[FIRST_DAY] = first.isoformat()
        return defs()


def days_until_now(job: dg.JobDefinition, name: str, first: date, last: date) -> list[date]:
    """The days of a range, refused when one is no closed day of the source or review of this name."""
    if last < first:
        raise BuildError(f"FROM={first} is after TO={last}. Swap them.")
    assert job.partitions_def is not None, "readready jobs are partitioned by day"
    keys = set(job.partitions_def.get_partition_keys())
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    if odd := [day for day in days if day.isoformat() not in keys]:
        raise BuildError(
            f"{odd[0]} is no closed day of {name}: accepted are days up to {max(keys)}, which is yesterday (UTC). "
            "Nothing was built."
        )
    return days


def days_per_run(definitions: dg.Definitions, key: dg.AssetKey) -> int:
    """How many days one run of an asset builds at most, by its backfill policy."""
    policy = definitions.resolve_assets_def(key).backfill_policy
    return int(policy.max_partitions_per_run or 1) if policy else 1


def readready_key(source: LogSource) -> dg.AssetKey:
    return dg.AssetKey(["readready", source.readready.name])


class InterruptedRunError(RuntimeError):
    """A signal ended a Dagster run, whose id `run_id` is."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"Dagster run {run_id} was ended by a signal.")
        self.run_id = run_id


def run_window(
    job: dg.JobDefinition, instance: dg.DagsterInstance, window: list[date], tags: Mapping[str, str] | None = None
) -> tuple[str, str | None]:
    """Execute one window in this process; returns the Dagster run's id, and the error's text or None.

    Raises InterruptedRunError.
    """
    result = job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={"loggers": {"progress": {}}},
        tags={**(tags or {}), **window_tags(window)},
    )
    if result.success:
        return result.run_id, None
    causes = {name for event in result.all_events if event.is_step_failure for name in _causes(event)}
    if causes & {"DagsterExecutionInterruptedError", "KeyboardInterrupt"}:
        raise InterruptedRunError(result.run_id)
    return result.run_id, _failure_text(result)


def _causes(event: dg.DagsterEvent) -> Iterator[str]:
    error = event.step_failure_data.error
    while error:
        yield str(error.cls_name)
        error = error.cause or error.context


def _failure_text(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure and (error := event.step_failure_data.error):
            cause = error.cause or error
            return str(cause.message).strip().removeprefix("dagster._core.definitions.events.Failure: ")
    return f"Dagster run {result.run_id} failed before its step began; its log is in the UI."


def metadata_of_run(instance: dg.DagsterInstance, key: dg.AssetKey, day: date, run_id: str) -> dict[str, Any]:
    """Metadata of what this run made of the day; nothing where it made none, whatever an earlier run made."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[day.isoformat()]), limit=1
    ).records
    event = records[0].asset_materialization if records and records[0].run_id == run_id else None
    return {name: value.value for name, value in event.metadata.items()} if event else {}


def print_days(source: LogSource, results: Sequence[DayResult]) -> None:
    """The table of built days, then each error once."""
    print_table(f"{source.title}, readready by day", HEADINGS, [r.row() for r in results])
    for error in dict.fromkeys(r.error for r in results if r.error):
        print(f"FAILED: {error}")


def days_of(text: str) -> tuple[date, date]:
    """First and last day of `2026-11-01` or `2026-11-01..2026-11-07`. Raises BuildError."""
    first, dots, last = text.partition("..")
    found = day_of(first), day_of(last if dots else first)
    if found[0] > found[1]:
        raise BuildError(f"{text} ends before it begins. Write the earlier day first.")
    return found


def day_of(text: str) -> date:
    """A day as typed. Raises BuildError."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        example = datetime.now(UTC).date() - timedelta(days=1)
        raise BuildError(f"{text!r} is not a day; expected yyyy-mm-dd, such as {example}.") from error
