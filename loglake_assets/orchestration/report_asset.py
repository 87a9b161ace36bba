"""The report as an asset: made every morning and on demand, kept in S3 under its day, with the heat maps in the UI."""

import base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from loglake_assets.lake.lake import Lake
from loglake_assets.lake.versions.commits import sequences
from loglake_assets.orchestration.console_links import file_page
from loglake_assets.report.charts import heat_map, inline_colours
from loglake_assets.report.figures import LakeFigures, LogFigures, lake_figures, put_report
from loglake_assets.report.page import report_page
from loglake_assets.sources import load_source, source_names
from loglake_assets.sources.words import tally

REPORT = dg.AssetKey(["report", "lake"])


def report_definitions(owners: Sequence[str]) -> dg.Definitions:
    """The asset, and the schedule that makes it once the night's builds and checks are over."""
    job = dg.define_asset_job(
        "report", selection=dg.AssetSelection.assets(REPORT), description="Makes the report of the lake anew."
    )

    @dg.schedule(
        name="report",
        job=job,
        cron_schedule="30 6 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every morning: how whole the lake is, as a page for people who never open Dagster.",
    )
    def daily(context: dg.ScheduleEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.RunRequest | dg.SkipReason:
        if not any(sequences(lake.table(load_source(name).readready.name)) for name in source_names()):
            return dg.SkipReason("No day of any log is built yet, so there is nothing to report.")
        return dg.RunRequest()

    owned = report_asset.map_asset_specs(lambda spec: spec.replace_attributes(owners=owners))
    return dg.Definitions(assets=[owned], jobs=[job], schedules=[daily])


@dg.asset(
    key=REPORT,
    group_name="lake",
    kinds={"s3"},
    tags={"loglake/layer": "report"},
    description="How whole every log is, over a year: heat maps, open problems with what mends them, what was set "
    "apart, digests, sessions, tools, what changed. `loglake report --open` shows it.",
)
def report_asset(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> Iterator[Any]:
    found = lake_figures(lake, lake.settings.place, datetime.now(UTC))
    key = put_report(lake, found, report_page(found))
    context.log.info(f"{tally(len(found.logs), 'log')}; kept as s3://{lake.settings.readready_bucket}/{key}")
    yield dg.MaterializeResult(asset_key=REPORT, metadata=_metadata(lake, found, key))


def _metadata(lake: Lake, found: LakeFigures, key: str) -> dict[str, Any]:
    """Counts, keys, and each log's heat map as a picture that loads nothing."""
    return {
        "open_problems": sum(len(log.problems) for log in found.logs),
        "changes": len(found.changes),
        **{f"heat_map_{log.name}": dg.MetadataValue.md(_picture(log)) for log in found.logs if log.days},
        "report": file_page(lake.settings, f"s3://{lake.settings.readready_bucket}/{key}"),
    }


def _picture(log: LogFigures) -> str:
    """The heat map as markdown that holds its own picture, in colours that stand on light and on dark."""
    svg = inline_colours(heat_map(log))
    return f"![{log.title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
