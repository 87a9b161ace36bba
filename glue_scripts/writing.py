"""Rows to ORC in the run's own directory, and what a second look at the written files finds."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from loglake_assets.lake.storage.keys import duplicates_prefix
from loglake_assets.lake.versions.stored_rows import WrittenFile, content_hash, hashed_columns
from loglake_assets.sources import DEFAULT_COMPRESSION, LogSource

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROW_INDEX_STRIDE = 5_000
"""Rows of an index entry, which a reader takes or leaves together: half of ORC's own, for 0.1 % of the size."""
ORC_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "orc.compression.strategy": "COMPRESSION",
        "orc.stripe.size": str(128 << 20),
        "orc.row.index.stride": str(ROW_INDEX_STRIDE),
    }
)
"""Files 9 % smaller than with ORC's own SPEED and 64 MB, for a little more CPU: docs/decisions/0011-orc-layout.md."""


@dataclass(frozen=True)
class WrittenDay:
    """A day as read back from storage: its files, and a hash of its rows that no order of rows changes."""

    day: int
    files: tuple[WrittenFile, ...]
    content_hash: str

    @property
    def rows(self) -> int:
        return sum(f.rows for f in self.files)


def write_rows(
    spark: "SparkSession",
    source: LogSource,
    path: str,
    compression: str = DEFAULT_COMPRESSION,
    settings: Mapping[str, str] = ORC_SETTINGS,
) -> None:
    """The last view's rows to `path`, a directory a day, sorted for lookups. Fails if `path` exists.

    Rows are together by day since they were read; views that shuffle them again would give more and smaller files.
    `compression` is one of COMPRESSIONS, `settings` are of the ORC writer.
    """
    table = source.readready
    columns = ", ".join([*(c.name for c in table.all_columns), table.partition_key.name])
    rows = spark.sql(f"SELECT {columns} FROM readready_as_view")
    rows = rows.sortWithinPartitions(table.partition_key.name, *table.sort_by)
    direct = {"orc.column.encoding.direct": ",".join((*table.grain, *table.unrepeated))}
    _write_orc(rows, path, table.partition_key.name, compression, {**direct, **settings})


def write_duplicates(
    spark: "SparkSession", source: LogSource, base: str, run_id: str, compression: str = DEFAULT_COMPRESSION
) -> None:
    """The dropped copies with both object keys, as a table of their own beside the rows."""
    key = source.readready.partition_key.name
    path = base + duplicates_prefix(source.readready.name, run_id)
    _write_orc(
        spark.table("duplicates_as_view").drop("object_number").repartition(1), path, key, compression, ORC_SETTINGS
    )


def _write_orc(rows: "DataFrame", path: str, partition_key: str, compression: str, settings: Mapping[str, str]) -> None:
    options = {**settings, "compression": compression}
    rows.write.mode("errorifexists").options(**options).partitionBy(partition_key).orc(path)


def written_days(spark: "SparkSession", source: LogSource, path: str) -> dict[int, WrittenDay]:
    """Every day under `path`, read back from its files. Days without rows have no directory and do not appear."""
    sizes = _list_sizes(spark, path)
    if not sizes:
        return {}
    table = source.readready
    hashed = [c.name for c in hashed_columns(source)]
    marks = ", ".join([*hashed, *(f"isnull({name})" for name in hashed)])
    schema = ", ".join(f"{c.name} {c.type}" for c in (*table.all_columns, table.partition_key))
    spark.read.schema(schema).option("basePath", path).orc(path).createOrReplaceTempView("written_as_view")
    found = spark.sql(
        f"SELECT {table.partition_key.name} AS day, input_file_name() AS file, count(*) AS rows, "
        f"sum(CAST(xxhash64({marks}) AS DECIMAL(20, 0))) AS hash FROM written_as_view GROUP BY 1, 2"
    ).collect()
    return {day: _write_day(day, found, sizes) for day in sorted({row.day for row in found})}


def _write_day(day: int, found: list, sizes: dict[str, int]) -> WrittenDay:  # type: ignore[type-arg]  # Spark rows
    rows = [row for row in found if row.day == day]
    keys = {_key(row.file): row for row in rows}
    files = tuple(WrittenFile(key, sizes[key], keys[key].rows) for key in sorted(keys))
    return WrittenDay(day, files, content_hash(sum(int(row.hash) for row in rows), sum(f.rows for f in files)))


def _list_sizes(spark: "SparkSession", path: str) -> dict[str, int]:
    """Key and size of every ORC file under `path`, as the file system lists them."""
    jvm, conf = spark.sparkContext._jvm, spark.sparkContext._jsc.hadoopConfiguration()
    assert jvm is not None
    root = jvm.org.apache.hadoop.fs.Path(path)
    system = root.getFileSystem(conf)
    if not system.exists(root):
        return {}
    listing, sizes = system.listFiles(root, True), {}
    while listing.hasNext():
        status = listing.next()
        key = _key(status.getPath().toString())
        if key.endswith(".orc"):
            sizes[key] = status.getLen()
    return sizes


def _key(path: str) -> str:
    """The object key of a path, whatever the scheme and the mount that Spark names it by."""
    parts = urlsplit(path)
    return parts.path.lstrip("/")
