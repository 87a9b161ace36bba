"""How days of a run over many partitions are told to Dagster: each with its own metadata, good ones even beside bad."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from loglake_assets.sources.calendar_days import days_argument


def tag_run(context: dg.AssetExecutionContext, what: str, name: str, days: Sequence[date]) -> None:
    """Say on the run's own tags what it builds and which days, at once: whoever looks for a run may want it by now."""
    tags = {f"loglake/{what}": name, "loglake/days": days_argument(days[0], days[-1])}
    context.instance.add_run_tags(context.run_id, tags)


def day_materializations(
    context: dg.AssetExecutionContext, key: dg.AssetKey, metadata: Mapping[str, Mapping[str, Any]], is_whole: bool
) -> Iterator[Any]:
    """One materialization a day (by partition key); where a day failed, the good ones are recorded one by one."""
    if not is_whole:
        for partition, of_day in metadata.items():
            yield dg.AssetMaterialization(key, partition=partition, metadata=of_day)
        return
    for partition, of_day in metadata.items():
        context.add_asset_metadata(of_day, asset_key=key, partition_key=partition)
    yield dg.MaterializeResult(asset_key=key)


def check_outputs(context: dg.AssetExecutionContext, checks: Sequence[str]) -> Iterator[dg.Output[None]]:
    """The outputs that check results stand for: a range run must close them though the results went another way."""
    names: Sequence[str] = list(context.op_execution_context.op_def.output_dict)
    for check in checks:
        yield dg.Output(None, output_name=next(name for name in names if name.endswith(f"_{check}")))
