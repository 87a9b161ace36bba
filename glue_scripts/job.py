"""One run: list the window, read every object once, many views, ORC in a run's own directory, a manifest a day.

The job never touches the catalog, never overwrites and never deletes: what it writes is seen by nobody until the
orchestrator has verified and committed it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from glue_scripts.accounts import CLOSED, DUPLICATES, QUARANTINED, DayAccount, day_accounts
from glue_scripts.arguments import JobArguments
from glue_scripts.manifests import put_manifests
from glue_scripts.reading import ObjectReader, decoded_fields
from glue_scripts.reporting import Progress, Report
from glue_scripts.window import WindowObjects, slices, window_objects
from glue_scripts.writing import write_duplicates, write_rows, written_days
from loglake_assets.lake.storage.keys import run_prefix
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import commit_numbers
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.model import LIGHT
from loglake_assets.sources.placement import day_number
from loglake_assets.sources.views import given_views, view_statements

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_BYTES_A_SLICE = 32 << 20


def run_job(arguments: JobArguments, report: Report) -> None:
    """Build the window's days and write their manifests. Raises WindowError, FetchError, or what Spark raises."""
    import boto3

    source = load_source(arguments.source)
    s3, glue = boto3.client("s3", region_name=arguments.region), boto3.client("glue", region_name=arguments.region)
    listed_at = time.time()
    bases = _base_commits(s3, source, arguments)  # before listing: what is committed meanwhile is then newer
    objects = window_objects(glue, s3, source, arguments)
    report(
        f"{source.title}, {arguments.first_day} to {arguments.last_day}: {len(objects.refs):,} objects, "
        f"{objects.total_bytes:,} bytes",
        {"objects": len(objects.refs), "bytes": objects.total_bytes},
    )
    accounts = _build_light(source, arguments, objects, s3, report) if arguments.engine == LIGHT else None
    if accounts is None:
        spark = _spark(f"{source.name} {arguments.first_day} {arguments.last_day}")
        accounts = build(spark, source, arguments, objects, s3.meta.region_name, report)
    if arguments.is_preview:
        report("Preview written; a preview has no manifest and cannot be committed.", {})
        return
    put_manifests(s3, source, arguments, accounts, bases, listed_at)
    for account in accounts:
        report(account.sentence(), account.totals())


def _build_light(
    source: LogSource, arguments: JobArguments, objects: WindowObjects, s3: Any, report: Report
) -> list[DayAccount] | None:
    """The account of each day by the light engine; None where Spark must build the window, and why is told."""
    try:
        from glue_scripts.light import build_light
        from glue_scripts.light_views import NotLightError
    except ImportError as error:
        report(f"The light engine needs {error.name}, which is not installed here. Spark builds the window.", {})
        return None
    try:
        return build_light(source, arguments, objects, s3, report)
    except NotLightError as error:
        report(f"{error} Spark builds the window.", {})
        return None


def _base_commits(s3: Any, source: LogSource, arguments: JobArguments) -> dict[int, int]:
    """The newest commit of each day before anything is listed; 0 where there is none."""
    table, bucket = source.readready.name, arguments.readready_bucket
    numbers = {
        day: commit_numbers(Table(table, s3, bucket), day) for day in (day_number(day) for day in arguments.days)
    }
    return {day: found[-1] if found else 0 for day, found in numbers.items()}


def _spark(name: str) -> "SparkSession":
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName(name)
    for key, value in SPARK_SETTINGS.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


SPARK_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "256m",
    "spark.sql.autoBroadcastJoinThreshold": "256m",  # for duplicates: a join that shuffles takes rows from their day
    "spark.sql.execution.arrow.maxRecordsPerBatch": "4000",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.orc.impl": "native",
    "spark.ui.showConsoleProgress": "false",
}
"""What the job relies on, wherever it runs. Business logic does not depend on any of it but the time zone."""


