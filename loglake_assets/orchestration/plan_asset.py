"""A plan before a backfill: the days that somebody chose in the UI, with what building them would take."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from loglake_assets.lake.checks.build_plan import BuildPlan, build_plan
from loglake_assets.lake.checks.day_report import first_open_day
from loglake_assets.lake.lake import Lake
from loglake_assets.orchestration.dpu_cost import usd_of_dpu_seconds
from loglake_assets.orchestration.metadata_tables import NUMBER, TEXT, metadata_table
from loglake_assets.orchestration.planned_days import day_plan
from loglake_assets.orchestration.source_config import SourceConfig
from loglake_assets.sources.words import inflect, tally

DAYS_SHOWN = 100


def plan_asset(config: SourceConfig) -> dg.AssetsDefinition:
    """Materialized over any days it says what a build of them would take; it builds nothing."""

    @dg.asset(
        key=config.plan_key,
        deps=[config.raw_key],
        description=f"What building days of {config.source.title} would take: objects, bytes, Glue runs, DPU-hours, "
        "money, and which days would change. Materialize it for the days of a backfill before you start that.",
        partitions_def=config.closed_days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=config.source.name,
        kinds={"s3"},
        owners=config.owners,
        tags=config.tags("plan"),
    )
    def plan(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> Iterator[Any]:
        days = [date.fromisoformat(key) for key in context.partition_keys]
        found = plan_days(config, lake, days)
        context.log.info(plan_sentence(found))
        for day in found.days:
            context.add_asset_metadata(
                day_plan(found, day), asset_key=config.plan_key, partition_key=day.day.isoformat()
            )
        yield dg.MaterializeResult(asset_key=config.plan_key, metadata=plan_metadata(found))

    return plan


def plan_days(config: SourceConfig, lake: Lake, days: Sequence[date]) -> BuildPlan:
    """The plan of building some days as this source is configured."""
    reconciler = lake.reconciler(config.source, config.look_ahead_days)
    return build_plan(reconciler, days, first_open_day(datetime.now(UTC), config.schedule_hour), config.days_per_run)


def plan_sentence(found: BuildPlan) -> str:
    """The plan in one line."""
    seconds = found.dpu_seconds
    cost = (
        "no build of this log is known, so hours and money cannot be said"
        if seconds is None
        else f"about {seconds / 3600:,.2f} DPU-hours, {usd_of_dpu_seconds(seconds):,.2f} USD, by what its builds took"
    )
    return (
        f"{len(found.to_build):,} of {tally(len(found.days), 'day')} "
        f"{inflect(len(found.to_build), 'has', 'have')} anything to build: {tally(found.objects, 'object')}, "
        f"{tally(found.bytes, 'byte')}, {tally(found.glue_runs, 'Glue run')}; {cost}"
    )


def plan_metadata(found: BuildPlan) -> dict[str, Any]:
    """Counts, bytes, cost, and the days as a table."""
    seconds = found.dpu_seconds
    columns = {"day": TEXT, "objects": NUMBER, "bytes": NUMBER, "brings": TEXT, "state": TEXT}
    rows = [(day.day.isoformat(), day.objects, day.bytes, day.brings, day.state) for day in found.days[:DAYS_SHOWN]]
    known = {} if seconds is None else {"dpu_hours": round(seconds / 3600, 4), "usd": usd_of_dpu_seconds(seconds)}
    return {
        "plan": plan_sentence(found),
        "days_asked": len(found.days),
        "days_to_build": len(found.to_build),
        "days_that_change": sum(day.brings in ("new", "change") for day in found.days),
        "objects": found.objects,
        "bytes": found.bytes,
        "glue_runs": found.glue_runs,
        **known,
        "days": metadata_table(columns, rows),
    }
