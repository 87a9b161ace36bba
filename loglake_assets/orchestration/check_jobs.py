"""The jobs that run the checks of the whole lake: one hourly, one daily, and one that deletes their old runs.

One run for all logs and not one each: an idle lake should be quiet. The hourly job is skipped while nothing changed,
and runs once a day all the same, for damage that leaves no trace in what the schedule looks at.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from botocore.exceptions import BotoCoreError, ClientError
from dagster._core.storage.event_log import SqliteEventLogStorage

from loglake_assets.lake.lake import Lake
from loglake_assets.orchestration.changes import fingerprint
from loglake_assets.sources.words import tally

HOURLY, DAILY, DELETING = "hourly_checks", "daily_checks", "delete_old_check_runs"
FULL_EVERY_HOURS = 24
SEEN_TAG, ASKED_TAG = "loglake/seen", "loglake/asked_at"
"""A run's tags: the fingerprint of the lake when the run was asked for, and when that was."""
_KEEP_DAYS = 30
_RUNS_AT_ONCE = 500


def check_jobs(made: dg.Definitions) -> dg.Definitions:
    """Jobs and schedules over the checks without a day in `made`: hourly those that a listing answers, else daily."""
    found = [
        check
        for check in made.asset_checks or ()
        if isinstance(check, dg.AssetsDefinition) and not any(spec.partitions_def for spec in check.check_specs)
    ]
    hourly = [check for check in found if check.node_def.name.endswith(f"_{HOURLY}")]
    daily = [check for check in found if not check.node_def.name.endswith(f"_{HOURLY}")]
    hourly_job = dg.define_asset_job(
        HOURLY,
        selection=dg.AssetSelection.checks(*(key for check in hourly for key in check.check_keys)),
        config={"ops": {check.node_def.name: {"config": {"mend": True}} for check in hourly}},
        description="Compares storage, catalog and builds of every log by listing, and gives AddAPart again what the "
        "catalog misses.",
    )
    daily_job = dg.define_asset_job(
        DAILY,
        selection=dg.AssetSelection.checks(*(key for check in daily for key in check.check_keys)),
        description="What need not be looked at by the hour: signed digests of the days just closed, and Object Lock.",
    )
    deleting = delete_job()
    running = dg.DefaultScheduleStatus.RUNNING
    return dg.Definitions(
        jobs=[hourly_job, daily_job, deleting],
        schedules=[
            hourly_schedule(hourly_job),
            dg.ScheduleDefinition(
                name=DAILY,
                job=daily_job,
                cron_schedule="40 6 * * *",  # by then the night's builds have committed, and digests are delivered
                default_status=running,
                description="Once a day: digests and Object Lock of every log.",
            ),
            dg.ScheduleDefinition(
                name=DELETING,
                job=deleting,
                cron_schedule="0 7 * * 6",
                default_status=running,
                description=f"Once a week: deletes runs of checks that are older than {_KEEP_DAYS} days.",
            ),
        ],
    )


def hourly_schedule(job: Any) -> dg.ScheduleDefinition:
    """Hourly while something changes, else once a day."""

    @dg.schedule(
        name=HOURLY,
        job=job,
        cron_schedule="10 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every hour in which partitions, late ledger, commits or failed runs changed, and every "
        f"{FULL_EVERY_HOURS} hours in any case.",
    )
    def schedule(context: dg.ScheduleEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.RunRequest | dg.SkipReason:
        now = context.scheduled_execution_time
        try:
            seen = fingerprint(lake, context.instance, now.date())
        except (ClientError, BotoCoreError) as error:  # then nobody knows, and the checks are to say so
            seen = f"unknown: {type(error).__name__}"
        else:
            if found := run_of_unchanged_lake(context.instance, seen, now):
                return dg.SkipReason(
                    f"Nothing changed since run {found}; without a change they run every {FULL_EVERY_HOURS} hours."
                )
        return dg.RunRequest(run_key=now.isoformat(), tags={SEEN_TAG: seen, ASKED_TAG: now.isoformat()})

    return schedule


def run_of_unchanged_lake(instance: dg.DagsterInstance, seen: str, now: datetime) -> str | None:
    """The newest run of the hourly checks, where it was asked for of this same lake, recently, and did not fail."""
    for run in instance.get_runs(filters=dg.RunsFilter(job_name=HOURLY), limit=1):
        failed = run.status in {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
        if run.tags.get(SEEN_TAG) != seen or failed:
            return None
        if now - datetime.fromisoformat(run.tags[ASKED_TAG]) < timedelta(hours=FULL_EVERY_HOURS):
            return run.run_id
    return None


class OldRuns(dg.Config):
    """For how long runs of checks are kept."""

    keep_days: int = _KEEP_DAYS


def delete_job() -> dg.JobDefinition:
    """The job that deletes old runs of checks: what they found stays with the checks, and in the readready bucket."""

    @dg.op(name="delete_runs_of_checks")
    def delete(context: dg.OpExecutionContext, config: OldRuns) -> None:
        before = datetime.now(UTC) - timedelta(days=config.keep_days)
        count = delete_runs(context.instance, (HOURLY, DAILY, DELETING), before)
        context.log.info(f"Deleted {tally(count, 'run')} of checks made before {before:%Y-%m-%d}.")
        context.add_output_metadata({"runs_deleted": count})

    @dg.job(
        name=DELETING,
        description="Deletes runs of checks by age, each job's newest apart. Runs that built days are never deleted.",
    )
    def delete_old_check_runs() -> None:
        delete()

    return delete_old_check_runs


def delete_runs(instance: dg.DagsterInstance, job_names: Collection[str], before: datetime) -> int:
    """Delete the finished runs of jobs made before a moment, each job's newest apart; returns how many."""
    count = 0
    for name in job_names:
        newest = instance.get_runs(filters=dg.RunsFilter(job_name=name), limit=1)
        old = dg.RunsFilter(job_name=name, created_before=before)
        for run in instance.get_runs(filters=old, limit=_RUNS_AT_ONCE):
            if run.is_finished and run.run_id != newest[0].run_id:
                _delete_run(instance, run.run_id)
                count += 1
    return count


def _delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """A run with its events and logs. Dagster's SQLite storage would leave the run's file behind, emptied."""
    instance.delete_run(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    if isinstance(instance.event_log_storage, SqliteEventLogStorage):
        Path(instance.event_log_storage.path_for_shard(run_id)).unlink(missing_ok=True)
