"""One build, spread by processes, by Spark, or by Spark SQL: the same rows, duplicates, accounts and content hash."""

import gzip
import io
import json
import random
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.orc as orc
import pytest
from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from glue_scripts import job, spark_sql, tasks
from glue_scripts.arguments import JobArguments, parse_arguments
from glue_scripts.day_accounts import DayAccount
from glue_scripts.day_views import KEYS, CopiesError, check_views, find_copies
from glue_scripts.job import build
from glue_scripts.runners import LocalRunner, payloads_in_order
from glue_scripts.sql_on_arrow import OnlySparkError, connect, create_views, in_duckdb
from glue_scripts.sql_types import check_column, check_types
from glue_scripts.tasks import Plan
from glue_scripts.whole_objects import ObjectRef
from glue_scripts.window import WindowObjects
from infra.cli.local_lake import LocalLake, environment
from infra.cli.main import main
from loglake_assets.lake.storage.keys import duplicates_prefix, run_prefix
from loglake_assets.lake.storage.partitions import registered_values
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.manifests import read_manifest
from loglake_assets.lake.versions.row_hash import hash_sum
from loglake_assets.orchestration.source_config import engine
from loglake_assets.sources import COMPRESSIONS, LogSource, load_source, source_names
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.model import LOCAL, SPARK
from loglake_assets.sources.placement import Placement, place
from loglake_assets.sources.sample_deliveries import generate
from resources.settings import SettingsError
from tests import test_bedrock_deliveries as deliveries
from tests import test_cloudwatch, test_views
from tests.conftest import FIRST, LAST, BuiltLake
from tests.failing_task import WritePartAndFailOnce
from tests.job_runs import run_job
from tests.test_object_reader import body, record
from tests.wait import until
from tests.written_day import raw_key

pytestmark = [
    pytest.mark.stack,
    pytest.mark.filterwarnings("ignore:distutils Version:DeprecationWarning"),  # of PySpark, about itself
]

DAY = date(2026, 11, 1)
RAW, READREADY = "one-build-raw", "one-build-readready"
SQL = "sql"
WAYS = (LOCAL, SPARK, SQL)


@pytest.fixture(scope="module")
def spark(lake: LocalLake) -> Iterator[SparkSession]:
    """A session whose workers reach the lake's S3, as the job's own session reaches it in a run.

    As on Glue, and as `local[2]` alone does not, it repeats a task that failed.
    """
    conf = SparkConf().setAll([*test_views.spark_settings().items(), *job.SPARK_SETTINGS.items()])
    conf.set("spark.master", "local[2,2]")
    context = SparkContext(
        conf=conf, environment=environment(lake)
    )  # a secret in the settings stands in a command line
    session = SparkSession(context)
    yield session
    session.stop()


