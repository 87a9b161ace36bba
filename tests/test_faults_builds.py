"""Whole builds under fault: Dagster killed at one request of its own, storms, a full disk, days that are large."""

import gzip
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from infra.cli.dagster_home import write_dagster_home
from infra.cli.dagster_runs import readready_key
from infra.cli.home import REPOSITORY
from infra.cli.local_lake import LocalLake
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, commits, head, heads
from loglake_assets.orchestration.reconcile_job import send_unplaced_commits
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_number
from tests.answer_proxy import rewriting_proxy
from tests.conftest import JudgeDays, JudgedDays
from tests.damage import stored_lake
from tests.fault_proxy import FaultProxy, s3_error
from tests.stored_lake import placed_commits
from tests.test_addapart import partition
from tests.test_object_reader import record
from tests.wait import PLACEMENT_SECONDS, until

DAY = date(2020, 9, 1)
EMPTY, LARGE = date(2020, 9, 11), date(2020, 9, 12)
LARGE_BYTES = 50_000_000
ACCOUNT = "333300001111"
HOLD_MS = 300_000
"""Longer than any test: who waits is killed meanwhile."""


@dataclass(frozen=True)
class Days:
    """Days of the shared lake that only these tests put objects under, and a Dagster instance of their own."""

    lake: LocalLake
    source: LogSource
    dagster_home: Path
    through: str
    """The way past microburst; where a build does not need it, it goes to the lake itself."""

    @property
    def table(self) -> str:
        return self.source.readready.name

    def put(self, day: date, *records: dict[str, Any]) -> None:
        """One object more of a day, with its partition."""
        body = gzip.compress(json.dumps({"Records": records}).encode(), compresslevel=1)
        key = f"AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/{day:%Y/%m/%d}/{uuid.uuid4().hex}.json.gz"
        self.lake.client("s3").put_object(Bucket=self.lake.settings.raw_bucket(self.source.name), Key=key, Body=body)
        values = ["AWSLogs", ACCOUNT, "eu-west-1", f"{day:%Y%m%d}"]
        until(lambda: partition(self.lake, self.source.raw.name, values))

    def start(self, first: date, last: date, endpoint_url: str | None = None) -> "subprocess.Popen[str]":
        through = {"AWS_ENDPOINT_URL": endpoint_url} if endpoint_url else {}
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.build_process", self.source.name, str(first), str(last)],
            cwd=REPOSITORY,
            env={**os.environ, "DAGSTER_HOME": str(self.dagster_home), **through},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def build(self, first: date, last: date, endpoint_url: str | None = None) -> str:
        """The output of a build that succeeded."""
        building = self.start(first, last, endpoint_url)
        output, _ = building.communicate(timeout=900)
        assert building.returncode == 0, output
        return output

    def head(self, day: date) -> Commit:
        found = head(Table(self.table, self.lake.client("s3"), self.lake.settings.readready_bucket), day_number(day))
        assert found is not None
        return found

    def placed(self, day: date) -> int:
        glue = self.lake.client("glue")
        return placed_commits(glue, self.lake.settings.database, self.table).get(day_number(day), 0)

    def rows(self, day: date) -> int:
        """What a reader counts, each event once."""
        counts, where = "count(*) AS n, count(DISTINCT eventid) AS ids", f"logcalendarday = {day:%Y%m%d}"
        (found,) = self.lake.resource.athena.ask(f"SELECT {counts} FROM {self.table} WHERE {where}").rows
        assert found["n"] == found["ids"]
        return int(found["n"])

    def state(self, day: date) -> tuple[str, float | None]:
        found = self.lake.resource.source_report(self.source, date(2026, 11, 20))
        return next((d.state, d.coverage_pct) for d in found.days if d.day == day)

    def materializations(self, day: date) -> list[Any]:
        """What Dagster recorded of a day, newest first."""
        with dg.DagsterInstance.from_config(str(self.dagster_home)) as instance:
            wanted = dg.AssetRecordsFilter(asset_key=readready_key(self.source), asset_partitions=[day.isoformat()])
            return list(instance.fetch_materializations(wanted, limit=100).records)


def events(day: date, count: int, **changes: Any) -> list[dict[str, Any]]:
    return [record(eventTime=f"{day}T12:00:00Z", eventID=uuid.uuid4().hex, **changes) for _ in range(count)]


@pytest.fixture(scope="module")
def days(
    lake: LocalLake, source: LogSource, running_proxy: FaultProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Days]:
    home = tmp_path_factory.mktemp("dagster")
    write_dagster_home(home)
    with rewriting_proxy(running_proxy.url, heads=lake.info.endpoint_url) as through:
        yield Days(lake, source, home, through)


