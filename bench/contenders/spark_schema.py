"""The same with a schema that is given: nested blocks as text, the identity flattened, inline instead of explode."""

import sys

from bench.contenders.columns import BLOCKS, BOOLEAN, CONTEXT, IDENTITY, TEXT, Task, task
from bench.contenders.spark_session import spark_session

_CONTEXT = (
    "sessionContext: struct<sourceIdentity: string, attributes: struct<mfaAuthenticated: string>, "
    "sessionIssuer: struct<type: string, arn: string, userName: string>>"
)


def main(asked: Task) -> None:
    spark = spark_session(str(asked.rows.parent / "tmp"))
    raw = spark.read.option("recursiveFileLookup", "true").schema(_schema()).json(str(asked.volume.files))
    raw.createOrReplaceTempView("raw")
    rows = spark.sql(
        f"SELECT * FROM (SELECT {', '.join(_columns())}, date_format(to_timestamp(eventTime), 'yyyyMMdd') "
        f"AS logcalendarday FROM (SELECT inline(Records) FROM raw)) WHERE {asked.where}"
    )
    rows.write.partitionBy("logcalendarday").option("compression", "zstd").orc(str(asked.rows))
    spark.stop()


def _schema() -> str:
    identity = ", ".join((*(f"{name}: string" for name in IDENTITY), _CONTEXT))
    fields = [
        *(f"{name}: string" for name in (*TEXT, *BOOLEAN, *BLOCKS)),
        f"userIdentity: struct<{identity}>",
    ]
    return f"Records array<struct<{', '.join(fields)}>>"


def _columns() -> list[str]:
    paths = {f"useridentity_{name.lower()}": f"userIdentity.{name}" for name in IDENTITY}
    paths |= {column: f"userIdentity.sessionContext.{'.'.join(path)}" for path, column in CONTEXT.items()}
    return [
        *(f"{name} AS {name.lower()}" for name in (*TEXT, *BOOLEAN, *BLOCKS)),
        *(f"{path} AS {name}" for name, path in paths.items()),
    ]


if __name__ == "__main__":
    main(task(sys.argv[1:]))
