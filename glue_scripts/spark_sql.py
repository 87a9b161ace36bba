"""A window by Spark SQL over the decoded records: for views that do not work on Arrow tables of single records.

The views are the source's own `.sql` files, as they can be pasted into a Spark shell. What is written is written by the
same functions as always.
"""

import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from glue_scripts.day_views import DAY
from glue_scripts.object_reader import ObjectRead, ObjectReader, decoded_fields
from glue_scripts.orc_files import PartOfDay
from glue_scripts.progress import Report
from glue_scripts.runners import Slice, spark_progress
from glue_scripts.tasks import Plan, prepare_process, write_day, write_duplicates
from glue_scripts.whole_objects import fetch_all
from loglake_assets.lake.versions.stored_rows import WrittenFile
from loglake_assets.sources.views import DUPLICATES_VIEW, view_statements, window_views

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_ACCOUNTS = "accounts_of_objects"
"""The column of what is no record: accounts of objects, so that one pass over the objects gives both."""
_DROPPED = f"SELECT object_number, {DAY}, count(*) AS n FROM {DUPLICATES_VIEW} GROUP BY 1, 2"


@dataclass(frozen=True)
class SqlResult:
    """What Spark SQL wrote: accounts of the objects, (object number, day, copies dropped), and the files."""

    accounts: list[ObjectRead]
    dropped: list[tuple[int, int, int]]
    parts: list[PartOfDay]


def build_by_sql(spark: "SparkSession", plan: Plan, slices: list[Slice], report: Report) -> SqlResult:
    """Read, transform and write the window. Objects are read once more where a kept part of them is lost."""
    accounts = create_views(spark, plan, slices, report)
    dropped = [(row[0], row[1], row[2]) for row in spark.sql(_DROPPED).collect()]
    rows = spark.table("readready_as_view")
    with spark_progress(spark, report, "tasks of the write done"):
        parts = _collect(rows.repartition(len(plan.day_partitions), DAY, "raw_key"), WriteRows(plan))
    if dropped:
        _collect(spark.table(DUPLICATES_VIEW).repartition(1), WriteDuplicates(plan))
    return SqlResult(accounts, dropped, parts)


def create_views(spark: "SparkSession", plan: Plan, slices: list[Slice], report: Report) -> list[ObjectRead]:
    """The source's views over the records of some objects, as temporary views; returns the objects' accounts."""
    from pyspark import StorageLevel

    with spark_progress(spark, report, "slices of objects read"):
        decoded = _decode(spark, plan, slices).persist(StorageLevel.DISK_ONLY)
        decoded.where(f"{_ACCOUNTS} IS NULL").drop(_ACCOUNTS).createOrReplaceTempView("decoded_as_view")
        found = decoded.where(f"{_ACCOUNTS} IS NOT NULL").select(_ACCOUNTS).collect()
        accounts = [account for row in found for account in pickle.loads(row[0])]
    for name, statement in (*window_views(plan.days[0], plan.days[-1], plan.run_id), *view_statements(plan.source)):
        view = spark.sql(statement)
        if name == DUPLICATES_VIEW:
            view = view.persist(StorageLevel.DISK_ONLY)  # counted, subtracted, and written
        view.createOrReplaceTempView(name)
    return accounts


def _decode(spark: "SparkSession", plan: Plan, slices: list[Slice]) -> "DataFrame":
    parallel = spark.sparkContext.parallelize([(pickle.dumps(refs),) for _, refs in slices], max(len(slices), 1))
    schema = ", ".join(f"{name} {kind}" for name, kind in decoded_fields(plan.source))
    return spark.createDataFrame(parallel, "refs binary").mapInArrow(ReadRows(plan), f"{schema}, {_ACCOUNTS} binary")


def _collect(rows: "DataFrame", write: "WriteRows | WriteDuplicates") -> list[PartOfDay]:
    schema = "day int, key string, size bigint, rows bigint, hash string"
    found = rows.mapInArrow(write, schema).collect()
    return [PartOfDay(row.day, WrittenFile(row.key, row.size, row.rows), int(row.hash)) for row in found]


@dataclass(frozen=True)
class ReadRows:
    """mapInArrow's function: pickled slices of objects to decoded records, and a row for each of their accounts."""

    plan: Plan

    def __call__(self, slices: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        prepare_process()
        pickled = (value for batch in slices for value in batch.column("refs").to_pylist())
        refs = chain.from_iterable(map(pickle.loads, pickled))
        reader = ObjectReader(self.plan.source_name, self.plan.region)
        for batch in reader.batches(fetch_all(self.plan.client(), refs)):
            records = batch.records
            yield records.append_column(_ACCOUNTS, pa.nulls(len(records), pa.binary()))
            if batch.accounts:
                nothing = [pa.nulls(1, field.type) for field in records.schema]
                accounts = pa.array([pickle.dumps(batch.accounts)], pa.binary())
                yield pa.RecordBatch.from_arrays([*nothing, accounts], names=[*records.schema.names, _ACCOUNTS])


@dataclass(frozen=True)
class WriteRows:
    """mapInArrow's function: a partition's rows, of any days, to files; gives a row a file."""

    plan: Plan

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        context = TaskContext.get()
        number = context.partitionId() if context else 0
        found = [batch for batch in batches if len(batch)]
        if not found:
            return
        table = pa.Table.from_batches(found)
        for day in sorted(pc.unique(table[DAY]).to_pylist()):
            rows = table.filter(pc.equal(table[DAY], day))
            yield from map(_file_row, write_day(self.plan, day, f"part-{number:05d}", [rows]))


@dataclass(frozen=True)
class WriteDuplicates:
    """mapInArrow's function: the dropped copies to files beside the rows; gives nothing."""

    plan: Plan

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        if found := [batch for batch in batches if len(batch)]:
            write_duplicates(self.plan, 0, pa.Table.from_batches(found))
        yield from ()


def _file_row(part: PartOfDay) -> pa.RecordBatch:
    row = {
        "day": pa.array([part.day], pa.int32()),
        "key": pa.array([part.file.key]),
        "size": pa.array([part.file.size], pa.int64()),
        "rows": pa.array([part.file.rows], pa.int64()),
        "hash": pa.array([str(part.hash_sum)]),
    }
    return pa.RecordBatch.from_pydict(row)
