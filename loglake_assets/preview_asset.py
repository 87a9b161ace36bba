"""The first rows that a day of a log would have, before anybody builds it: as a file, since rows are the log's content.

Dagster keeps what it is told for years, for everybody who may open its UI. So the rows lie in the results bucket, under
a prefix that the orchestrator's role reads and a rule empties after a day. The UI is told where, how many, and which
columns. Decided in docs/decisions/0027-a-preview-is-a-file.md.
"""

import json
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_pyspark import LazyPySparkResource

from loglake_assets.lake.lake import Lake
from loglake_assets.orchestration.code_references import code_references
from loglake_assets.orchestration.console_links import file_page
from loglake_assets.orchestration.pools import PREVIEW_POOL
from loglake_assets.orchestration.source_config import SourceConfig
from loglake_assets.sources.calendar_days import day_number
from resources.settings import loglake
from resources.spark import use_this_environment

if TYPE_CHECKING:
    from glue_scripts.arguments import JobArguments
    from glue_scripts.preview import Preview

ROWS = 20


class SparkNotHereError(RuntimeError):
    """Spark does not start on this machine; the message says what it needs."""


class PreviewError(RuntimeError):
    """Spark did not make the rows; the message says of which day and by which kind of error."""


def preview_asset(config: SourceConfig) -> dg.AssetsDefinition:
    """Materialized for a day, it writes the day's first rows to a file. It commits nothing and builds nothing."""

    @dg.asset(
        key=config.preview_key,
        deps=[config.raw_key],
        description=f"The first {ROWS} rows that a day of {config.source.title} would have, from a few of its raw "
        "objects, by the views of the build: a file of JSON lines that is deleted after a day. Nothing is committed.",
        partitions_def=config.closed_days,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        pool=PREVIEW_POOL,
        group_name="preview",
        kinds={"pyspark", "json"},
        owners=config.owners,
        tags=config.tags("preview"),
        metadata={"dagster/code_references": code_references(f"loglake_assets.sources.{config.source.name}")},
    )
    def first_rows(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], spark: LazyPySparkResource
    ) -> Iterator[Any]:
        day = date.fromisoformat(context.partition_keys[0])
        asked = _arguments(config, lake, day, context.run_id)
        from glue_scripts.preview import preview  # with the job's libraries, which nothing else here needs

        session = start_session(spark)
        try:
            found = preview(session, (lake.glue, lake.s3), asked, ROWS, lambda text, _: context.log.info(text))
        except Exception as error:  # Spark's texts may quote a record
            if type(error).__module__.startswith(("glue_scripts.", "loglake_assets.")):
                raise
            raise PreviewError(
                f"The preview of {config.source.name} {day} stopped on a {type(error).__name__}, whose text may quote "
                "the log and is left out. Nothing was written. Build the day: what cannot be a row is quarantined."
            ) from None
        key = f"dagster/preview/{config.source.name}/{day_number(day)}/{context.run_id}.jsonl"
        lake.s3.put_object(Bucket=lake.settings.results_bucket, Key=key, Body=_lines(found))
        yield dg.MaterializeResult(asset_key=config.preview_key, metadata=preview_metadata(found, lake, key))

    return first_rows


def preview_metadata(found: "Preview", lake: Lake, key: str) -> dict[str, Any]:
    """Where the rows lie, counts and names of columns; never a row."""
    return {
        "rows_file": file_page(lake.settings, f"s3://{lake.settings.results_bucket}/{key}"),
        "dagster/row_count": len(found.rows),
        "objects_of_day": found.objects,
        "objects_read": found.objects_read,
        "records_read": found.records,
        "quarantined": found.quarantined,
        "columns": dg.MetadataValue.json(list(found.columns)),
    }


def start_session(spark: LazyPySparkResource) -> Any:
    """The session, started when it is not there yet. Raises SparkNotHereError."""
    use_this_environment()
    try:
        return spark.spark_session
    except Exception as error:  # PySpark has many, and some quote the machine
        raise SparkNotHereError(
            f"Spark did not start in this run ({type(error).__name__}): it needs Java 17, by JAVA_HOME or on the PATH, "
            "and 1 GB of memory. Nothing was read, and a retry here does not help. The image of infra/aws/dagster has "
            f"no Java: run `{loglake('up')}` on a machine with Java 17 and materialize the preview there."
        ) from None


def _arguments(config: SourceConfig, lake: Lake, day: date, run_id: str) -> "JobArguments":
    from glue_scripts.arguments import JobArguments

    named = lake.settings
    return JobArguments(
        source=config.source.name,
        first_day=day,
        last_day=day,
        run_id=run_id,
        database=named.database,
        readready_bucket=named.readready_bucket,
        look_ahead=config.look_ahead_days,
        region=named.region,
    )


def _lines(found: "Preview") -> bytes:
    """JSON lines in ASCII: what a log holds is shown escaped, and interpreted by nobody."""
    return "".join(json.dumps(row, default=str, ensure_ascii=True) + "\n" for row in found.rows).encode()
