"""Storage, catalog and builds compared by day, as an asset: days can be backfilled, and a percentage plots."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from loglake_assets.lake.checks.coverage import NAMES_SHOWN
from loglake_assets.lake.checks.day_report import DayReport, first_open_day
from loglake_assets.lake.lake import Lake
from loglake_assets.orchestration.check_metadata import check_metadata
from loglake_assets.orchestration.comparison import all_names, report_result, short_days
from loglake_assets.orchestration.source_config import SourceConfig


def reconciliation_asset(config: SourceConfig) -> dg.AssetsDefinition:
    """The cheap comparison by day, as an asset: any days can be backfilled, and the percentage plots over them."""

    @dg.asset(
        key=config.reconciliation_key,
        deps=[config.raw_key, config.readready_key],
        description=f"Objects in S3, partitions and builds of {config.source.title} compared, by listing.",
        partitions_def=config.closed_days,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=31),
        group_name=config.source.name,
        kinds={"s3", "glue"},
        owners=config.owners,
        tags=config.tags("audit"),
    )
    def reconciliation(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> Iterator[Any]:
        days = [date.fromisoformat(key) for key in context.partition_keys]
        found = report_result(config, lake, days, first_open_day(datetime.now(UTC), config.schedule_hour))
        for day in found:
            metadata = day_metadata(day, all_names(lake, config, [day.day]))
            context.add_asset_metadata(metadata, asset_key=config.reconciliation_key, partition_key=day.day.isoformat())
        yield dg.MaterializeResult(asset_key=config.reconciliation_key)
        yield from short_days(context.instance, config, found)

    return reconciliation


def day_metadata(day: DayReport, in_full: dg.MetadataValue[Any] | None) -> dict[str, Any]:
    """Counts, keys and ids of one day: never content of a log."""
    bad = day.verdicts
    figures = {
        "objects_pct": day.pct if day.pct is not None else "n/a: no object that day",
        "objects_listed": day.listed_count,
        **day.counts,
        "placing": str(day.placing),
        "excluded_records_by_rule": dict(day.rules),
    }
    remedy = "; ".join(dict.fromkeys(day.remedy(j.verdict) for j in bad))
    return check_metadata(remedy, ("object",), ([j.text] for j in bad[:NAMES_SHOWN]), figures, in_full)
