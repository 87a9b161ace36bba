"""Reconciling: AddAPart is given again what the catalog misses, by the hourly checks and by a job for a person."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from loglake_assets.lake.addapart.messages import send_commit
from loglake_assets.lake.checks.catalog_gaps import (
    send_prefix,
    unplaced_commits,
    unregistered_prefixes,
)
from loglake_assets.lake.checks.day_report import LOOK_BACK_DAYS, DayReport
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.versions.commits import Commit
from loglake_assets.orchestration.raw_days import news_of
from loglake_assets.orchestration.source_config import source_config
from loglake_assets.reviews import load_review, review_names
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.calendar_days import days_between
from resources.settings import first_day

RECONCILE = "reconcile"


class ReconcileDays(dg.Config):
    """Which delivery days to compare; without them, the last 35."""

    first_day: str | None = None
    last_day: str | None = None

    def days(self, today: date) -> list[date]:
        """The days, both ends included."""
        first = date.fromisoformat(self.first_day) if self.first_day else today - timedelta(days=LOOK_BACK_DAYS)
        last = date.fromisoformat(self.last_day) if self.last_day else today
        return days_between(first, last)


def day_reports(source: LogSource, lake: Lake, days: Collection[date]) -> list[DayReport]:
    """A report of each of the days that has an object or a commit, all of them due."""
    return list(lake.reconciler(source).days(days, date.max))


def send_gaps(source: LogSource, lake: Lake, reports: Collection[DayReport]) -> tuple[int, int]:
    """Send AddAPart what the catalog misses; returns (raw prefixes, commits) sent."""
    return send_prefixes(source, lake, reports), send_unplaced_commits(lake, source.readready.name)


def send_prefixes(source: LogSource, lake: Lake, reports: Collection[DayReport]) -> int:
    """Send AddAPart the raw prefixes of the days that have no partition; returns how many."""
    prefixes = unregistered_prefixes(source, reports)
    raw_queue = lake.queue_url(f"raw-{source.name}") if prefixes else ""
    for prefix in prefixes:
        send_prefix(lake.sqs, raw_queue, source, lake.settings.raw_bucket(source.name), prefix)
    return len(prefixes)


def send_unplaced_commits(lake: Lake, table: str) -> int:
    """Send AddAPart the newest commits of a table that the catalog does not show; returns how many."""
    commits = days_to_place(lake, table)
    queue = lake.queue_url("readready") if commits else ""
    for commit in commits:
        send_commit(lake.sqs, queue, lake.settings.readready_bucket, commit.table, commit.day, commit.seq)
    return len(commits)


def days_to_place(lake: Lake, table: str) -> list[Commit]:
    """The newest commits of a table that the catalog does not show."""
    return unplaced_commits(lake.table(table), lake.catalog)


def reconcile_job() -> dg.JobDefinition:
    """The job that compares storage with the catalog and sends AddAPart what is missing, for every log and review."""

    @dg.op(name="send_what_the_catalog_misses")
    def send(context: dg.OpExecutionContext, config: ReconcileDays, lake: dg.ResourceParam[Lake]) -> None:
        today = datetime.now(UTC).date()
        days: list[date] = config.days(today)
        sent: dict[str, Any] = {}
        for name in source_names():
            source = load_source(name)
            reports = day_reports(source, lake, days)
            prefixes, commits = send_gaps(source, lake, reports)
            changed = [report.day for report in reports if report.is_stale]
            for event in news_of(context.instance, source_config(name, start_day=first_day()), lake, changed, today):
                context.log_event(event)
            sent[name] = {"raw_prefixes": prefixes, "commits": commits, "stale_days": [str(day) for day in changed]}
        for name in review_names():
            commits = sum(send_unplaced_commits(lake, table.name) for table in load_review(name).tables)
            sent[name] = {"commits": commits}
        context.log.info(f"Sent AddAPart what the catalog did not show: {sent}.")
        context.add_output_metadata({"sent": dg.MetadataValue.json(sent)})

    @dg.job(
        name=RECONCILE,
        description="Compares storage with the catalog, by default for the last 35 days, and gives AddAPart again the "
        "raw prefixes and commits that have no partition. The hourly checks do the same by themselves.",
    )
    def job() -> None:
        send()

    return job
