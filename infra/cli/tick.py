"""One tick of a source's raw sensor in this process, for commands that run without the Dagster daemon."""

import dagster as dg

from infra.cli.command_lake import CommandLake
from infra.cli.dagster_runs import load_definitions
from infra.cli.first_day import lake_first_day
from loglake_assets.sources import LogSource


def tick_raw_sensor(lake: CommandLake, instance: dg.DagsterInstance, source: LogSource) -> int:
    """Evaluate the sensor once and record what it reports, as the daemon would; returns the number of raw days."""
    definitions = load_definitions(lake_first_day(lake))
    sensor = definitions.resolve_sensor_def(f"{source.name}_raw")
    with dg.build_sensor_context(instance=instance, resources={"lake": lake.resource}) as context:
        result = sensor.evaluate_tick(context)
    for event in result.asset_events:
        instance.report_runless_asset_event(event)
    return len(result.asset_events)