@dataclass(frozen=True)
class Store:
    """Two buckets of the emulator."""

    s3: Any
    said: list[str]
    """What builds have reported."""

    def keys(self, bucket: str = READREADY, prefix: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def put(self, source: LogSource, contents: dict[str, bytes]) -> WindowObjects:
        """The objects that belong to a partition, stored and listed."""
        refs = []
        for key, content in sorted(contents.items()):
            placement = place(source, RAW, key)
            if isinstance(placement, Placement):
                self.s3.put_object(Bucket=RAW, Key=key, Body=content)
                refs.append(ObjectRef(len(refs), RAW, key, day_number(placement.day), len(content)))
        return WindowObjects(tuple(refs), frozenset({day_number(DAY)}))

    def build(self, arguments: JobArguments, objects: WindowObjects) -> list[DayAccount]:
        return build(arguments, objects, "us-east-1", lambda text, numbers: self.said.append(text))

    def rows(self, prefix: str, bucket: str = READREADY) -> list[dict[str, Any]]:
        """All rows of the ORC files below the prefix, with the day of their directory, in one order."""
        found = []
        for key in self.keys(bucket, prefix):
            body = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            day = key.rsplit("/", 2)[1]
            found += [{**row, "day": day} for row in orc.read_table(pa.BufferReader(body)).to_pylist()]
        return sorted(found, key=lambda row: json.dumps(row, default=str))


@pytest.fixture
def store(lake: LocalLake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name, value in environment(lake).items():
        monkeypatch.setenv(name, value)
    s3 = lake.client("s3")
    made = Store(s3, [])
    for bucket in (RAW, READREADY):
        s3.create_bucket(Bucket=bucket)
    yield made
    for bucket in (RAW, READREADY):
        for key in made.keys(bucket):
            s3.delete_object(Bucket=bucket, Key=key)
        s3.delete_bucket(Bucket=bucket)


def arguments_of(source: LogSource, way: str = LOCAL, last: date = DAY) -> JobArguments:
    engine = LOCAL if way == LOCAL else SPARK
    return JobArguments(source.name, DAY, last, f"{way}-{uuid4().hex[:8]}", "db", READREADY, engine=engine)


def refuse(source: LogSource) -> None:
    raise OnlySparkError("This test asks for Spark SQL.")


@dataclass(frozen=True)
class Built:
    """What one build left."""

    rows: list[dict[str, Any]]
    duplicates: list[dict[str, Any]]
    accounts: list[DayAccount]

    def told(self) -> list[Any]:
        """The accounts without what hangs on the number of files."""
        of_files = {"orc_bytes": 0, "file_count": 0}
        return [
            (replace(a, written=None), a.written and a.written.content_hash, {**a.totals(), **of_files})
            for a in self.accounts
        ]


def built_by(way: str, store: Store, source: LogSource, objects: WindowObjects) -> Built:
    arguments = arguments_of(source, way, date(2026, 11, 2))
    with pytest.MonkeyPatch.context() as patch:
        if way == SQL:
            patch.setattr("glue_scripts.day_views.check_views", refuse)
        accounts = store.build(arguments, objects)
    assert any("Spark SQL" in said for said in store.said) == (way == SQL)
    store.said.clear()
    table, run = source.readready.name, arguments.run_id
    rows = [{**row, "f_run": row["f_run"] == run} for row in store.rows(run_prefix(table, run))]
    return Built(rows, store.rows(duplicates_prefix(table, run)), accounts)


def assert_all_alike(store: Store, source: LogSource, contents: dict[str, bytes]) -> list[dict[str, Any]]:
    """Each way gives the same rows, duplicates, accounts and content hash; returns the rows."""
    objects = store.put(source, contents)
    first, *others = [built_by(way, store, source, objects) for way in WAYS]
    for other in others:
        assert other.rows == first.rows
        assert other.duplicates == first.duplicates
        assert other.told() == first.told()
    assert all(row["f_run"] for row in first.rows)
    return first.rows


@pytest.mark.parametrize("name", source_names())
@pytest.mark.usefixtures("spark")
def test_every_way_builds_the_same_of_every_sample(store: Store, name: str) -> None:
    samples = generate(name, DAY, 2, 1_000)
    found = assert_all_alike(store, load_source(name), {o.key: o.body for o in samples.objects()})
    truth = samples.ground_truth().distinct_by_day
    assert len(found) == truth["2026-11-01"] + truth["2026-11-02"]


@pytest.mark.parametrize("name", source_names())
def test_the_statements_that_are_printed_for_a_spark_shell_give_the_rows_of_a_build_in_either_ansi_mode(
    store: Store, spark: SparkSession, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Of the first of two days. A new session has the decoded records of both, and gets the statements one by one."""
    source, samples = load_source(name), generate(name, DAY, 2, 1_000)
    objects = store.put(source, {o.key: o.body for o in samples.objects()})
    arguments = replace(arguments_of(source), run_id="preview")
    store.build(arguments, objects)
    assert not any("Spark SQL" in said for said in store.said), "what is compared with was made on Arrow"
    wanted = store.rows(run_prefix(source.readready.name, "preview"))
    assert len(wanted) == samples.ground_truth().distinct_by_day[str(DAY)]
    assert main(["views", name, str(DAY)]) == 0
    statements = statements_of(capsys.readouterr().out)
    plan, shell = job._plan(arguments, objects, "us-east-1"), spark.newSession()
    spark_sql.create_views(shell, plan, [(0, list(objects.refs))], lambda text, numbers: None)
    for view in shell.catalog.listTables():
        assert view.name == "decoded_as_view" or shell.catalog.dropTempView(view.name)
    for ansi in ("true", "false"):
        shell.conf.set("spark.sql.ansi.enabled", ansi)
        for statement in statements:
            shell.sql(statement)
        written = replace(plan, run_id=f"ansi-{ansi}")
        spark_sql._collect(shell.table("readready_as_view"), spark_sql.WriteRows(written))
        assert store.rows(written.prefix) == wanted, f"spark.sql.ansi.enabled={ansi}"


def statements_of(printed: str) -> list[str]:
    """What `loglake views` prints, as a Spark shell takes it: a statement ends with the line that ends with `;`."""
    *statements, rest = re.split(r"; *$", printed, flags=re.M)
    assert not rest.strip(), "the last statement has its end too"
    return statements


HASHES = {
    ("cloudtrail", 20261101): "xxh64sum:ffffffffffffffffd590aae2439c54f5:104",
    ("cloudtrail", 20261102): "xxh64sum:ffffffffffffffff0f55a81e4d467d4a:87",
    ("cloudwatch", 20261101): "xxh64sum:fffffffffffffffbc24ad6935a61971d:186",
    ("cloudwatch", 20261102): "xxh64sum:fffffffffffffffc72dc79800ced2655:149",
    ("bedrock", 20261101): "xxh64sum:0000000000000001b5ed19679816bf4d:49",
    ("bedrock", 20261102): "xxh64sum:0000000000000000f966fbbb036fe3f4:65",
}
"""What the job before docs/decisions/0020-one-build.md gave of the objects in the zip: Spark SQL, Java's writer, and
`xxhash64` by Spark. The bucket's name is in the rows; a new column changes all of them."""


@pytest.mark.parametrize("name", source_names())
def test_rows_hash_as_those_of_the_job_that_was_spark_sql(store: Store, name: str) -> None:
    with zipfile.ZipFile(Path(__file__).with_name("objects_of_the_job_before_0020.zip")) as kept:
        own = [path for path in kept.namelist() if path.startswith(f"{name}/")]
        objects = store.put(load_source(name), {path.removeprefix(f"{name}/"): kept.read(path) for path in own})
    accounts = store.build(arguments_of(load_source(name), LOCAL, date(2026, 11, 2)), objects)
    found = {(name, account.day): account.written and account.written.content_hash for account in accounts}
    assert found == {key: text for key, text in HASHES.items() if key[0] == name}


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


@pytest.mark.usefixtures("spark")
def test_every_way_makes_the_same_of_hostile_events_of_the_trail(store: Store) -> None:
    started = [
        test_views.session_start(eventID=f"t{n}", responseElements={"sessionId": t}) for n, t in enumerate(TEXTS)
    ]
    odd: list[Any] = [None, 7, 0, "7", True, False, [], ["odd"], {}, {"other": 1.5}, {"sessionId": None}, "text", 1.5]
    odd += [{"sessionId": value} for value in (7, 10**30, True, False)]
    records = [
        *started,
        *(test_views.session_start(eventID=f"o{n}", responseElements=value) for n, value in enumerate(odd)),
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
    twice = b'{"Records":[%s]}' % json.dumps(test_views.session_start(eventID="k")).encode().replace(
        b'"k"', b'"k","responseElements":{"sessionId":null,"sessionId":"a-b","sessionId":"c-d"}'
    )
    contents = {"a.json": body(*records), "b.json": body(*records[::-1]), "c.json": twice, "d.json": b"{", "e": b""}
    folder = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/01"
    found = assert_all_alike(
        store, load_source("cloudtrail"), {f"{folder}/{name}": content for name, content in contents.items()}
    )
    assert {row["eventid"]: row["f_sessionid"] for row in found}["k"] == "b"


def mfa(value: Any) -> dict[str, Any]:
    return {"type": "IAMUser", "sessionContext": {"attributes": {"mfaAuthenticated": value}}}


@pytest.mark.usefixtures("spark")
def test_every_way_makes_the_same_of_hostile_log_streams(store: Store) -> None:
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
    assert_all_alike(store, load_source("cloudwatch"), {key: test_cloudwatch.body(*documents), f"{key}-2": b"{"})


@pytest.mark.usefixtures("spark")
def test_every_way_makes_the_same_of_invocations_by_every_way_of_delivery(store: Store) -> None:
    texts = [deliveries.compact_json(deliveries.invocation(f"r{n}", inferenceRegion="eu-north-1")) for n in range(3)]
    odd = [
        deliveries.compact_json(deliveries.invocation(f"o{n}", accountId=account, region=region))
        for n, (account, region) in enumerate(((None, None), ("", ""), ("-", "-"), (1, ["x"])))
    ]
    contents = {
        deliveries.BY_S3: "\n".join(texts[1:]).encode(),
        deliveries.BY_FIREHOSE: deliveries.members(
            deliveries.document(*texts[:2], *odd), deliveries.control(), deliveries.document("no invocation", texts[0])
        ),
        f"{deliveries.BY_FIREHOSE}-2": b"{",
    }
    found = assert_all_alike(store, load_source("bedrock"), contents)
    assert len(found) == 7
    assert {(row["logaccountid"], row["logregion"]) for row in found} == {
        ("111122223333", "eu-west-1"),
        ("-", "-"),
        ("", ""),
    }


@pytest.mark.parametrize("value", [1.0, {"a": 1}], ids=lambda value: ascii(value))
@pytest.mark.usefixtures("spark")
def test_a_value_that_jackson_would_spell_anew_is_left_to_spark_sql(store: Store, value: Any) -> None:
    source = load_source("cloudtrail")
    odd = body(test_views.session_start(eventID="x", responseElements={"sessionId": value}))
    objects = store.put(source, {f"{test_views.FOLDER}/a.json": odd, f"{test_views.FOLDER}/b.json": body(record())})
    (account,) = store.build(arguments_of(source), objects)
    assert "A view failed on Arrow (InvalidInputException). Spark SQL builds the window." in store.said
    assert account.totals()["written"] == 2
    assert account.written
    assert store.keys() == [file.key for file in account.written.files], "of the first try nothing was stored"


@pytest.mark.parametrize("value", [-0.0, 1e400, ["a"], -7], ids=lambda value: ascii(value))
def test_such_a_value_is_refused_before_anything_is_stored(store: Store, value: Any) -> None:
    source = load_source("cloudtrail")
    odd = body(test_views.session_start(eventID="x", responseElements={"sessionId": value})).replace(
        b"Infinity", b"1e400"
    )
    objects = store.put(source, {f"{test_views.FOLDER}/a.json": odd})
    plan = job._plan(arguments_of(source), objects, "us-east-1")
    given = list(tasks.ReadSlice(plan)(0, objects.refs))
    assert {partition for partition, _ in given} == {tasks.ACCOUNTS}
    (account,) = tasks.read_accounts(tasks.ACCOUNTS, [payload for _, payload in given])
    assert account == tasks.SliceAccount(refusal="A view failed on Arrow (InvalidInputException).")


OWN_VIEW = """
SELECT r.*, count(*) OVER (PARTITION BY r.useridentity_accesskeyid) > 1 AS f_sessionid_known,
  upper(r.eventname) AS f_sessionid
FROM records_as_view r
"""


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("way", [LOCAL, SPARK])
def test_a_view_of_ones_own_that_only_spark_knows_is_built_by_spark(
    store: Store, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = load_source("cloudtrail")
    views = (("identified_as_view", OWN_VIEW),)
    for module in ("glue_scripts.day_views", "loglake_assets.sources.views"):
        monkeypatch.setattr(f"{module}.own_statements", lambda _: views)
    events = [record(eventID=f"e{n}", eventName="DescribeKey") for n in range(3)]
    contents = {"a.json": body(*events), "b.json": body(events[0], record(eventID="x", eventName="ssm"))}
    objects = store.put(source, {f"{test_views.FOLDER}/{name}": content for name, content in contents.items()})
    arguments = arguments_of(source, way)
    (account,) = store.build(arguments, objects)
    why = "View identified_as_view calls upper, which is not known on Arrow."
    assert f"{why} Spark SQL builds the window." in store.said
    rows = store.rows(run_prefix(source.readready.name, arguments.run_id))
    assert {(row["eventid"], row["f_sessionid"]) for row in rows} == {
        ("e0", "DESCRIBEKEY"),
        ("e1", "DESCRIBEKEY"),
        ("e2", "DESCRIBEKEY"),
        ("x", "SSM"),
    }
    assert (account.totals()["written"], account.totals()["duplicates"]) == (4, 1)
    (copy,) = store.rows(duplicates_prefix(source.readready.name, arguments.run_id))
    assert copy["same_content"]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT r.*, lower(r.eventname) AS EventName FROM records_as_view r",
        "SELECT r.*, row_number() OVER (ORDER BY r.eventid) AS f_sessionid FROM records_as_view r",
    ],
)
def test_a_view_whose_rows_are_not_those_of_single_records_is_for_spark_sql(
    statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glue_scripts.day_views.own_statements", lambda _: (("identified_as_view", statement),))
    with pytest.raises(OnlySparkError, match="View identified_as_view"):
        check_views(load_source("cloudtrail"))


@pytest.mark.parametrize("name", source_names())
def test_the_views_of_every_log_work_on_arrow(name: str) -> None:
    check_views(load_source(name))


@pytest.fixture
def many_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many slices, many parts of a day and several searches for copies, of few objects."""
    for module, name, size in (
        ("glue_scripts.tasks", "_GZIP_A_PART", 3_000),
        ("glue_scripts.tasks", "_GZIP_A_COPIES_TASK", 4_000),
        ("glue_scripts.runners", "LocalRunner.BYTES_A_SLICE", 2_000),
    ):
        target, _, attribute = f"{module}.{name}".rpartition(".")
        monkeypatch.setattr(f"{target}.{attribute}", size)


def contents_with_copies() -> dict[str, bytes]:
    """600 events of two days in 30 objects, each event in about three of them."""
    times = ("2026-11-01T10:00:00Z", "2026-11-02T23:00:00Z")
    events = [record(eventID=f"e{n:04}", eventTime=times[n % 2], awsRegion=f"r{n % 7}") for n in range(600)]
    rng = random.Random(5)
    return {
        f"{test_views.FOLDER}/{n:02}.json.gz": gzip.compress(body(*rng.sample(events, 60)), mtime=0) for n in range(30)
    }


@pytest.mark.usefixtures("spark", "many_tasks")
def test_copies_of_one_event_are_found_wherever_they_were_read(store: Store) -> None:
    found = assert_all_alike(store, load_source("cloudtrail"), contents_with_copies())
    assert len(found) == len({row["eventid"] for row in found})
    assert len({row["raw_key"] for row in found}) > 10


@pytest.mark.parametrize("way", [LOCAL, SPARK])
@pytest.mark.usefixtures("spark", "many_tasks")
def test_a_run_that_is_repeated_writes_the_same_files(way: str, store: Store) -> None:
    """However its tasks were scheduled: other bytes under the same names would be refused."""
    objects = store.put(load_source("cloudtrail"), contents_with_copies())
    arguments = arguments_of(load_source("cloudtrail"), way, date(2026, 11, 2))
    first, keys = store.build(arguments, objects), store.keys()
    assert len(keys) > 10
    assert store.build(arguments, objects) == first
    assert store.keys() == keys


@pytest.mark.usefixtures("many_tasks")
def test_records_of_a_slice_that_become_rows_in_portions_are_the_same_rows(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, days = load_source("cloudtrail"), (DAY, date(2026, 11, 2))
    refs = store.put(source, contents_with_copies()).refs
    plan = Plan.of(
        refs, source_name=source.name, days=days, run_id="r", region="us-east-1", bucket="b", compression="zstd"
    )

    def rows_by_day() -> dict[int, list[bytes]]:
        found: dict[int, list[bytes]] = {}
        for partition, payload in tasks.ReadSlice(plan)(0, refs):
            if partition in plan.day_partitions:
                found.setdefault(plan.part_of(partition)[0], []).append(payload)
        return found

    whole = rows_by_day()
    monkeypatch.setattr("glue_scripts.object_reader._BATCH_ROWS", 600)
    monkeypatch.setattr("glue_scripts.tasks._BYTES_HELD", 50_000)
    for day, payloads in rows_by_day().items():
        rows, wanted = (pa.concat_tables(map(tasks.table_of, made)) for made in (payloads, whole[day]))
        assert len(payloads) > len(whole[day])
        assert rows.sort_by(tasks.ROW_ID) == wanted.sort_by(tasks.ROW_ID)


@pytest.mark.usefixtures("many_tasks")
def test_a_task_that_spark_repeats_after_it_wrote_changes_nothing(
    spark: SparkSession, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = store.put(load_source("cloudtrail"), contents_with_copies())
    wanted = built_by(LOCAL, store, load_source("cloudtrail"), objects)

    monkeypatch.setattr("glue_scripts.tasks.WritePart", partial(WritePartAndFailOnce, tmp_path))
    found = built_by(SPARK, store, load_source("cloudtrail"), objects)
    assert len([*tmp_path.iterdir()]) > 5
    assert (found.rows, found.duplicates, found.told()) == (wanted.rows, wanted.duplicates, wanted.told())


def test_a_day_has_parts_by_the_bytes_that_were_delivered_under_it() -> None:
    days = (DAY, date(2026, 11, 2), date(2026, 11, 3))
    sizes = {20261101: 50 << 20, 20261102: 1, 20261104: 200 << 20}
    refs = [ObjectRef(n, RAW, f"k{n}", day, size) for n, (day, size) in enumerate(sizes.items())]
    plan = Plan.of(refs, source_name="cloudtrail", days=days, run_id="r", region="", bucket="", compression="zstd")
    assert (plan.parts, plan.copies) == ((4, 1, 16), 7)
    found = {
        (day_number(day), n % parts): plan.partition_of(day_number(day), n)
        for day, parts in zip(days, plan.parts, strict=True)
        for n in range(32)
    }
    assert sorted(found.values()) == [*plan.day_partitions]
    assert {plan.part_of(partition): partition for partition in plan.day_partitions} == found
    assert plan.partitions == 1 + len(plan.copy_partitions) + len(plan.day_partitions)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT upper(a) FROM t",
        "SELECT a RLIKE 'x.y' FROM t",
        "SELECT a RLIKE b FROM t",
        "SELECT substring_index(a, '-', 1) FROM t",
        "SELECT substring_index(a, '--', -1) FROM t",
        "SELECT split(a, '[ab]') FROM t",
        "SELECT split(a, '.') FROM t",
        "SELECT split(a, '|') FROM t",
        "SELECT split(a, ',', 2) FROM t",
        "SELECT size(split(a, ',')) FROM t",
        "SELECT strlen(a) FROM t",
        "SELECT regexp_matches(a, 'x.y') FROM t",
        "SELECT starts_with(a, 'x') FROM t",
        "SELECT json_extract_scalar(a, '$.b') FROM t",
        "SELECT get_json_object(a, '$.b.c') FROM t",
        "SELECT get_json_object(a, '$[0]') FROM t",
        "SELECT get_json_object(a, 'k') FROM t",
        "SELECT get_json_object(a, '$k') FROM t",
        "SELECT get_json_object(a, ' $.k') FROM t",
        "SELECT get_json_object(a, '$.*') FROM t",
        "SELECT get_json_object(a, '$..k') FROM t",
        "SELECT get_json_object(a, '$[?(@.k)]') FROM t",
        """SELECT get_json_object(a, '$["k"]') FROM t""",
        """SELECT get_json_object(a, '$."k"') FROM t""",
        "SELECT get_json_object(a, b) FROM t",
        "SELECT s.* FROM t AS s(b, a)",
        "SELECT r.* FROM t r JOIN mybounds_as_view b ON r.day BETWEEN b.floor_as_int AND b.ceiling_as_int",
        "SELECT a FROM t ORDER BY rand()",
        "SELECT DISTINCT a FROM t",
        "SELECT a || b FROM t",
        "SELECT first_value(a) IGNORE NULLS OVER (ORDER BY b) FROM t",
        "SELECT some_function(a) FROM t",
        "SELECT * EXCEPT (a) FROM t",
        "SELECT t.*, u.b FROM t JOIN u ON t.a = u.a",
        "SELECT t.* FROM t CROSS JOIN u",
        "SELECT a FROM t WHERE a IN (SELECT b FROM u)",
        "SELECT a, (SELECT max(b) FROM u) AS most FROM t",
        "SELECT a FROM t WHERE a = (SELECT b FROM u LIMIT 1)",
        "SELECT upper('lower') FROM t",
        "SELECT a FROM",
        "SELECT 'a FROM t",
    ],
)
def test_sql_whose_meaning_is_not_known_to_be_the_same_is_refused(statement: str) -> None:
    with pytest.raises(OnlySparkError):
        in_duckdb("some_view", statement)


@pytest.mark.parametrize(
    "computed",
    [
        "number > '1.5'",
        "number < 1.5",
        "coalesce(number, 1.5)",
        "text = 7",
        "text IN ('a', 7)",
        "moment > '2026-11-01'",
        "number BETWEEN '1' AND '3'",
        "NOT number",
        "number AND true",
        "if(number, 1, 2)",
        "CASE WHEN text = 'a' THEN 1 ELSE text END",
        "CASE text WHEN 1 THEN true END",
        "nullif(text, 7)",
        "text IS TRUE",
        "lower(number)",
        "startswith(number, '1')",
        "concat_ws(',', text, number)",
        "number RLIKE '1'",
        "startswith(text, number)",
        "fact = text IN ('x')",
        "fact = text RLIKE 'x'",
        "CASE if(fact, '1.5', '2') WHEN number THEN true END",
        "number = CASE text WHEN 'x' THEN NULL ELSE if(fact, '1.5', '2.4') END",
        "CASE if(number, 'x', 'y') WHEN 'x' THEN 1 END",
        "if(fact, 1)",
        "coalesce(split(text, ','), text)",
    ],
)
def test_types_that_are_mixed_are_left_to_spark(computed: str) -> None:
    kinds = {"text": "text", "number": "a number", "moment": "timestamp", "fact": "a condition"}
    with pytest.raises(OnlySparkError, match=r"View v takes .* for "):
        check_types("v", f"SELECT {computed} AS c FROM t", kinds)
    with pytest.raises(OnlySparkError, match=r"View v takes .* for "):
        check_types("v", f"SELECT s.* FROM (SELECT t.*, {computed} AS c FROM t) s", kinds)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT t.typo AS c FROM t",
        "SELECT user AS c FROM t",
        "SELECT current_catalog AS c FROM t",
        "SELECT s.x AS y FROM (SELECT u.x > '1.5' AS x FROM (SELECT number AS x FROM t) u) s",
        "SELECT s.* FROM (SELECT fact AS text FROM t) s",
    ],
)
def test_names_that_mean_several_things_or_nothing_are_left_to_spark(statement: str) -> None:
    with pytest.raises(OnlySparkError, match=r"View v (reads a column|has) "):
        check_types("v", statement, {"text": "text", "number": "a number", "fact": "a condition"})


@pytest.mark.parametrize(
    ("computed", "kind"),
    [
        ("number > -1 AND NOT fact", "a condition"),
        ("coalesce(nullif(text, '-'), lower(text), '-')", "text"),
        ("CASE lower(text) WHEN 'true' THEN true WHEN 'false' THEN false END", "a condition"),
        ("CASE WHEN fact THEN array_size(split(text, ',')) ELSE NULL END", "a number"),
        ("moment", "timestamp"),
        ("text IS NULL OR fact IS TRUE", "a condition"),
    ],
)
def test_types_that_are_alike_stay_on_arrow(computed: str, kind: str) -> None:
    kinds = {"text": "text", "number": "a number", "moment": "timestamp", "fact": "a condition"}
    assert check_types("v", f"SELECT {computed} AS c FROM t", kinds) == {"c": kind}
    assert check_types("v", f"SELECT s.*, c AS d FROM (SELECT {computed} AS c FROM t) s", kinds)["d"] == kind


def test_a_column_of_another_type_than_it_is_declared_as_is_left_to_spark() -> None:
    source = load_source("cloudtrail")
    odd = replace(source.readready.all_columns[0], sql="array_size(split(eventname, 'x'))")
    with pytest.raises(OnlySparkError, match=r"is a number, and declared as string\."):
        check_column("v", f"SELECT {odd.sql} AS {odd.name} FROM t", {"eventname": "text"}, odd)


def test_a_view_that_gives_a_column_another_type_than_the_table_has_is_left_to_spark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    views = (("identified_as_view", "SELECT r.*, r.eventtime AS f_sessionid FROM records_as_view r"),)
    monkeypatch.setattr("glue_scripts.day_views.own_statements", lambda _: views)
    with pytest.raises(OnlySparkError, match=r"Column f_sessionid is timestamp, and declared as string\."):
        check_views(load_source("cloudtrail"))


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
    connection = connect(256)
    names = zip(("n", "t", "j"), zip(*rows, (-1, None, None), strict=True), strict=True)
    connection.register("t", pa.table({name: list(values) for name, values in names}))
    create_views(connection, [("given_as_view", statement)], windows=True)
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


@pytest.mark.usefixtures("spark")
def test_a_window_beyond_the_bound_is_left_to_spark(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glue_scripts.job.local_runner", None)
    source = load_source("cloudtrail")
    objects = store.put(source, {f"{test_views.FOLDER}/a.json": body(record())})
    arguments = replace(arguments_of(source), local_max_bytes=objects.total_bytes - 1)
    (account,) = store.build(arguments, objects)
    assert account.totals()["written"] == 1


def test_a_repeated_task_of_spark_gets_its_payloads_in_the_order_of_slices() -> None:
    given = [(0, 0, b"a"), (0, 1, b"b"), (2, 0, b"c"), (10, 0, b"d"), (10, 1, b"e")]
    for order in ([4, 0, 3, 1, 2], [2, 3, 4, 1, 0]):
        assert [*payloads_in_order(given[n] for n in order)] == [payload for *_, payload in given]


def test_a_run_is_never_written_over(store: Store) -> None:
    source = load_source("cloudtrail")
    objects, arguments = store.put(source, {f"{test_views.FOLDER}/a.json": body(record())}), arguments_of(source)
    first = store.build(arguments, objects)
    assert store.build(arguments, objects) == first, "the same bytes: an answer was lost, or a task was repeated"
    objects = store.put(source, {f"{test_views.FOLDER}/a.json": body(record(eventID="other"))})
    with pytest.raises(store.s3.exceptions.ClientError, match="PreconditionFailed"):
        store.build(arguments, objects)
    assert len(store.keys()) == 1


def test_either_compression_gives_the_same_rows_and_the_same_hash(store: Store) -> None:
    source, days = load_source("cloudtrail"), []
    objects = store.put(source, {f"{test_views.FOLDER}/{n}": content for n, content in test_views.CONTENTS.items()})
    for name in COMPRESSIONS:
        arguments = replace(arguments_of(source), compression=name)
        (account,) = store.build(arguments, objects)
        days.append(account.written)
        bodies = [
            store.s3.get_object(Bucket=READREADY, Key=key)["Body"].read()
            for key in store.keys(prefix="")
            if f"run={arguments.run_id}/" in key
        ]
        assert len(bodies) == 2, "rows and duplicates"
        assert {orc.ORCFile(pa.BufferReader(one)).compression for one in bodies} == {name.upper()}
    assert {(day.rows, day.content_hash) for day in days} == {(8, days[0].content_hash)}


def test_the_deployed_job_gives_the_same_manifests_by_either(built: BuiltLake) -> None:
    s3, settings, table = built.lake.client("s3"), built.lake.settings, built.source.readready.name
    for way in (LOCAL, SPARK):
        assert "Spark SQL" not in run_job(built.lake, way, FIRST, LAST)
    for day in map(day_number, (FIRST, date(2026, 11, 2), LAST)):
        runs = (f"by-{LOCAL}", f"by-{SPARK}")
        ours, theirs = (read_manifest(Table(table, s3, settings.readready_bucket), day, run) for run in runs)
        assert ours.content_hash == theirs.content_hash
        assert ours.objects == theirs.objects
        assert ours.quarantine == theirs.quarantine
        assert {**ours.totals, **OF_FILES} == {**theirs.totals, **OF_FILES}


OF_FILES = {"orc_bytes": 0, "file_count": 0}
OVER_MANY_RECORDS = """
SELECT r.*, max(r.eventname) OVER (PARTITION BY r.eventsource) AS f_sessionid
FROM (SELECT * FROM records_as_view, mybounds_as_view WHERE logcalendarday BETWEEN floor_as_int AND ceiling_as_int) r
"""


def test_the_deployed_job_builds_a_view_over_many_records_by_spark_sql(built: BuiltLake) -> None:
    s3, glue, settings = built.lake.client("s3"), built.lake.client("glue"), built.lake.settings
    job = glue.get_job(JobName=settings.readready_job)["Job"]
    arguments = job["DefaultArguments"] | job["NonOverridableArguments"]
    key = arguments["--extra-py-files"].split("/", 3)[3]
    shipped = io.BytesIO(s3.get_object(Bucket=settings.artifacts_bucket, Key=key)["Body"].read())
    changed = io.BytesIO()
    with zipfile.ZipFile(shipped) as before, zipfile.ZipFile(changed, "w") as after:
        for name in before.namelist():
            own = name == "loglake_assets/sources/cloudtrail/10_identified_as_view.sql"
            after.writestr(name, OVER_MANY_RECORDS if own else before.read(name))
    s3.put_object(Bucket=settings.artifacts_bucket, Key="test/own_view.zip", Body=changed.getvalue())
    arguments["--extra-py-files"] = f"s3://{settings.artifacts_bucket}/test/own_view.zip"
    glue.create_job(Name="own-view", Role=job["Role"], Command=job["Command"], DefaultArguments=arguments)
    try:
        said = run_job(built.lake, SPARK, FIRST, FIRST, "own-view")
    finally:
        glue.delete_job(JobName="own-view")
        s3.delete_object(Bucket=settings.artifacts_bucket, Key="test/own_view.zip")
    why = "View identified_as_view calls max, which is not known on Arrow."
    assert f"{why} Spark SQL builds the window." in said
    table = built.source.readready.name
    rows = Store(s3, []).rows(run_prefix(table, f"by-{SPARK}-own"), settings.readready_bucket)
    names: dict[str, list[str]] = {}
    for row in rows:
        names.setdefault(row["eventsource"], []).append(row["eventname"])
    assert {(row["eventsource"], row["f_sessionid"]) for row in rows} == {(s, max(n)) for s, n in names.items()}
    assert len(names) > 3
    manifest = read_manifest(Table(table, s3, settings.readready_bucket), day_number(FIRST), f"by-{SPARK}-own")
    assert len(rows) == manifest.totals["written"]


def test_the_deployed_job_reads_two_slices_in_processes_of_their_own(lake: LocalLake) -> None:
    s3, settings, day = lake.client("s3"), lake.settings, date(2014, 4, 5)
    bucket, objects = settings.raw_bucket("cloudtrail"), [raw_key(name, day) for name in ("one", "two")]
    blob = {"text": "x" * (LocalRunner.BYTES_A_SLICE // 200)}  # two such objects are two slices, 33 MB
    for key in objects:
        records = [
            record(eventID=f"{key}-{n}", eventTime=f"{day}T12:00:00Z", requestParameters=blob) for n in range(200)
        ]
        s3.put_object(Bucket=bucket, Key=key, Body=body(*records))
    until(lambda: registered_values(lake.catalog, load_source("cloudtrail"), [day]))
    try:
        assert "2 objects, 33," in run_job(lake, LOCAL, day, day)
    finally:
        for key in objects:
            s3.delete_object(Bucket=bucket, Key=key)
    table = Table("from_cloudtrail_readready", s3, settings.readready_bucket)
    assert read_manifest(table, day_number(day), f"by-{LOCAL}").totals["written"] == 400


def test_the_environment_names_an_engine_that_there_is() -> None:
    assert [engine({}), engine({"LOGLAKE_ENGINE": "local"})] == ["spark", "local"]
    with pytest.raises(SettingsError, match="LOGLAKE_ENGINE is 'fast'; accepted: spark, local"):
        engine({"LOGLAKE_ENGINE": "fast"})


def test_an_engine_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--engine", "fast"], DAY)
    assert "invalid choice: 'fast'" in capsys.readouterr().err


def keys_of_one_event(count: int) -> pa.Table:
    """Keys of copies of one event, each from an object of its own."""
    number = pa.array(range(count), pa.int32())
    text = pa.array([f"AWSLogs/canary-{n:060d}" for n in range(count)])
    same = {"logcalendarday": 20261101, "eventkey": "canary", "raw_bucket": "logs", "raw_lastmodified": 1}
    columns = {name: pa.array([value]).take(pa.array([0] * count)) for name, value in same.items()}
    columns |= {"object_number": number, "raw_ordinal": number, "raw_key": text, "record_sha256": text}
    return pa.table(columns).select(KEYS.names).cast(KEYS)


def test_copies_beyond_the_memory_for_them_spill_to_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    keys = keys_of_one_event(400_000)
    assert len(find_copies(keys)) == len(keys) - 1
    assert not list(tmp_path.iterdir()), "what was spilled is gone"


def test_copies_that_cannot_be_found_end_the_build_without_a_word_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(CopiesError) as raised:
        find_copies(keys_of_one_event(1_000_000))
    assert "The copies among 1,000,000 records could not be found" in str(raised.value)
    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is None
