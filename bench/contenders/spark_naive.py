"""The Spark job that most posts show: read.json with an inferred schema, explode, write. Nested blocks stay structs."""

import sys

from bench.contenders.columns import Task, task
from bench.contenders.spark_session import spark_session
from bench.volumes import NEEDLE_NAMES


def main(asked: Task) -> None:
    from pyspark.sql import functions as f

    spark = spark_session(str(asked.rows.parent / "tmp"))
    raw = spark.read.option("recursiveFileLookup", "true").json(str(asked.volume.files))
    events = raw.select(f.explode("Records").alias("record")).select("record.*")
    if asked.needle:
        events = events.where(
            f.col("eventName").isin(*NEEDLE_NAMES) & f.col("recipientAccountId").isin(*asked.accounts)
        )
    by_day = events.withColumn("logcalendarday", f.date_format(f.to_timestamp("eventTime"), "yyyyMMdd"))
    by_day.write.partitionBy("logcalendarday").option("compression", "zstd").orc(str(asked.rows))
    spark.stop()


if __name__ == "__main__":
    main(task(sys.argv[1:]))
