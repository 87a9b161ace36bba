"""The first rows that a day would have: a few of its raw objects, through the source's own views. Nothing is built."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glue_scripts.arguments import JobArguments
from glue_scripts.day_views import DAY
from glue_scripts.progress import Report
from glue_scripts.spark_sql import create_views
from glue_scripts.tasks import Plan
from glue_scripts.window import window_objects
from loglake_assets.sources.calendar_days import day_number

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OBJECTS_READ = 8


@dataclass(frozen=True)
class Preview:
    """Rows of a day by column, as they would be written, and what they come from.

    `objects` lie under the day's prefix and `objects_read` of them were read, with `records` in them, of which
    `quarantined` cannot be a row.
    """

    rows: tuple[dict[str, Any], ...]
    columns: tuple[str, ...]
    objects: int
    objects_read: int
    records: int
    quarantined: int


def preview(
    spark: "SparkSession", clients: tuple[Any, Any], asked: JobArguments, most_rows: int, report: Report
) -> Preview:
    """At most `most_rows` rows of the first day that is asked for; `clients` are of Glue and S3.

    Copies are known within the objects that are read. Raises WindowError, FetchError, or what Spark raises.
    """
    glue, s3 = clients
    plan = Plan.of(
        (),
        source_name=asked.source,
        days=asked.days,
        run_id=asked.run_id,
        region=s3.meta.region_name,
        bucket=asked.readready_bucket,
        compression=asked.compression,
    )
    day = day_number(asked.first_day)
    refs = [ref for ref in window_objects(glue, s3, plan.source, asked).refs if ref.prefix_day == day]
    accounts = create_views(spark, plan, [(0, refs[:OBJECTS_READ])], report)
    found = spark.table("readready_as_view")
    rows = found.where(found[DAY] == day).orderBy("raw_key", "raw_ordinal").limit(most_rows).collect()
    return Preview(
        rows=tuple(row.asDict(recursive=True) for row in rows),
        columns=tuple(found.columns),
        objects=len(refs),
        objects_read=len(accounts),
        records=sum(one.record_count for one in accounts),
        quarantined=sum(len(one.quarantined) + (one.reason is not None) for one in accounts),
    )
