"""Runs of the lake's own Dagster in this process: definitions, the job of a log or a review, a window of days."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import dagster as dg

from infra.cli.command_lake import CommandLake
from infra.cli.day_argument import BuildError
from infra.cli.first_day import lake_first_day
from infra.cli.home import own_environment
from infra.cli.signals import StoppedError
from loglake_assets.lake.versions.commits import head
from loglake_assets.orchestration.source_config import window_tags, windows
from loglake_assets.reviews import review_names
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.calendar_days import day_number, days_between
from loglake_assets.sources.words import inflect, tally
from resources.settings import FIRST_DAY


@dataclass(frozen=True)
class DayResult:
    """One day after a build: the metadata of its materialization, or none when it was not built."""

    day: date
    metadata: dict[str, Any]
    error: str | None
    newest_commit: str = ""
    """What readers see of a day that was not built now, where an earlier commit stands."""


class InterruptedBuildError(StoppedError):
    """A build was stopped by a signal, and its Glue run with it; `results` are what stands of each day."""

    def __init__(self, results: Sequence[DayResult]) -> None:
        built = sum(1 for result in results if result.metadata)
        super().__init__(
            f"Stopped, and the Glue run with it: {built:,} of {tally(len(results), 'day')} "
            f"{inflect(built, 'was', 'were')} built by this command. The "
            "same command builds the others; nothing has to be cleaned up first."
        )
        self.results = results


@contextmanager
def dagster_instance(lake: CommandLake) -> Iterator[dg.DagsterInstance]:
    """The lake's own Dagster instance."""
    with dg.DagsterInstance.from_config(str(lake.dagster_home)) as instance:
        yield instance


def job_and_asset(definitions: dg.Definitions, name: str) -> tuple[dg.JobDefinition, dg.AssetKey]:
    """The job that makes the days of a log or a review, and the asset that it makes."""
    if name in review_names():
        return definitions.resolve_job_def(name), dg.AssetKey(["review", name])
    return definitions.resolve_job_def(f"{name}_readready"), readready_key(load_source(name))


def newest_commit(lake: CommandLake, table: str, day: date, started: datetime) -> str:
    """What readers see of a day that a build of now did not finish; empty where they see nothing."""
    commit = head(lake.table(table), day_number(day))
    if commit is None:
        return ""
    is_older = datetime.fromisoformat(commit.committed_at) < started
    return f"built earlier: commit {commit.seq} stands" if is_older else f"not checked: commit {commit.seq} stands"


def load_definitions(first: date | None = None) -> dg.Definitions:
    """The project's definitions, with every source, and days from `first` on; without it as the environment says."""
    return _definitions(first.isoformat() if first else os.environ.get(FIRST_DAY, ""))


@lru_cache(maxsize=4)
def _definitions(first_day: str) -> dg.Definitions:
    """Made once for each first day, which is all that they take from the environment; it takes seconds."""
    from loglake_assets.definitions import defs

    with own_environment():
        os.environ[FIRST_DAY] = first_day
        return defs()


def days_until_now(job: dg.JobDefinition, name: str, first: date, last: date) -> list[date]:
    """The days of a range, refused when one is no closed day of the source or review of this name."""
    if last < first:
        raise BuildError(f"The range of days {first}..{last} ends before it begins. Write the earlier day first.")
    assert job.partitions_def is not None, "readready jobs are partitioned by day"
    keys = set(job.partitions_def.get_partition_keys())
    days = days_between(first, last)
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


def run_days(
    lake: CommandLake,
    name: str,
    table: str,
    first: date,
    last: date,
    days_to_run: Callable[[list[date]], list[date]],
    say: Callable[[str], None],
    tags: Mapping[str, str] | None = None,
) -> list[DayResult]:
    """Build days of a log or a review by name, in windows, each a Dagster run that the UI shows like any other.

    `days_to_run` takes the days of the range and gives those to build. It is asked again afterwards, for days that only
    the runs brought to light. Raises InterruptedBuildError with the results of all days, BuildError for days that are
    not closed.
    """
    definitions = load_definitions(lake_first_day(lake, first))
    job, key = job_and_asset(definitions, name)
    asked, started = days_until_now(job, name, first, last), datetime.now(UTC)
    results: dict[date, DayResult] = {}

    def take(window: Sequence[date], run_id: str, error: str | None) -> None:
        for day in window:
            metadata = metadata_of_run(instance, key, day, run_id)
            commit = "" if metadata else newest_commit(lake, table, day, started)
            results[day] = DayResult(day, metadata, error, commit)

    with dagster_instance(lake) as instance:
        while days := [day for day in days_to_run(asked) if day not in results]:
            for window in windows(days, days_per_run(definitions, key)):
                say(f"  {name} {window[0]} to {window[-1]}: Dagster run")
                try:
                    take(window, *run_window(job, instance, window, tags))
                except InterruptedRunError as stop:
                    take([day for day in days if day not in results], stop.run_id, None)
                    raise InterruptedBuildError([results[day] for day in sorted(results)]) from stop
    return [results[day] for day in sorted(results)]


def print_errors(results: Sequence[DayResult]) -> None:
    """Each error once, whatever number of days it is of."""
    for error in dict.fromkeys(result.error for result in results if result.error):
        print(f"FAILED: {error}")
