"""From a source's configuration to its Dagster definitions: raw, readready, audit, and what starts them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

from loglake_assets.lake.lake import Lake
from loglake_assets.orchestration.code_references import code_references
from loglake_assets.orchestration.columns import column_schema, readready_lineage
from loglake_assets.orchestration.comparison import hourly_days
from loglake_assets.orchestration.coverage_words import coverage_metadata
from loglake_assets.orchestration.day_checks import check_specs, drift_evaluations, evaluations
from loglake_assets.orchestration.digest_checks import digest_audit_asset, digest_check
from loglake_assets.orchestration.hourly_checks import checks_asset, hourly_checks
from loglake_assets.orchestration.object_lock_check import object_lock_check
from loglake_assets.orchestration.plan_asset import plan_asset
from loglake_assets.orchestration.pools import GLUE_POOL
from loglake_assets.orchestration.raw_sensor import raw_sensor
from loglake_assets.orchestration.readready_days import build_days, measure_drift, recount_days
from loglake_assets.orchestration.reconciliation_asset import reconciliation_asset
from loglake_assets.orchestration.schedules import nightly_freshness, windows_schedule
from loglake_assets.orchestration.source_config import SourceConfig, windows
from resources.glue_jobs import GlueJobs


def build_source(config: SourceConfig) -> dg.Definitions:
    """All definitions of one source. Touches nothing: no network, no environment."""
    readready, audit = readready_asset(config), audit_asset(config)
    job = dg.define_asset_job(
        f"{config.source.name}_readready",
        selection=dg.AssetSelection.assets(config.readready_key),
        description=f"Builds readready days of {config.source.title}.",
    )
    definitions = dg.Definitions(
        assets=[
            raw_asset(config),
            plan_asset(config),
            readready,
            audit,
            reconciliation_asset(config),
            checks_asset(config),
        ],
        asset_checks=[hourly_checks(config), object_lock_check(config)],
        jobs=[job],
        schedules=[daily_schedule(config, job), recount_schedule(config, audit)],
        sensors=[raw_sensor(config), automation_sensor(config)],
    )
    return dg.Definitions.merge(definitions, digest_definitions(config)) if config.source.digests else definitions


def digest_definitions(config: SourceConfig) -> dg.Definitions:
    """What a log that is delivered with signed digests has besides: their audit and their check."""
    return dg.Definitions(assets=[digest_audit_asset(config)], asset_checks=[digest_check(config)])


def raw_asset(config: SourceConfig) -> dg.AssetSpec:
    """The raw table: objects as delivered. Nothing here makes it, so it is external; a sensor reports its days."""
    source = config.source
    return dg.AssetSpec(
        config.raw_key,
        description=f"{source.title} as delivered: {source.description} Delivered as {source.delivers}.",
        partitions_def=config.raw_days,
        group_name=source.name,
        kinds={"s3", "json"},
        owners=config.owners,
        tags=config.tags("raw"),
        metadata={
            "dagster/table_name": source.raw.name,
            "dagster/column_schema": column_schema((*source.raw.columns, *source.raw.partition_keys)),
        },
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=30), warn_window=timedelta(hours=26)
        ),
    )


def readready_asset(config: SourceConfig) -> dg.AssetsDefinition:
    """The readready table: one Glue run for each bounded window of days."""
    source = config.source

    @dg.asset(
        key=config.readready_key,
        deps=[config.raw_key],
        description=f"{source.title}, ORC by UTC day of the event, one row an event. {source.description}",
        partitions_def=config.closed_days,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=config.days_per_run),
        pool=GLUE_POOL,
        group_name=source.name,
        kinds={"glue", "spark", "orc"},
        check_specs=check_specs(config.readready_key, config.closed_days),
        automation_condition=bounded_heal(config),
        metadata={
            "dagster/table_name": source.readready.name,
            "dagster/column_schema": column_schema((*source.readready.all_columns, source.readready.partition_key)),
            "dagster/column_lineage": readready_lineage(source, config.raw_key),
            "dagster/code_references": code_references(f"loglake_assets.sources.{source.name}"),
        },
        owners=config.owners,
        tags=config.tags("readready"),
        freshness_policy=nightly_freshness(config.schedule_hour),
        output_required=False,
    )
    def readready(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], glue_jobs: GlueJobs
    ) -> Iterator[Any]:
        yield from build_days(context, config, lake, glue_jobs)

    return readready


def audit_asset(config: SourceConfig) -> dg.AssetsDefinition:
    """Recounts days from storage and rewrites their checks: rechecking days is a backfill a person can click."""

    @dg.asset(
        key=config.audit_key,
        deps=[config.raw_key, config.readready_key],
        description=f"What percentage of the events of {config.source.title} its table holds, counted again from raw "
        "objects and rows. It builds nothing; a backfill of it checks many days again.",
        partitions_def=config.closed_days,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=31),
        group_name=config.source.name,
        kinds={"s3", "orc"},
        owners=config.owners,
        tags=config.tags("audit"),
    )
    def audit(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> Iterator[Any]:
        days = [config.raw_days.time_window_for_partition_key(key).start.date() for key in context.partition_keys]
        coverages = recount_days(context, config, lake, days)
        for partition, coverage in coverages.items():
            context.add_asset_metadata(
                coverage_metadata(coverage, lake.settings), asset_key=config.audit_key, partition_key=partition
            )
        yield dg.MaterializeResult(asset_key=config.audit_key)
        yield from evaluations(
            context.instance, config.readready_key, coverages, config.coverage_error_below_pct, lake.settings
        )
        yield from drift_evaluations(
            context.instance, config.readready_key, measure_drift(config, lake, days), lake.settings
        )

    return audit


def bounded_heal(config: SourceConfig) -> dg.AutomationCondition[Any]:
    """Once a night: closed days within the look-back that are missing, or whose raw day changed since they were built.

    A day whose build failed is asked for again the next night and no sooner: a broken day cannot make runs without end.
    """
    condition = dg.AutomationCondition
    asked = condition.missing() | condition.any_deps_updated().since(condition.newly_updated())
    return (
        asked
        & ~condition.any_deps_missing()
        & ~condition.in_progress()
        & condition.in_latest_time_window(timedelta(days=config.heal_days))
        & condition.cron_tick_passed(f"0 {(config.schedule_hour + 1) % 24} * * *")
    ).with_label("bounded_heal")


def daily_schedule(config: SourceConfig, job: Any) -> Any:
    """The day just closed, a few hours after its end, when its last objects have been delivered."""
    return dg.build_schedule_from_partitioned_job(
        job,
        name=job.name,
        hour_of_day=config.schedule_hour,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Builds the day of {config.source.title} that has just closed.",
    )


def recount_schedule(config: SourceConfig, audit: dg.AssetsDefinition) -> dg.ScheduleDefinition:
    """The full mode of checking, once a week over the closed days that healing looks after: it reads every object."""
    return windows_schedule(
        f"{config.source.name}_recount",
        f"Counts every event of {config.source.title} again, over the last {config.heal_days} closed days.",
        dg.AssetSelection.assets(audit),
        config.recount_cron,
        lambda now: windows(
            [day for day in hourly_days(now, config.heal_days)[:-1] if day >= config.start_day], config.days_per_run
        ),
    )


def automation_sensor(config: SourceConfig) -> dg.AutomationConditionSensorDefinition:
    """One a source, so that one source's failure cannot mark another's run."""
    return dg.AutomationConditionSensorDefinition(
        f"{config.source.name}_automation",
        target=dg.AssetSelection.groups(config.source.name),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Asks once a night for days of {config.source.title} that are missing or whose raw day changed.",
    )
