"""What looks after the whole lake: old runs collected by rule, and a check that no day was left failed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import islice

import dagster as dg

from loglake_assets.lake.checks.coverage import NAMES_SHOWN
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.versions.commits import Commit
from loglake_assets.lake.versions.retention import COLLECTION_JOB, CollectedRun, RetentionRule, collect, old_runs
from loglake_assets.orchestration.alarm_sensor import alarm_sensor
from loglake_assets.orchestration.check_jobs import HOURLY
from loglake_assets.orchestration.check_metadata import NAMES
from loglake_assets.orchestration.comparison import check_result
from loglake_assets.orchestration.hourly_checks import HourlyChecksConfig
from loglake_assets.orchestration.metadata_tables import TEXT, metadata_table
from loglake_assets.orchestration.reconcile_job import days_to_place, reconcile_job, send_unplaced_commits
from loglake_assets.reviews import load_review, review_names, tables_of
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.calendar_days import day_from_number, days_argument, runs_of_days
from loglake_assets.sources.words import tally
from resources.settings import loglake

LAKE = dg.AssetKey(["lake"])
NOTHING_LEFT_FAILED, REVIEWS_PLACED = "nothing_left_failed", "reviews_placed"


def upkeep(assets: Mapping[dg.AssetKey, dg.PartitionsDefinition[str]], owners: Sequence[str]) -> dg.Definitions:
    """The definitions that are about the whole lake; `assets` are those that runs make, with their days."""
    collecting = collect_job()
    return dg.Definitions(
        assets=[
            dg.AssetSpec(
                LAKE,
                description="The lake as a whole: what no single table can say.",
                group_name="lake",
                owners=owners,
            )
        ],
        asset_checks=[lake_checks(assets)],
        jobs=[collecting, reconcile_job()],
        sensors=[alarm_sensor()],
        schedules=[
            # Stopped until somebody wants it: it deletes, and on AWS it needs a policy of its own.
            dg.ScheduleDefinition(
                name=collecting.name,
                job=collecting,
                cron_schedule="0 6 * * 6",
                run_config={"ops": {"collect_old_runs_of_every_table": {"config": {"apply": True}}}},
                description="Once a week: deletes what runs wrote and nobody needs any more. Off until it is wanted.",
            ),
        ],
    )


def table_names() -> tuple[str, ...]:
    """Every table whose days are committed."""
    tables = [load_source(name).readready.name for name in source_names()]
    return (*tables, *review_tables())


def review_tables() -> tuple[str, ...]:
    """Every table that the days of a review are kept in."""
    return tuple(table.name for table in tables_of(map(load_review, review_names())))


class Retention(dg.Config):
    """The rule that old runs are collected by. Unless `apply` is true, what would be deleted is told and stays."""

    keep_days: int = 30
    keep_generations: int = 3
    apply: bool = False


def collect_job() -> dg.JobDefinition:
    """The job that deletes what runs wrote which nobody needs any more, in every table."""

    @dg.op(name="collect_old_runs_of_every_table")
    def collect_from_tables(context: dg.OpExecutionContext, config: Retention, lake: dg.ResourceParam[Lake]) -> None:
        rule, now = RetentionRule(config.keep_days, config.keep_generations), datetime.now(UTC)
        totals: Counter[str] = Counter()
        kept: dict[str, str] = {}
        for table in table_names():
            for done in collect_runs(lake, table, rule, now, config.apply):
                totals.update(runs=1, keys=done.deleted_count, bytes=done.run.bytes)
                kept |= done.kept
                verb = "Collected" if config.apply else "Would collect"
                context.log.info(f"{verb} run {done.run.run_id} of {table} {done.run.day} ({done.run.why}).")
        if kept:
            context.log.warning(f"S3 did not delete {tally(len(kept), 'key')}: {sorted(set(kept.values()))}.")
        shown = metadata_table({"key": TEXT, "why": TEXT}, list(kept.items())[:NAMES_SHOWN])
        context.add_output_metadata({**totals, "keys_not_deleted": len(kept), **({NAMES: shown} if kept else {})})

    @dg.job(name=COLLECTION_JOB, description="Deletes superseded and never committed runs by age and generations.")
    def collect_old_runs() -> None:
        collect_from_tables()

    return collect_old_runs


def collect_runs(lake: Lake, table: str, rule: RetentionRule, now: datetime, apply: bool) -> Iterator[CollectedRun]:
    """Old runs of a table, collected; or only named, with nothing deleted."""
    bucket = lake.settings.readready_bucket
    old = old_runs(lake.table(table), rule, now, lake.run_of_partition)
    if apply:
        yield from collect(lake.s3, bucket, old, rule, now)
    else:
        yield from (CollectedRun(run, 0, {}) for run in old)


def lake_checks(assets: Mapping[dg.AssetKey, dg.PartitionsDefinition[str]]) -> dg.AssetChecksDefinition:
    """The checks of the lake as a whole. `assets` are those that runs make."""
    specs = [
        dg.AssetCheckSpec(
            NOTHING_LEFT_FAILED,
            asset=LAKE,
            description="No asset has a day of which the last run failed and which was not made since.",
        ),
        dg.AssetCheckSpec(
            REVIEWS_PLACED, asset=LAKE, description="Readers of every review are sent to the newest commit of each day."
        ),
    ]

    @dg.multi_asset_check(specs=specs, name=f"lake_{HOURLY}", can_subset=True)
    def checks(
        context: dg.AssetCheckExecutionContext, config: HourlyChecksConfig, lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.AssetCheckResult]:
        asked = {key.name for key in context.selected_asset_check_keys}
        if NOTHING_LEFT_FAILED in asked:
            found = {key: failed_days(context.instance, key, days) for key, days in assets.items()}
            yield failed_days_result({key: _with_source(lake, key, days) for key, days in found.items()})
        if REVIEWS_PLACED in asked:
            tables = review_tables()
            yield review_placement_result({table: days_to_place(lake, table) for table in tables})
            if config.mend:
                sent = sum(send_unplaced_commits(lake, table) for table in tables)
                context.log.info(f"Sent AddAPart {tally(sent, 'commit')} of reviews that the catalog did not show.")

    return checks


def review_placement_result(found: Mapping[str, Sequence[Commit]]) -> dg.AssetCheckResult:
    """Red where the catalog does not show the newest commit of a review's day, naming table and day."""
    names = [f"{table} {day_from_number(c.day)}: commit {c.seq}" for table, commits in found.items() for c in commits]
    return check_result(
        LAKE,
        REVIEWS_PLACED,
        wrong=f"the catalog does not show {tally(len(names), 'commit')}, the first is {names[0]}" if names else "",
        right=f"The catalog shows the newest commits of {tally(len(found), 'review table')}.",
        remedy=loglake("reconcile"),
        columns=("table", "day", "commit"),
        names=((table, day_from_number(c.day), c.seq) for table, commits in found.items() for c in commits),
        figures={"days": len(names)},
    )