@pytest.fixture
def judged_days(days: Days) -> JudgeDays:
    def of_here() -> JudgedDays:
        built = heads(Table(days.table, days.lake.client("s3"), days.lake.settings.readready_bucket))
        committed = tuple(day for day in (DAY, EMPTY, LARGE) if day_number(day) in built)
        return JudgedDays(stored_lake(days.lake, days.source), committed)

    return of_here


@pytest.fixture(scope="module")
def built(days: Days, running_proxy: FaultProxy) -> Days:
    """A day built once, in a storm: two of three requests of many kinds are refused."""
    days.put(DAY, *events(DAY, 20))
    storm = {"sequence": {"fail": 2, "pass": 1}}
    seldom = {"sequence": {"fail": 1, "pass": 3}}  # of a listing, hundreds go at once, and each has six tries
    running_proxy.break_it(
        *(s3_error(name, "SlowDown", **storm) for name in ("GetObject", "PutObject")),
        s3_error("ListObjectsV2", "SlowDown", **seldom),
        *(
            {"service": "glue", "operation": name, "error": {"code": "ThrottlingException"}, **storm}
            for name in ("GetJobRun", "GetJobRuns", "GetPartition", "GetPartitions")
        ),
    )
    days.build(DAY, DAY, days.through)
    return days


@contextmanager
def killed_at(days: Days, proxy: FaultProxy, operation: str, **rule: Any) -> Iterator["subprocess.Popen[str]"]:
    """A build of DAY that is killed with its request of `operation` on the way, after the block looked at it."""
    proxy.break_it({"service": "s3", "operation": operation, "timeout_ms": HOLD_MS, **rule})
    building = days.start(DAY, DAY, days.through)
    until(lambda: proxy.firings(operation) or building.poll() is not None, 120)
    assert building.poll() is None, building.communicate()[0]
    yield building
    building.kill()
    building.communicate()


@pytest.mark.fault(
    39, "a whole build with two of three requests of S3 and Glue refused", "waited out: built, checked, 100 %"
)
def test_a_build_in_a_storm_is_whole(built: Days) -> None:
    assert built.rows(DAY) == 20
    assert built.state(DAY) == ("complete", 100.0)


@pytest.mark.fault(
    14, "kill -9 of Dagster at the PutObject of its commit", "old day whole, no commit; another build all rows"
)
def test_killed_before_its_commit_a_build_is_not_seen_and_another_succeeds(built: Days, proxy: FaultProxy) -> None:
    before, rows = built.head(DAY), built.rows(DAY)
    built.put(DAY, *events(DAY, 5))
    with killed_at(built, proxy, "PutObject", headers={"if-none-match": "*"}):
        listed = built.lake.client("s3").list_objects_v2(
            Bucket=built.lake.settings.readready_bucket, Prefix=f"manifests/{built.table}/{day_number(DAY)}/"
        )
        assert listed["KeyCount"] == before.seq + 1, "the data of the new run is complete"
    assert built.head(DAY) == before
    assert built.rows(DAY) == rows
    built.build(DAY, DAY)
    assert built.rows(DAY) == rows + 5
    assert built.head(DAY).seq == before.seq + 1


@contextmanager
def unplaced(lake: LocalLake) -> Iterator[None]:
    """Nothing is placed in the readready layer while the block runs, and what was to be placed is lost."""
    client, sqs = lake.client("lambda"), lake.client("sqs")
    (mapping,) = client.list_event_source_mappings(FunctionName=f"{lake.settings.name}-addapart-readready-consumer")[
        "EventSourceMappings"
    ]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        sqs.purge_queue(QueueUrl=lake.resource.queue_url("readready"))
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@pytest.mark.fault(
    15, "kill -9 of Dagster while its commit waits to be placed, its message lost", "reconciling places it"
)
def test_killed_before_its_commit_is_placed_it_is_placed_by_reconciling(built: Days) -> None:
    before, rows = built.head(DAY), built.rows(DAY)
    built.put(DAY, *events(DAY, 5))
    with unplaced(built.lake):
        building = built.start(DAY, DAY)
        until(lambda: built.head(DAY).seq > before.seq or building.poll() is not None, 120)
        assert building.poll() is None, building.communicate()[0]
        building.kill()
        building.communicate()
        assert built.placed(DAY) == before.seq
        assert built.rows(DAY) == rows, "readers see the old day"
    assert built.state(DAY)[0] == "unplaced"
    assert send_unplaced_commits(built.lake.resource, built.table) >= 1
    until(lambda: built.placed(DAY) == before.seq + 1, PLACEMENT_SECONDS)
    assert built.rows(DAY) == rows + 5


