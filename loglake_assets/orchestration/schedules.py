"""A schedule over days: a selection at a time of its own, a run for each window of days."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta

import dagster as dg

from loglake_assets.orchestration.source_config import window_tags


def nightly_freshness(hour: int) -> dg.FreshnessPolicy:
    """The day just closed, which is built from this UTC hour on, is there two hours later."""
    return dg.FreshnessPolicy.cron(deadline_cron=f"0 {(hour + 2) % 24} * * *", lower_bound_delta=timedelta(hours=2))


def windows_schedule(
    name: str,
    description: str,
    selection: dg.AssetSelection,
    cron: str,
    asked: Callable[[datetime], Sequence[Sequence[date]]],
) -> dg.ScheduleDefinition:
    """A job over a selection at a time of its own, with a run for each of the windows of days asked for."""
    job = dg.define_asset_job(name, selection=selection, description=description)

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        windows = asked(context.scheduled_execution_time)
        if not windows:
            yield dg.SkipReason("There is no day yet.")
        for days in windows:
            yield dg.RunRequest(
                run_key=f"{context.scheduled_execution_time.isoformat()} {days[0]}",
                tags=window_tags(days),
            )

    return schedule