def failed_days(instance: dg.DagsterInstance, key: dg.AssetKey, days: dg.PartitionsDefinition[str]) -> list[str]:
    """The days (partition keys) of an asset that were left failed, oldest first."""
    statuses = instance.get_status_by_partition(key, days.get_partition_keys(), days) or {}
    return sorted(day for day, status in statuses.items() if status == dg.AssetPartitionStatus.FAILED)


def _source_of(key: dg.AssetKey) -> LogSource | None:
    """The log whose readready table an asset is, or is about."""
    return next((s for s in map(load_source, source_names()) if s.readready.name == key.path[-1]), None)


def _with_source(lake: Lake, key: dg.AssetKey, days: Sequence[str]) -> list[str]:
    """Those of a readready table's days that have anything to be built from: `delivered` is about the others."""
    source = _source_of(key)
    if source is None or not days:
        return list(days)
    asked = [date.fromisoformat(day) for day in days]
    return [day.isoformat() for day in lake.days_with_logs(source, asked)]


def _builds(found: Mapping[dg.AssetKey, Sequence[str]]) -> Iterator[str]:
    """What makes failed days anew: a command for each log and review, and Dagster for what no command builds."""
    for key, days in found.items():
        name = _name_to_build(key)
        for run in runs_of_days([date.fromisoformat(day) for day in days]):
            argument = days_argument(run[0], run[-1])
            if name:
                yield f"then {loglake(f'build {name} {argument}')}"
            else:
                yield f"then backfill {key.to_user_string()} in Dagster for {argument}"


def _name_to_build(key: dg.AssetKey) -> str | None:
    """The log or review that `loglake build` takes, of the asset of its table; None for another asset."""
    if key.path[0] == "readready" and (source := _source_of(key)):
        return source.name
    return key.path[-1] if key.path[0] == "review" and key.path[-1] in review_names() else None


def failed_days_result(found: Mapping[dg.AssetKey, Sequence[str]]) -> dg.AssetCheckResult:
    """Red where a day is left failed, naming asset and day."""
    failed = [(key.to_user_string(), day) for key, days in found.items() for day in days]
    return check_result(
        LAKE,
        NOTHING_LEFT_FAILED,
        wrong=f"failed and not made since: {tally(len(failed), 'day')}, the first is {failed[0][1]} of {failed[0][0]}"
        if failed
        else "",
        right=f"No day of {tally(len(found), 'asset')} was left failed.",
        remedy="; ".join(["read why in the asset's newest run", *islice(_builds(found), NAMES_SHOWN)]),
        columns=("asset", "day"),
        names=failed,
        figures={"failed_days": len(failed), "assets_looked_at": len(found)},
    )
