"""The `.sql` views in Spark, with and without ANSI mode: the same rows, what the views decide, and their ORC files."""

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pyspark import SparkConf, SparkContext
from pyspark.sql import DataFrame, SparkSession

from glue_scripts.object_reader import ObjectReader, decoded_fields
from glue_scripts.whole_objects import FetchedObject, ObjectRef
from infra.emulator.glue_child import java_home
from loglake_assets.s3.gzip_content import ContentLimits
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.views import view_statements
from tests.test_object_reader import body, record

pytestmark = pytest.mark.stack

FOLDER = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/01"


def spark_settings() -> dict[str, str]:
    """Of a Spark session in this process, whose Java and Python are chosen here."""
    os.environ["JAVA_HOME"] = java_home(dict(os.environ))
    os.environ["PYSPARK_PYTHON"] = sys.executable
    return {
        "spark.app.name": "tests",
        "spark.master": "local[2]",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    session = SparkSession(SparkContext(conf=SparkConf().setAll(list(spark_settings().items()))))
    yield session
    session.stop()


def decoded_frame(spark: SparkSession, source: LogSource, contents: dict[str, bytes]) -> DataFrame:
    """The decoded rows of objects given by file name."""
    fetched = [
        FetchedObject(ObjectRef(n, "logs", f"{FOLDER}/{name}", 20261101), content, "e", None, 1.0)
        for n, (name, content) in enumerate(sorted(contents.items()))
    ]
    reader = ObjectReader(source.name, "eu-west-1", None, ContentLimits())
    rows = [tuple(row.values()) for batch in reader.batches(fetched) for row in batch.records.to_pylist()]
    return spark.createDataFrame(rows, ", ".join(f"{name} {kind}" for name, kind in decoded_fields(source)))


def create_views(spark: SparkSession, source: LogSource, contents: dict[str, bytes]) -> None:
    bounds = spark.sql(
        "SELECT DATE'2026-11-01' floor_as_date, DATE'2026-11-01' ceiling_as_date, 20261101 floor_as_int, "
        "20261101 ceiling_as_int"
    )
    bounds.createOrReplaceTempView("mybounds_as_view")
    decoded_frame(spark, source, contents).createOrReplaceTempView("decoded_as_view")
    spark.sql("SELECT *, 'r' AS f_run FROM decoded_as_view").createOrReplaceTempView("records_as_view")
    for name, statement in view_statements(source):
        spark.sql(statement).createOrReplaceTempView(name)


def session_start(**changes: Any) -> dict[str, Any]:
    return record(eventSource="ssm.amazonaws.com", eventName="StartSession", **changes)


CONTENTS = {
    "a.json": body(
        session_start(eventID="s1", responseElements={"sessionId": "ann-o'neil@x.y-0a1b2c3d4e5f60718"}),
        session_start(eventID="s2", responseElements={"sessionId": "a.b-c-abcdefghijklmnopqrstuvwxyz"}),
        session_start(eventID="s3", responseElements=None, errorCode="AccessDenied"),
        record(
            eventID="s4",
            eventSource="athena.amazonaws.com",
            eventName="StartSession",
            responseElements={"sessionId": "x-y"},
        ),
        record(
            eventID="s5",
            eventSource="ssm.amazonaws.com",
            eventName="TerminateSession",
            requestParameters={"sessionId": "ann-0a1b2c3d4e5f60718"},
        ),
        session_start(eventID="s6", responseElements={"sessionId": 7}),
        session_start(eventID="s7", responseElements=["odd"]),
    ),
    "b.json": body(record(eventID="d1"), record(eventID="d2", eventTime="2026-10-31T23:59:59Z")),
    "c.json": body(record(eventID="d1"), record(eventID="d1", awsRegion="changed")),
}


@pytest.mark.parametrize("ansi", ["false", "true"])
def test_the_views_give_the_same_rows_in_ansi_mode(spark: SparkSession, ansi: str) -> None:
    source = load_source("cloudtrail")
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    create_views(spark, source, CONTENTS)
    rows = {row.eventid: row for row in spark.table("readready_as_view").collect()}
    assert set(rows) == {"s1", "s2", "s3", "s4", "s5", "s6", "s7", "d1"}, "one row an event, and the window's day only"
    assert {i: rows[i].f_sessionid for i in ("s1", "s2", "s3", "s4", "s5", "s7")} == {
        "s1": "0a1b2c3d4e5f60718",
        "s2": "abcdefghijklmnopqrstuvwxyz",
        "s3": None,
        "s4": None,
        "s5": "0a1b2c3d4e5f60718",
        "s7": None,
    }
    assert rows["d1"].raw_key.endswith("/b.json"), "the first by key is kept"
    dropped = spark.table("duplicates_as_view").orderBy("raw_ordinal").collect()
    assert [(r.dropped_key[-6:], r.kept_key[-6:], r.same_content) for r in dropped] == [
        ("c.json", "b.json", True),
        ("c.json", "b.json", False),
    ]


@pytest.mark.parametrize("name", source_names())
def test_the_last_view_gives_the_tables_contract(spark: SparkSession, name: str) -> None:
    source = load_source(name)
    create_views(spark, source, {})
    given = {f.name: f.dataType.simpleString() for f in spark.table("readready_as_view").schema.fields}
    wanted = {c.name: c.type for c in (*source.readready.all_columns, source.readready.partition_key)}
    assert given == wanted