@pytest.mark.fault(
    16, "kill -9 of Dagster after placement, at its recount", "built again: the same rows, one materialization"
)
def test_killed_before_it_recorded_the_day_another_build_records_it_once(built: Days, proxy: FaultProxy) -> None:
    recorded, before = built.materializations(DAY), built.head(DAY)
    raw = built.lake.settings.raw_bucket(built.source.name)
    with killed_at(built, proxy, "GetObject", resource=raw):
        assert built.placed(DAY) == before.seq + 1
    assert len(built.materializations(DAY)) == len(recorded)
    unrecorded = built.head(DAY)
    built.build(DAY, DAY)
    assert len(built.materializations(DAY)) == len(recorded) + 1
    assert built.head(DAY).content_hash == unrecorded.content_hash
    sequence = commits(
        Table(built.table, built.lake.client("s3"), built.lake.settings.readready_bucket), day_number(DAY)
    )
    assert [c.seq for c in sequence] == list(range(1, unrecorded.seq + 2))


@pytest.mark.fault(34, "a day of one object without records, built", "committed with 0 rows, state empty, coverage n/a")
def test_a_day_without_events_is_committed_and_empty(days: Days) -> None:
    days.put(EMPTY)
    days.build(EMPTY, EMPTY)
    found = days.head(EMPTY)
    assert (found.rows, found.files) == (0, 0)
    assert days.state(EMPTY) == ("empty", None)
    assert days.rows(EMPTY) == 0
    (recorded,) = days.materializations(EMPTY)
    assert recorded.asset_materialization.metadata["coverage_pct"].value == "n/a: no events that day"


@pytest.fixture(scope="module")
def large(days: Days) -> Days:
    """A day with one event of 50 MB beside a small one, built."""
    days.put(LARGE, *events(LARGE, 1, requestParameters={"x": os.urandom(LARGE_BYTES // 2).hex()}), *events(LARGE, 1))
    days.build(LARGE, LARGE)
    return days


@pytest.mark.slow
@pytest.mark.fault(28, "a day with an event of 50 MB, built by a job of 2 GB", "both rows, whole, coverage 100 %")
def test_an_event_of_50_mb_is_a_row_and_its_day_lives(large: Days) -> None:
    assert large.rows(LARGE) == 2
    assert large.state(LARGE) == ("complete", 100.0)
    sql = f"SELECT max(length(requestparameters)) AS longest FROM {large.table} WHERE logcalendarday = {LARGE:%Y%m%d}"
    assert large.lake.resource.athena.ask(sql).rows[0]["longest"] == LARGE_BYTES + len('{"x": ""}')


READ_LARGE = """
import gzip, json, resource, sys
from glue_scripts.whole_objects import FetchedObject, ObjectRef
from glue_scripts.object_reader import ObjectReader
event = {"eventTime": "2020-09-12T12:00:00Z", "requestParameters": {"x": "y" * int(sys.argv[1])}}
body = gzip.compress(json.dumps({"Records": [event, {"eventTime": "2020-09-12T12:00:00Z"}]}).encode(), 1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fetched = FetchedObject(ObjectRef(0, "logs", "AWSLogs/1/x", 20200912), body, "e", None, 1.0)
batches = list(ObjectReader("cloudtrail", "x").batches([fetched]))
rows = [batch.records.num_rows for batch in batches]
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 12 * int(sys.argv[1]))
"""


@pytest.mark.long
@pytest.mark.fault(
    28, "an event of 50 MB through the job's reader", "a row beside its neighbour, memory within 12 times it"
)
def test_an_event_of_50_mb_is_read_in_bounded_memory() -> None:
    command = [sys.executable, "-c", READ_LARGE, str(LARGE_BYTES)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[1, 1] True"


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A disk of so many MB over a folder."""
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(["mount", *options], capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root, and a kernel that lets it")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.fault(
    46, "the disk full while the job writes 50 MB", "the run fails and says so, no commit, the old day whole"
)
def test_a_disk_that_is_full_fails_the_run_before_the_commit(large: Days) -> None:
    before = large.head(LARGE)
    with small_disk(large.lake.home / "runs", megabytes=12):
        building = large.start(LARGE, LARGE)
        output, _ = building.communicate(timeout=900)
    assert building.returncode != 0
    assert "No space left on device" in output, output
    assert "No day of it was committed" in output
    assert large.head(LARGE) == before
    assert large.rows(LARGE) == 2
