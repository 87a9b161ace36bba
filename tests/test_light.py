"""The light engine beside Spark on the same objects: the same rows, duplicates and content hash, or a refusal."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pyarrow as pa
import pytest
from pyspark.sql import Row, SparkSession

from glue_scripts.arguments import JobArguments, parse_arguments
from glue_scripts.fetching import ObjectRef, fetch_all
from glue_scripts.light import build_light
from glue_scripts.light_views import NotLightError, create_views, in_duckdb
from glue_scripts.reading import ObjectReader, decoded_fields
from glue_scripts.window import WindowObjects
from glue_scripts.writing import WrittenDay, write_duplicates, write_rows, written_days
from infra.cli.local_lake import LocalLake
from loglake_assets.lake.storage.keys import duplicates_prefix, run_prefix
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.manifests import read_manifest
from loglake_assets.lake.versions.row_hash import hash_sum
from loglake_assets.orchestration.source_config import engine
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.placement import Placement, day_number, place
from loglake_assets.sources.sample_deliveries import generate
from loglake_assets.sources.views import view_statements
from resources.settings import SettingsError
from tests import test_bedrock_deliveries as deliveries
from tests import test_cloudwatch, test_views
from tests.conftest import FIRST, LAST, BuiltLake
from tests.test_reading import body, record
from tests.waiting import until

pytestmark = pytest.mark.stack

DAY = date(2026, 11, 1)
RAW, READREADY = "light-raw", "light-readready"
spark = test_views.spark


@dataclass(frozen=True)
class Store:
    """Two buckets of the emulator, and a folder that what was written is copied to for Spark."""

    s3: Any
    folder: Path


@pytest.fixture
def store(lake: LocalLake, tmp_path: Path) -> Iterator[Store]:
    s3 = lake.client("s3")
    for bucket in (RAW, READREADY):
        s3.create_bucket(Bucket=bucket)
    yield Store(s3, tmp_path)
    for bucket in (RAW, READREADY):
        for key in _keys(s3, bucket):
            s3.delete_object(Bucket=bucket, Key=key)
        s3.delete_bucket(Bucket=bucket)


def _keys(s3: Any, bucket: str, prefix: str = "") -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


def put(store: Store, source: LogSource, contents: dict[str, bytes]) -> WindowObjects:
    """The objects that belong to a partition, stored and listed."""
    refs = []
    for key, content in sorted(contents.items()):
        placement = place(source, RAW, key)
        if isinstance(placement, Placement):
            store.s3.put_object(Bucket=RAW, Key=key, Body=content)
            refs.append(ObjectRef(len(refs), RAW, key, day_number(placement.day)))
    return WindowObjects(tuple(refs), sum(map(len, contents.values())), frozenset({day_number(DAY)}))


def asked(source: LogSource, last: date = DAY) -> JobArguments:
    return JobArguments(source.name, DAY, last, f"run-{uuid4().hex[:8]}", "db", READREADY)


def by_spark(spark: SparkSession, store: Store, arguments: JobArguments, objects: WindowObjects) -> Path:
    """The folder in which Spark has built the objects as the job does."""
    source, folder = load_source(arguments.source), store.folder / "spark"
    batches = ObjectReader(source.name, "us-east-1").batches(fetch_all(store.s3, objects.refs))
    rows = [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
    schema = ", ".join(f"{name} {kind}" for name, kind in decoded_fields(source))
    spark.createDataFrame(rows, schema).createOrReplaceTempView("decoded_as_view")
    first, last = arguments.first_day, arguments.last_day
    spark.sql(
        f"SELECT DATE'{first}' floor_as_date, DATE'{last}' ceiling_as_date, {day_number(first)} floor_as_int, "
        f"{day_number(last)} ceiling_as_int"
    ).createOrReplaceTempView("mybounds_as_view")
    spark.sql(
        f"SELECT *, '{arguments.run_id}' AS f_run FROM decoded_as_view WHERE kind = 'record'"
    ).createOrReplaceTempView("records_as_view")
    for name, statement in view_statements(source):
        spark.sql(statement).createOrReplaceTempView(name)
    write_rows(spark, source, str(folder / run_prefix(source.readready.name, arguments.run_id)))
    write_duplicates(spark, source, f"{folder}/", arguments.run_id)
    return folder


def by_light(store: Store, arguments: JobArguments, objects: WindowObjects) -> tuple[Path, dict[int, WrittenDay]]:
    """What the light engine says it has written, and a copy of the bucket."""
    source, folder = load_source(arguments.source), store.folder / "light"
    accounts = build_light(source, arguments, objects, store.s3, lambda text, numbers: None)
    for key in _keys(store.s3, READREADY):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.s3.get_object(Bucket=READREADY, Key=key)["Body"].read())
    return folder, {account.day: account.written for account in accounts if account.written}


def stored(spark: SparkSession, path: Path, schema: str) -> list[Row]:
    """All rows below the path, as Spark reads them, in one order."""
    if not path.exists():
        return []
    rows = spark.read.schema(schema).orc(str(path)).collect()
    return sorted(rows, key=lambda row: json.dumps(row.asDict(), default=str))


def assert_both_alike(spark: SparkSession, store: Store, source: LogSource, contents: dict[str, bytes]) -> list[Row]:
    """Both engines give the same rows, duplicates and content hash; returns the rows."""
    objects, arguments = put(store, source, contents), asked(source, date(2026, 11, 2))
    ours, told = by_light(store, arguments, objects)
    theirs = by_spark(spark, store, arguments, objects)
    table = source.readready
    rows, duplicates = run_prefix(table.name, arguments.run_id), duplicates_prefix(table.name, arguments.run_id)
    schema = ", ".join(f"{c.name} {c.type}" for c in (*table.all_columns, table.partition_key))
    found = stored(spark, ours / rows, schema)
    assert found == stored(spark, theirs / rows, schema)
    schema = (
        "eventkey string, raw_ordinal int, dropped_bucket string, dropped_key string, kept_bucket string, "
        "kept_key string, kept_ordinal int, same_content boolean, logcalendarday int"
    )
    assert stored(spark, ours / duplicates, schema) == stored(spark, theirs / duplicates, schema)
    hashes = {day: written.content_hash for day, written in told.items()}
    for folder in (ours, theirs):
        read = written_days(spark, source, str(folder / rows)) if (folder / rows).exists() else {}
        assert {day: written.content_hash for day, written in read.items()} == hashes
    return found


@pytest.mark.parametrize("name", source_names())
def test_both_engines_build_the_same_of_every_sample(spark: SparkSession, store: Store, name: str) -> None:
    samples = generate(name, DAY, 2, 1_000)
    found = assert_both_alike(spark, store, load_source(name), {o.key: o.body for o in samples.objects()})
    truth = samples.ground_truth().distinct_by_day
    assert len(found) == truth["2026-11-01"] + truth["2026-11-02"]


TEXTS = (
    "",
    "-",
    "--",
    "a-",
    "-a",
    "a\0-b\0",
    "é-😀",
    "\ufffd",
    "\ufb01-\u017f",
    "x" * 70_000 + "-y",
    "new\nline-\r\n\u2028-z",
    '"-"',
)


def test_both_engines_make_the_same_of_hostile_events_of_the_trail(spark: SparkSession, store: Store) -> None:
    started = [test_views.started(eventID=f"t{n}", responseElements={"sessionId": t}) for n, t in enumerate(TEXTS)]
    odd: list[Any] = [None, 7, 0, "7", True, False, [], ["odd"], {}, {"other": 1.5}, {"sessionId": None}, "text", 1.5]
    odd += [{"sessionId": value} for value in (7, 10**30, True, False)]
    records = [
        *started,
        *(test_views.started(eventID=f"o{n}", responseElements=value) for n, value in enumerate(odd)),
        *(
            record(eventID=f"m{n}", userIdentity=mfa(v))
            for n, v in enumerate(("TRUE", "False", "tRuE", "\u0130", "\u03c2", 1))
        ),
        *(
            record(eventID=text, eventName=text, eventTime=f"2026-11-01T12:00:00.{n:06}Z")
            for n, text in enumerate(TEXTS)
        ),
        *(record(eventID="twice", awsRegion=region) for region in ("a", "b", "a")),
        record(eventID="before", eventTime="2026-10-31T23:59:59.999999Z"),
        record(eventID="edge", eventTime="2026-11-02T23:59:59.999999Z"),
    ]
    twice = b'{"Records":[%s]}' % json.dumps(test_views.started(eventID="k")).encode().replace(
        b'"k"', b'"k","responseElements":{"sessionId":null,"sessionId":"a-b","sessionId":"c-d"}'
    )
    contents = {"a.json": body(*records), "b.json": body(*records[::-1]), "c.json": twice, "d.json": b"{", "e": b""}
    folder = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/01"
    found = assert_both_alike(
        spark, store, load_source("cloudtrail"), {f"{folder}/{name}": content for name, content in contents.items()}
    )
    assert {row.eventid: row.f_sessionid for row in found}["k"] == "b"


def mfa(value: Any) -> dict[str, Any]:
    return {"type": "IAMUser", "sessionContext": {"attributes": {"mfaAuthenticated": value}}}


def test_both_engines_make_the_same_of_hostile_log_streams(spark: SparkSession, store: Store) -> None:
    streams = (test_cloudwatch.ANN, test_cloudwatch.BOB, f"{test_cloudwatch.ANN}\n", "", "-", "é-0a1b2c3d4e5f60718")
    groups = ("/aws/SSM/x", "SESS\u0130ON", "se\u017f\u017fion", "/aws/lambda/ssm", "\u03a3ession", "plain", "")
    messages = ("", "\n", "a\n\nb\n", "\r\n", '{"sessionData"', "x\0y", '{"sessionId":"s","sessionData":["a","b"]}')
    documents = [
        test_cloudwatch.document(
            *(test_cloudwatch.event(text, id=f"{n:056}") for n, text in enumerate(messages)),
            logStream=stream,
            logGroup=group,
        )
        for stream in streams
        for group in groups
        if "\u03a3" not in group
    ]
    key = test_cloudwatch.KEY
    assert_both_alike(
        spark, store, load_source("cloudwatch"), {key: test_cloudwatch.body(*documents), f"{key}-2": b"{"}
    )


def test_both_engines_make_the_same_of_invocations_by_every_way_of_delivery(spark: SparkSession, store: Store) -> None:
    texts = [deliveries.spelled(deliveries.invocation(f"r{n}", inferenceRegion="eu-north-1")) for n in range(3)]
    odd = [
        deliveries.spelled(deliveries.invocation(f"o{n}", accountId=account, region=region))
        for n, (account, region) in enumerate(((None, None), ("", ""), ("-", "-"), (1, ["x"])))
    ]
    contents = {
        deliveries.BY_S3: "\n".join(texts[1:]).encode(),
        deliveries.BY_FIREHOSE: deliveries.members(
            deliveries.document(*texts[:2], *odd), deliveries.control(), deliveries.document("no invocation", texts[0])
        ),
        f"{deliveries.BY_FIREHOSE}-2": b"{",
    }
    found = assert_both_alike(spark, store, load_source("bedrock"), contents)
    assert len(found) == 7
    assert {(row.logaccountid, row.logregion) for row in found} == {("111122223333", "eu-west-1"), ("-", "-"), ("", "")}


@pytest.mark.parametrize("value", [1.0, -0.0, 1e400, {"a": 1}, ["a"], -7], ids=lambda value: ascii(value))
def test_a_value_that_jackson_would_spell_anew_is_left_to_spark(store: Store, value: Any) -> None:
    source = load_source("cloudtrail")
    content = body(test_views.started(eventID="x", responseElements={"sessionId": value})).replace(
        b"Infinity", b"1e400"
    )
    objects = put(store, source, {f"{test_views.FOLDER}/a.json": content})
    with pytest.raises(NotLightError, match="views of cloudtrail failed"):
        build_light(source, asked(source), objects, store.s3, lambda text, numbers: None)
    assert _keys(store.s3, READREADY) == [], "nothing is stored before all is known"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT upper(a) FROM t",
        "SELECT a RLIKE 'x.y' FROM t",
        "SELECT a RLIKE b FROM t",
        "SELECT substring_index(a, '-', 1) FROM t",
        "SELECT substring_index(a, '--', -1) FROM t",
        "SELECT split(a, '[ab]') FROM t",
        "SELECT get_json_object(a, '$.b.c') FROM t",
        "SELECT get_json_object(a, '$[0]') FROM t",
        "SELECT a FROM t ORDER BY rand()",
        "SELECT DISTINCT a FROM t",
        "SELECT a || b FROM t",
        "SELECT first_value(a) IGNORE NULLS OVER (ORDER BY b) FROM t",
        "SELECT some_function(a) FROM t",
    ],
)
def test_sql_whose_meaning_is_not_known_to_be_the_same_is_refused(statement: str) -> None:
    with pytest.raises(NotLightError):
        in_duckdb("some_view", statement)


def test_functions_give_what_spark_gives_of_any_text(spark: SparkSession) -> None:
    calls = (
        *("substring_index(t, '-', -1)", "lower(t)", "t RLIKE '-(0[0-9a-f]{16}|[a-z0-9]{26})\\\\z'", "t RLIKE 'ssm|x'"),
        *("array_size(split(t, '\\n'))", "startswith(t, '{')", "contains(t, '\"')", "concat_ws(',', t, NULL, t)"),
        *("nullif(concat_ws(',', NULL, t), '')", "t < 'a'", "coalesce(NULL, t)", "get_json_object(j, '$.k')"),
    )
    rng = random.Random(1)
    letters = [*'-\n{"ssm0aXÉ\u0130\u017f\u212a\0', "\u2028", "😀", "ﬁ", "\uffff", "-0a1b2c3d4e5f60718"]
    texts = [*TEXTS, *("".join(rng.choices(letters, k=rng.randint(0, 40))) for _ in range(500))]
    rows = [
        (n, text, json.dumps({"a": 1.5, "k": text} if text.isprintable() else {"a": text}))
        for n, text in enumerate(texts)
    ]
    columns = ", ".join(f"{call} AS c{n}" for n, call in enumerate(calls))
    statement = f"SELECT n, row_number() OVER (ORDER BY t, n) AS place, {columns} FROM t"
    spark.createDataFrame([*rows, (-1, None, None)], "n int, t string, j string").createOrReplaceTempView("t")
    wanted = sorted(tuple(row) for row in spark.sql(statement).collect())
    connection = duckdb.connect()
    names = zip(("n", "t", "j"), zip(*rows, (-1, None, None), strict=True), strict=True)
    connection.register("t", pa.table({name: list(values) for name, values in names}))
    create_views(connection, [("given_as_view", statement)])
    assert sorted(connection.sql("FROM given_as_view").fetchall()) == wanted


def test_the_hash_of_rows_is_sparks(spark: SparkSession, tmp_path: Path) -> None:
    rng = random.Random(1)
    count = 2_000
    sizes = [0, 1, 3, 4, 7, 8, 31, 32, 33, 63, 64, 5_000]

    def text() -> str | None:
        return rng.choice([None, "".join(rng.choices("ab\0é€😀", k=rng.choice(sizes)))])

    kinds = {"a": "string", "b": "boolean", "c": "int", "d": "bigint", "e": "timestamp", "f": "string"}
    columns = {
        "a": pa.array([text() for _ in range(count)]),
        "b": pa.array([rng.choice([None, True, False]) for _ in range(count)]),
        "c": pa.array([rng.choice([None, 0, -1, rng.randint(-(2**31), 2**31 - 1)]) for _ in range(count)], pa.int32()),
        "d": pa.array([rng.choice([None, 0, -1, rng.randint(-(2**63), 2**63 - 1)]) for _ in range(count)], pa.int64()),
        "e": pa.array([rng.choice([None, rng.randint(1, 2 * 10**15)]) for _ in range(count)], pa.timestamp("us")),
        "f": pa.array([text() for _ in range(count)]),
    }
    table = pa.table(columns)
    pa.orc.write_table(table, tmp_path / "rows.orc")
    read = spark.read.schema(", ".join(f"{name} {kind}" for name, kind in kinds.items())).orc(str(tmp_path))
    marks = ", ".join([*kinds, *(f"isnull({name})" for name in kinds)])
    (wanted,) = read.selectExpr(f"sum(CAST(xxhash64({marks}) AS DECIMAL(20, 0)))").first() or ()
    assert sum(hash_sum(batch.slice(3)) + hash_sum(batch.slice(0, 3)) for batch in table.to_batches(700)) == int(wanted)


def test_a_window_beyond_the_bound_is_left_to_spark(store: Store) -> None:
    source = load_source("cloudtrail")
    objects = WindowObjects((), (1 << 30) + 1, frozenset())
    with pytest.raises(NotLightError, match="--light_max_bytes"):
        build_light(source, asked(source), objects, store.s3, lambda text, numbers: None)


def test_a_run_is_never_written_over(store: Store) -> None:
    source = load_source("cloudtrail")
    objects, arguments = put(store, source, {f"{test_views.FOLDER}/a.json": body(record())}), asked(source)
    first, _ = by_light(store, arguments, objects)
    by_light(store, arguments, objects)  # the same bytes: an answer was lost
    objects = put(store, source, {f"{test_views.FOLDER}/a.json": body(record(eventID="other"))})
    with pytest.raises(store.s3.exceptions.ClientError, match="PreconditionFailed"):
        by_light(store, arguments, objects)
    assert len(list(first.rglob("*.orc"))) == 1


def test_the_deployed_job_gives_the_same_manifests_with_either_engine(built: BuiltLake) -> None:
    s3, settings, table = built.lake.client("s3"), built.lake.settings, built.source.readready.name
    assert "Spark" not in run_job(built, "light")
    run_job(built, "spark")
    for day in map(day_number, (FIRST, date(2026, 11, 2), LAST)):
        runs = ("by-light", "by-spark")
        ours, theirs = (read_manifest(Table(table, s3, settings.readready_bucket), day, run) for run in runs)
        assert ours.content_hash == theirs.content_hash
        assert sorted(map(repr, ours.objects)) == sorted(map(repr, theirs.objects))
        assert sorted(map(repr, ours.quarantine)) == sorted(map(repr, theirs.quarantine))
        assert {**ours.totals, **OF_FILES} == {**theirs.totals, **OF_FILES}


OF_FILES = {"orc_bytes": 0, "file_count": 0}


def run_job(built: BuiltLake, engine: str) -> str:
    """Build the lake's days as they lie there now, without a commit; what the run said."""
    glue, job = built.lake.client("glue"), built.lake.settings.readready_job
    days = {"--first_day": str(day_number(FIRST)), "--last_day": str(day_number(LAST))}
    asked = {"--source": "cloudtrail", "--run_id": f"by-{engine}", "--engine": engine, **days}
    run = glue.start_job_run(JobName=job, Arguments=asked)["JobRunId"]
    state = until(lambda: ended(glue, job, run), 180)
    log = (built.lake.home / "runs" / run / "output.log").read_text()
    assert state == "SUCCEEDED", log
    return log


def ended(glue: Any, job: str, run: str) -> str | None:
    state = glue.get_job_run(JobName=job, RunId=run)["JobRun"]["JobRunState"]
    return state if state in {"SUCCEEDED", "FAILED"} else None


def test_the_environment_names_an_engine_that_there_is() -> None:
    assert [engine({}), engine({"LOGLAKE_ENGINE": "light"})] == ["spark", "light"]
    with pytest.raises(SettingsError, match="LOGLAKE_ENGINE is 'fast'; accepted: spark, light"):
        engine({"LOGLAKE_ENGINE": "fast"})


def test_an_engine_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--engine", "fast"], DAY)
    assert "invalid choice: 'fast'" in capsys.readouterr().err