def build(
    spark: "SparkSession",
    source: LogSource,
    arguments: JobArguments,
    objects: WindowObjects,
    region: str,
    report: Report,
) -> list[DayAccount]:
    """Read, transform and write the window; returns the account of each day, recounted from what was written."""
    with _tell_progress(spark, report, "slices of objects read"):
        _read(spark, source, objects, region).createOrReplaceTempView("decoded_as_view")
        closed = _rows(spark, CLOSED)
    _create_views(spark, source, arguments)
    duplicates = _rows(spark, DUPLICATES)
    base = f"s3://{arguments.readready_bucket}/"
    path = base + run_prefix(source.readready.name, arguments.run_id)
    with _tell_progress(spark, report, "tasks of the write done"):
        target = path if not arguments.is_preview else f"{base}preview/{arguments.run_id}/"
        write_rows(spark, source, target, arguments.compression)
    if arguments.is_preview:
        return []
    write_duplicates(spark, source, base, arguments.run_id, arguments.compression)
    written = written_days(spark, source, path)
    return day_accounts(arguments, objects, closed, _rows(spark, QUARANTINED), duplicates, written)


def _rows(spark: "SparkSession", statement: str) -> list[Any]:
    return spark.sql(statement).collect()


def _read(spark: "SparkSession", source: LogSource, objects: WindowObjects, region: str) -> "DataFrame":
    """The decoded rows, brought together by day; however often they are asked for, objects are read once."""
    count = _slice_count(spark, objects)
    rows = [(ref.number, ref.bucket, ref.key, ref.prefix_day) for hand in slices(objects.refs, count) for ref in hand]
    parallel = spark.sparkContext.parallelize(rows, max(count, 1))
    refs = spark.createDataFrame(parallel, "number int, bucket string, key string, prefix_day int")
    schema = ", ".join(f"{name} {kind}" for name, kind in decoded_fields(source))
    refs.mapInArrow(ObjectReader(source.name, region), schema).createOrReplaceTempView("read_as_view")
    return shuffled_once(spark, spark.sql("SELECT /*+ REBALANCE(logcalendarday) */ * FROM read_as_view"))


def shuffled_once(spark: "SparkSession", frame: "DataFrame") -> "DataFrame":
    """A frame that ends in a shuffle, as a frame over that shuffle's files: every later query begins there.

    A cache would hold the window a second time, in columns that must be filled and emptied again, and is lost with an
    executor. PySpark has no public call for it; these two are what its own createDataFrame and checkpoint end in.
    """
    from pyspark.sql import DataFrame

    rows = frame._jdf.queryExecution().toRdd()
    return DataFrame(spark._jsparkSession.internalCreateDataFrame(rows, frame._jdf.schema(), False), spark)


def _slice_count(spark: "SparkSession", objects: WindowObjects) -> int:
    wanted = max(spark.sparkContext.defaultParallelism * 4, objects.total_bytes // _BYTES_A_SLICE)
    return int(min(wanted, max(len(objects.refs), 1)))


def _create_views(spark: "SparkSession", source: LogSource, arguments: JobArguments) -> None:
    """The bounds and the decoded records as views, then the source's own `.sql` views in their order."""
    for name, statement in given_views(arguments.first_day, arguments.last_day, arguments.run_id):
        spark.sql(statement).createOrReplaceTempView(name)
    for name, statement in view_statements(source):
        view = spark.sql(statement)
        if name == "duplicates_as_view":
            view = view.persist()  # counted, subtracted, and written: computed once
        if arguments.is_preview and name == "readready_as_view":
            view = view.limit(int(arguments.max_rows or 0))
        view.createOrReplaceTempView(name)


@contextmanager
def _tell_progress(spark: "SparkSession", report: Report, what: str) -> Iterator[None]:
    """Tell of finished Spark tasks every few seconds while the block runs."""
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(spark, report, what, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=5)


def _watch(spark: "SparkSession", report: Report, what: str, done: threading.Event) -> None:
    tracker = spark.sparkContext.statusTracker()
    progress: Progress | None = None
    while not done.wait(1.0):
        stages = [info for stage in tracker.getActiveStageIds() if (info := tracker.getStageInfo(stage))]
        if stages:
            progress = progress or Progress(report, what, max(s.numTasks for s in stages))
            progress.at(max(s.numCompletedTasks for s in stages))
