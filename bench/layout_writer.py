"""The writing half of the layouts: every layout once a round in one Spark session, by the job's own `write_rows`.

Run as a program it prints bytes, CPU seconds of the JVM, and the bytes that each column has on disk.
"""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contenders.spark_session import spark_session
from bench.layouts import LAYOUTS, PRESENT, Layout
from bench.queries import tree_bytes
from bench.volumes import SOURCE
from glue_scripts.job import SPARK_SETTINGS
from glue_scripts.writing import ORC_SETTINGS, write_rows
from loglake_assets.sources import LogSource, load_source

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_COLUMNS_OF = (PRESENT.name, "zstd")


def main(ready: Path, out: Path, rounds: int) -> dict[str, Any]:
    """Write the rows of the table at `ready` below `out`, a folder a layout; what each took."""
    out.mkdir(parents=True)
    spark, source = spark_session(str(out / "tmp")), load_source(SOURCE)
    for name, value in SPARK_SETTINGS.items():
        if name.startswith("spark.sql."):
            spark.conf.set(name, value)
    events = _as_delivered(spark, ready, out / "delivered")
    _write(spark, source, PRESENT, out / "warm-up" / "run=bench")
    taken: dict[str, list[float]] = {one.name: [] for one in LAYOUTS}
    for number in range(rounds):
        for layout in LAYOUTS[:: -1 if number % 2 else 1]:  # there and back: the JVM still warms up
            taken[layout.name].append(_write(spark, source, layout, out / layout.name / "run=bench"))
    columns = {name: column_bytes(spark, out / name) for name in _COLUMNS_OF}
    spark.stop()
    layouts = {name: {"bytes": tree_bytes(out / name), "cpu_seconds": cpu} for name, cpu in taken.items()}
    return {"events": events, "layouts": layouts, "columns": columns}


def _as_delivered(spark: "SparkSession", ready: Path, path: Path) -> int:
    """The rows in the order of their objects, as the view that `write_rows` writes; returns how many."""
    rows = spark.read.orc(str(ready)).orderBy("raw_key", "raw_ordinal")
    rows.write.option("compression", "snappy").orc(str(path))
    spark.read.orc(str(path)).coalesce(1).createOrReplaceTempView("readready_as_view")  # a day is one partition
    return spark.table("readready_as_view").count()


def _write(spark: "SparkSession", source: LogSource, layout: Layout, path: Path) -> float:
    """CPU seconds of the JVM: reading what was delivered, sorting, encoding."""
    shutil.rmtree(path, ignore_errors=True)
    if layout.sort_by is not None:
        source = replace(source, readready=replace(source.readready, sort_by=layout.sort_by))
    before = _cpu_seconds(spark)
    write_rows(spark, source, str(path), layout.compression, {**ORC_SETTINGS, **layout.settings})
    return _cpu_seconds(spark) - before


def _cpu_seconds(spark: "SparkSession") -> float:
    import psutil

    gateway = spark.sparkContext._gateway
    assert gateway is not None
    used = psutil.Process(gateway.proc.pid).cpu_times()
    return float(used.user + used.system)


def column_bytes(spark: "SparkSession", folder: Path) -> dict[str, int]:
    """Compressed bytes of each column's streams over the ORC files below `folder`, by their footers.

    What is missing to the size of the files are indexes, bloom filters and the footers themselves.
    """
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    conf, found = spark.sparkContext._jsc.hadoopConfiguration(), dict[str, int]()
    for path in sorted(folder.rglob("*.orc")):
        options = jvm.org.apache.orc.OrcFile.readerOptions(conf)
        reader = jvm.org.apache.orc.OrcFile.createReader(jvm.org.apache.hadoop.fs.Path(str(path)), options)
        schema, statistics = reader.getSchema(), reader.getStatistics()
        for name, child in zip(schema.getFieldNames(), schema.getChildren(), strict=True):
            found[name] = found.get(name, 0) + statistics[child.getId()].getBytesOnDisk()
        reader.close()
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
