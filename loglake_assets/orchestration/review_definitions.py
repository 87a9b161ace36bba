"""From a review's configuration to its Dagster definitions: the asset, and what starts it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

from loglake_assets.lake.lake import Lake
from loglake_assets.orchestration.code_references import code_references
from loglake_assets.orchestration.columns import column_schema, review_lineage
from loglake_assets.orchestration.review_config import ReviewConfig
from loglake_assets.orchestration.review_days import build_review_days
from loglake_assets.orchestration.review_sensor import changed_inputs_sensor
from loglake_assets.reviews import Review
from loglake_assets.sources import load_source


def build_review(config: ReviewConfig) -> dg.Definitions:
    """All definitions of one review. Touches nothing: no network, no environment."""
    job = dg.define_asset_job(
        config.review.name,
        selection=dg.AssetSelection.assets(config.key),
        description=f"Builds days of {config.review.title}.",
    )
    return dg.Definitions(
        assets=[review_asset(config)],
        jobs=[job],
        sensors=[changed_inputs_sensor(config, job)],
    )


def review_asset(config: ReviewConfig) -> dg.AssetsDefinition:
    """The review's table: rows joined through Athena, kept and committed like a readready day."""
    review = config.review

    @dg.asset(
        key=config.key,
        deps=_deps(review),
        description=f"{review.description} Read it as the Athena view `{review.name}`.",
        partitions_def=config.days,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=config.days_per_run),
        group_name="review",
        kinds={"athena", "orc"},
        check_specs=[
            dg.AssetCheckSpec(name, asset=config.key, partitions_def=config.days, description=description)
            for name, description in config.builder.CHECKS.items()
        ],
        owners=config.owners,
        tags={"loglake/review": review.name, "loglake/layer": "review"},
        freshness_policy=review_freshness(config),
        metadata={
            "dagster/table_name": review.table.name,
            "dagster/column_schema": column_schema((*review.table.all_columns, review.table.partition_key)),
            "dagster/column_lineage": review_lineage(review),
            "dagster/code_references": code_references(f"loglake_assets.reviews.{review.name}"),
        },
        output_required=False,
    )
    def build_days(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> Iterator[Any]:
        yield from build_review_days(context, config, lake)

    return build_days


def review_freshness(config: ReviewConfig) -> dg.FreshnessPolicy:
    """Every night a day is built: from a night on which it waits for no log to one on which it waits longest."""
    longest = timedelta(days=1, minutes=config.wait_minutes)
    return dg.FreshnessPolicy.time_window(
        warn_window=longest + timedelta(hours=2), fail_window=longest + timedelta(hours=6)
    )


def _deps(review: Review) -> list[dg.AssetDep]:
    """The tables it joins, with the days around: what began on a day goes on after it, or is told of before."""
    around = dg.TimeWindowPartitionMapping(
        start_offset=-review.look_back_days,
        end_offset=review.look_ahead_days,
        allow_nonexistent_upstream_partitions=True,
    )
    return [dg.AssetDep(_readready_key(name), partition_mapping=around) for name in review.sources]


def _readready_key(source_name: str) -> dg.AssetKey:
    return dg.AssetKey(["readready", load_source(source_name).readready.name])
