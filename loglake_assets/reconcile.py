"""Reconciling as Dagster sees it: a job that has AddAPart mend what standing checks find, and tells of stale days."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from loglake_assets.config import SourceConfig
from loglake_assets.lake.publishing import send_commit
from loglake_assets.lake.reconciling import (
    UnregisteredPrefix,
    send_prefix,
    unplaced_commits,
    unregistered_prefixes,
)
from loglake_assets.lake.staleness import stale_days
from loglake_assets.sources import LogSource
from loglake_assets.sources.rules import load_rules
from loglake_assets.standing import LOOK_BACK_DAYS
from resources.lake import LakeResource


class ReconcileDays(dg.Config):
    """Which delivery days to compare; without them, the last 35."""

    first_day: str | None = None
    last_day: str | None = None

    def days(self, today: date) -> list[date]:
        first = date.fromisoformat(self.first_day) if self.first_day else today - timedelta(days=LOOK_BACK_DAYS)
        last = date.fromisoformat(self.last_day) if self.last_day else today
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def lagging_prefixes(source: LogSource, lake: LakeResource, days: Collection[date]) -> list[UnregisteredPrefix]:
    """Prefixes of the days with objects and without a partition."""
    settings = lake.settings
    return unregistered_prefixes(
        lake.s3,
        lake.glue,
        source,
        load_rules(source.name),
        settings.database,
        settings.raw_bucket(source.name),
        days,
    )


def reconcile(source: LogSource, lake: LakeResource, days: Collection[date]) -> tuple[int, int]:
    """Send AddAPart what the catalog misses; returns (raw prefixes, commits) sent. Denied prefixes stay out."""
    settings = lake.settings
    prefixes = [p for p in lagging_prefixes(source, lake, days) if not p.denied_by]
    raw_queue = lake.queue_url(f"raw-{source.name}") if prefixes else ""
    for prefix in prefixes:
        send_prefix(lake.sqs, raw_queue, source, settings.raw_bucket(source.name), prefix)
    return len(prefixes), send_unplaced_commits(lake, source.readready.name)


def send_unplaced_commits(lake: LakeResource, table: str) -> int:
    """Send AddAPart the newest commits of a table that the catalog does not show; returns how many."""
    settings = lake.settings
    commits = unplaced_commits(lake.s3, lake.glue, table, settings.database, settings.readready_bucket)
    queue = lake.queue_url("readready") if commits else ""
    for commit in commits:
        send_commit(lake.sqs, queue, settings.readready_bucket, commit)
    return len(commits)


def stale(source: LogSource, lake: LakeResource, days: Collection[date]) -> list[date]:
    """Committed days whose raw objects are not what their build read."""
    return stale_days(lake.reconciler(source), days)


def reconcile_job(source_config: SourceConfig) -> dg.JobDefinition:
    """The job that compares storage with the catalog and sends AddAPart what is missing."""
    source = source_config.source
    name = source.name

    @dg.op(name=f"send_what_the_catalog_misses_of_{name}")
    def send(context: dg.OpExecutionContext, config: ReconcileDays, lake: LakeResource) -> None:
        days = config.days(datetime.now(UTC).date())
        prefixes, commits = reconcile(source, lake, days)
        context.log.info(f"Sent AddAPart {prefixes} raw prefixes and {commits} commits that the catalog did not show.")
        changed = stale(source, lake, days)
        for day in changed:  # told once more, so that healing asks for it even if it was told while a build went on
            context.log_event(changed_day(source_config, day))
        context.add_output_metadata(
            {"raw_prefixes_sent": prefixes, "commits_sent": commits, "stale_days": [str(day) for day in changed]}
        )

    @dg.job(
        name=f"{name}_reconcile",
        description="Storage against catalog: raw prefixes and commits that have no partition are sent again.",
    )
    def job() -> None:
        send()

    return job


def changed_day(config: SourceConfig, day: date) -> dg.AssetMaterialization:
    """Tells of a raw day that its build does not reflect."""
    return dg.AssetMaterialization(config.raw_key, partition=day.isoformat(), metadata={"told_by": "reconcile"})


def reconcile_schedule(config: SourceConfig, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Hourly: what a lost notification costs is at most an hour."""
    return dg.ScheduleDefinition(
        name=f"{config.source.name}_reconcile_hourly",
        job=job,
        cron_schedule="20 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
