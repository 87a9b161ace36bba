"""One run: list the window, read every object once, many views, ORC in a run's own directory, a manifest a day.

The job never touches the catalog, never overwrites and never deletes: what it writes is seen by nobody until the
orchestrator has verified and committed it. Where it runs, and what spreads its tasks, changes nothing of it.
"""

import os
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from glue_scripts.arguments import JobArguments
from glue_scripts.day_accounts import DayAccount, day_accounts
from glue_scripts.manifest_writer import put_manifests
from glue_scripts.orc_files import written_days
from glue_scripts.progress import Report
from glue_scripts.runners import Runner, Slice, SparkRunner, local_runner
from glue_scripts.whole_objects import s3_client
from glue_scripts.window import WindowObjects, slices, window_objects
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import commit_numbers
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.model import LOCAL
from loglake_assets.sources.words import tally

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyspark.sql import SparkSession

    from glue_scripts.tasks import Plan

LIBRARIES = ("pyarrow", "pandas", "numpy", "boto3", "duckdb", "sqlglot")
"""Those that decide which rows and bytes are written, or how S3 is asked. A run's log begins with their versions."""


def run_job(arguments: JobArguments, report: Report) -> None:
    """Build the window's days and write their manifests. Raises WindowError, FetchError, or what Spark raises."""
    import boto3

    source = load_source(arguments.source)
    s3, glue = s3_client(arguments.region), boto3.client("glue", region_name=arguments.region)
    listed_at = time.time()
    bases = _base_commits(s3, source, arguments)  # before listing: what is committed meanwhile is then newer
    objects = window_objects(glue, s3, source, arguments)
    report(f"By {', '.join(f'{name} {_version(name)}' for name in LIBRARIES)}.", {})
    report(
        f"{source.title}, {arguments.first_day} to {arguments.last_day}: "
        f"{tally(len(objects.refs), 'object')}, {tally(objects.total_bytes, 'byte')}",
        {"objects": len(objects.refs), "bytes": objects.total_bytes},
    )
    accounts = build(arguments, objects, s3.meta.region_name, report)
    put_manifests(s3, source, arguments, accounts, bases, listed_at)
    for account in accounts:
        report(account.sentence(), account.totals())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of unknown version"


def _base_commits(s3: "S3Client", source: LogSource, arguments: JobArguments) -> dict[int, int]:
    """The newest commit of each day before anything is listed; 0 where there is none."""
    table, bucket = source.readready.name, arguments.readready_bucket
    numbers = {
        day: commit_numbers(Table(table, s3, bucket), day) for day in (day_number(day) for day in arguments.days)
    }
    return {day: found[-1] if found else 0 for day, found in numbers.items()}


def build(arguments: JobArguments, objects: WindowObjects, region: str, report: Report) -> list[DayAccount]:
    """Read, transform and write the window; returns the account of each day, recounted from what was written.

    The processes of one machine build what fits it, where the arguments say so; Spark builds the rest.
    """
    os.environ.setdefault(*_MEMORY_POOL)  # of the processes that are started from here
    from glue_scripts.day_views import check_views
    from glue_scripts.sql_on_arrow import OnlySparkError

    try:
        check_views(load_source(arguments.source))
        if arguments.engine == LOCAL and objects.total_bytes <= arguments.local_max_bytes:
            with local_runner(report) as runner:
                return _build_by_tasks(runner, arguments, objects, region)
        if arguments.engine == LOCAL:
            most = tally(arguments.local_max_bytes, "byte")
            report(f"More than the {most} that processes of one machine build at once. Spark builds the window.", {})
        return _build_by_tasks(SparkRunner(_session(arguments), report), arguments, objects, region)
    except OnlySparkError as error:
        report(f"{error} Spark SQL builds the window.", {})
        return _build_by_sql(arguments, objects, region, report)


def _build_by_tasks(runner: Runner, arguments: JobArguments, objects: WindowObjects, region: str) -> list[DayAccount]:
    """The account of each day. Raises OnlySparkError, with nothing stored, where a value is for Spark SQL only."""
    from glue_scripts.sql_on_arrow import OnlySparkError
    from glue_scripts.tasks import ACCOUNTS, FindCopies, ReadSlice, WritePart, ids_in_order, read_accounts

    plan = _plan(arguments, objects, region)
    partitions = runner.read(ReadSlice(plan), _slices(runner, objects), plan.partitions)
    accounts = partitions.run(read_accounts, [ACCOUNTS], "slices of objects read")
    if refusals := [found.refusal for found in accounts if found.refusal]:
        raise OnlySparkError(refusals[0])
    copies = partitions.run(FindCopies(plan), plan.copy_partitions, "searches for copies done")
    written = partitions.run(WritePart(plan, ids_in_order(copies)), plan.day_partitions, "parts of days written")
    dropped = [count for found in copies for count in found.counts]
    read = (one for found in accounts for one in found.objects)
    return day_accounts(arguments, objects, read, dropped, written_days(written))


def _build_by_sql(arguments: JobArguments, objects: WindowObjects, region: str, report: Report) -> list[DayAccount]:
    from glue_scripts.spark_sql import build_by_sql

    spark = _session(arguments)
    hands = _slices(SparkRunner(spark, report), objects)
    found = build_by_sql(spark, _plan(arguments, objects, region), hands, report)
    return day_accounts(arguments, objects, found.accounts, found.dropped, written_days(found.parts))


def _plan(arguments: JobArguments, objects: WindowObjects, region: str) -> "Plan":
    from glue_scripts.tasks import Plan

    return Plan.of(
        objects.refs,
        source_name=arguments.source,
        days=arguments.days,
        run_id=arguments.run_id,
        region=region,
        bucket=arguments.readready_bucket,
        compression=arguments.compression,
    )


def _slices(runner: Runner, objects: WindowObjects) -> list[Slice]:
    count = runner.slice_count(objects.total_bytes, len(objects.refs))
    return list(enumerate(slices(objects.refs, count)))


def _session(arguments: JobArguments) -> "SparkSession":
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName(f"{arguments.source} {arguments.first_day} {arguments.last_day}")
    for key, value in SPARK_SETTINGS.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


_MEMORY_POOL = ("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
"""Arrow's default, mimalloc, keeps twice the memory and gives pages back at once, only to ask for them again."""
SPARK_SETTINGS = {
    f"spark.executorEnv.{_MEMORY_POOL[0]}": _MEMORY_POOL[1],
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "4000",
    "spark.sql.inMemoryColumnarStorage.batchSize": "1000",
    "spark.ui.showConsoleProgress": "false",
}
"""What the job relies on, wherever it runs. Business logic does not depend on any of it but the time zone."""
