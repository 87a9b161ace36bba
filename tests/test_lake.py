"""Sample days from raw objects to checked readready days: real Spark, real Dagster, the emulator with our templates."""

import hashlib
import io
import json
from collections import Counter
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.orc as orc
import pytest

from infra.cli.build import build_range
from infra.cli.dagster_runs import dagster_instance, load_definitions, readready_key
from infra.cli.load import await_partitions, put_objects
from infra.cli.quarantine import print_quarantine
from infra.cli.query import ask
from loglake_assets.lake.checks.coverage import Coverage
from loglake_assets.lake.checks.drift import DRIFT, drift
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, commits, head
from loglake_assets.lake.versions.late_ledger import late_objects
from loglake_assets.lake.versions.manifests import read_manifest
from loglake_assets.lake.versions.publish import Publisher, VerificationError
from loglake_assets.orchestration.day_checks import COVERAGE, GRAIN
from loglake_assets.orchestration.source_config import window_tags
from loglake_assets.sources.calendar_days import day_number, days_argument
from loglake_assets.sources.reasons import advice
from resources.settings import loglake, program
from tests.conftest import FIRST, LAST, BuiltLake, quiet, run_asset
from tests.damage import put_back
from tests.reports import stale_days

TABLE = "from_cloudtrail_readready"
DAYS = [FIRST + timedelta(days=n) for n in range(3)]


def newest(built: BuiltLake, day: date) -> Commit:
    found = head(Table(TABLE, built.lake.client("s3"), built.lake.settings.readready_bucket), day_number(day))
    assert found is not None
    return found


def orc_keys(built: BuiltLake, commit: Commit) -> list[str]:
    prefix = commit.location.split("/", 3)[3]
    answer = built.lake.client("s3").list_objects_v2(Bucket=built.lake.settings.readready_bucket, Prefix=prefix)
    return [entry["Key"] for entry in answer.get("Contents", ())]


def stored_rows(built: BuiltLake, commit: Commit) -> list[dict[str, Any]]:
    """The rows of a commit, read by Arrow and not by Spark."""
    rows: list[dict[str, Any]] = []
    for key in orc_keys(built, commit):
        body = built.lake.client("s3").get_object(Bucket=built.lake.settings.readready_bucket, Key=key)["Body"].read()
        rows += orc.ORCFile(io.BytesIO(body)).read().to_pylist()
    return rows


def coverage_by_day(built: BuiltLake, *days: date) -> dict[date, Coverage]:
    recount = built.lake.resource.recount(built.source, 1)
    return dict(zip(sorted(days), recount.days(days), strict=True))


def raw_versions(built: BuiltLake) -> dict[str, str]:
    pages = built.lake.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=built.lake.settings.raw_bucket(built.source.name))
    return {entry["Key"]: entry["ETag"] for page in found for entry in page["Contents"]}


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.fault(37, "events under the next day's prefix", "in their own day, once")
@pytest.mark.fault(32, "copies in other objects", "every event once")
def test_a_day_holds_every_event_once(built: BuiltLake, day: date) -> None:
    metadata = next(r.metadata for r in built.results if r.day == day)
    assert metadata["dagster/row_count"] == built.truth.distinct_by_day[day.isoformat()]
    assert metadata["duplicates"] == built.truth.duplicates_by_day[day.isoformat()]
    keys = Counter(row["f_eventkey"] or row["eventid"] for row in stored_rows(built, newest(built, day)))
    assert max(keys.values()) == 1
    assert len(keys) == built.truth.distinct_by_day[day.isoformat()]


def test_the_glue_run_is_given_what_defs_yaml_sets(built: BuiltLake) -> None:
    runs = built.lake.client("glue").get_job_runs(JobName=built.lake.settings.readready_job)["JobRuns"]
    of_builds = [run["Arguments"] for run in runs if "--max_days" in run["Arguments"]]  # others are of other tests
    given = next(arguments for arguments in of_builds if arguments["--source"] == built.source.name)
    assert {name: given[name] for name in ("--look_ahead", "--max_days", "--compression")} == {
        "--look_ahead": "1",
        "--max_days": "7",
        "--compression": "zstd",
    }


@pytest.mark.fault(22, "sample days with corrupt objects", "each in quarantine by name and reason")
@pytest.mark.fault(31, "records without an event time", "in quarantine with the reason")
def test_what_is_not_loaded_is_quarantined_by_name(built: BuiltLake) -> None:
    s3, bucket = built.lake.client("s3"), built.lake.settings.readready_bucket
    manifests = [read_manifest(Table(TABLE, s3, bucket), day_number(d), newest(built, d).run_id) for d in DAYS]
    entries = [entry for manifest in manifests for entry in manifest.quarantine]
    objects = {entry["key"]: entry["reason"] for entry in entries if entry["ordinal"] is None}
    records = Counter(entry["reason"] for entry in entries if entry["ordinal"] is not None)
    assert objects == built.truth.quarantined_objects
    assert records == built.truth.quarantined_records


def test_each_reason_is_explained_once_under_the_names(built: BuiltLake, capsys: pytest.CaptureFixture[str]) -> None:
    s3, bucket = built.lake.client("s3"), built.lake.settings.readready_bucket
    print_quarantine(built.lake, built.source, DAYS)
    lines = capsys.readouterr().out.splitlines()
    reasons = {*built.truth.quarantined_objects.values(), *built.truth.quarantined_records}
    explained = [line for line in lines if not line.startswith(("quarantined ", "and "))]
    assert [line.partition(": ")[0] for line in explained] == sorted(reasons)
    days: dict[str, list[date]] = {}
    for day in DAYS:
        manifest = read_manifest(Table(TABLE, s3, bucket), day_number(day), newest(built, day).run_id)
        for entry in manifest.quarantine:
            days.setdefault(entry["reason"], []).append(day)
    assert explained == [
        f"{r}: {advice(r, program(), 'cloudtrail', min(found), max(found))}" for r, found in sorted(days.items())
    ]
    damaged = days["corrupt_gzip"]
    assert f"then `{loglake(f'requeue cloudtrail {days_argument(min(damaged), max(damaged))}')}`." in "\n".join(
        explained
    )


@pytest.mark.fault(
    38, "sample days with implausible records", "records read are written, excluded, duplicate or in quarantine"
)
def test_every_record_that_was_read_is_accounted_for(built: BuiltLake) -> None:
    for result in built.results:
        m = result.metadata
        accounted = m["dagster/row_count"] + m["excluded"] + m["duplicates"] + m["quarantined_records"]
        assert accounted == m["records_read"]


@pytest.mark.fault(32, "copies in other objects", "listed with both keys, counted")
def test_duplicates_are_listed_with_both_object_keys(built: BuiltLake) -> None:
    s3, bucket = built.lake.client("s3"), built.lake.settings.readready_bucket
    rows: list[dict[str, Any]] = []
    for day in DAYS:
        prefix = f"duplicates/{TABLE}/run={newest(built, day).run_id}/logcalendarday={day_number(day)}/"
        for entry in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            rows += orc.ORCFile(io.BytesIO(body)).read().to_pylist()
    assert len(rows) == sum(built.truth.duplicates_by_day[d.isoformat()] for d in DAYS)
    assert all(row["dropped_key"] != row["kept_key"] and row["same_content"] for row in rows)


def test_a_row_leads_back_to_its_raw_record(built: BuiltLake) -> None:
    from loglake_assets.s3.gzip_content import inflate
    from loglake_assets.sources.cloudtrail import decode

    row = stored_rows(built, newest(built, LAST))[7]
    body = built.lake.client("s3").get_object(Bucket=row["raw_bucket"], Key=row["raw_key"])
    assert body["ETag"].strip('"') == row["raw_etag"]
    content = body["Body"].read()
    assert hashlib.sha256(content).hexdigest() == row["raw_objectsha256"]
    raw = decode.split(inflate(content, False))[row["raw_ordinal"]]
    assert json.loads(bytes(raw))["eventID"] == row["eventid"]


def test_only_a_row_without_an_event_id_has_a_key_of_its_own(built: BuiltLake) -> None:
    """Its digest; coverage counts it by that, and so is it found."""
    from infra.cli.evidence import event_evidence

    rows = [row for day in DAYS for row in stored_rows(built, newest(built, day))]
    (without,) = [row for row in rows if row["eventid"] is None]
    assert [row for row in rows if row["f_eventkey"] is not None] == [without]
    (found,) = event_evidence(built.lake, without["f_eventkey"], built.source.name, None)
    assert found.agrees, found.statements
    assert found.record is not None
    assert without["f_eventkey"] == f"sha256:{hashlib.sha256(found.record).hexdigest()}"


def test_a_session_is_one_of_session_manager(built: BuiltLake) -> None:
    answer = ask(
        built.lake,
        "SELECT logcalendarday, count(*) AS started, count(f_sessionid) AS ids FROM from_cloudtrail_readready "
        "WHERE eventsource = 'ssm.amazonaws.com' AND eventname = 'StartSession' "
        "AND logcalendarday BETWEEN 20261101 AND 20261103 GROUP BY 1 ORDER BY 1",
    )
    named = built.truth.named_counts_by_day
    for (number, started, ids), day in zip(answer.texts, DAYS, strict=True):
        text = day.isoformat()
        assert number == str(day_number(day))
        assert int(started or 0) == named["ssm_start_session"][text]
        assert int(ids or 0) == named["ssm_start_session"][text] - named["ssm_start_session_denied"][text]


def test_the_columns_of_the_original_posts_are_there(built: BuiltLake) -> None:
    answer = ask(
        built.lake,
        "SELECT t.useridentity_arn, t.eventtime, t.eventsource, t.eventname, t.requestid, t.f_sessionid "
        "FROM from_cloudtrail_readready t WHERE t.logcalendarday > 20240601 AND t.logcalendarday = 20261102",
    )
    assert len(answer.rows) == built.truth.distinct_by_day["2026-11-02"]


def test_raw_answers_through_its_partitions(built: BuiltLake) -> None:
    answer = ask(
        built.lake,
        "SELECT count(*), count(useridentity.arn), count(DISTINCT eventid) FROM from_cloudtrail_raw "
        "WHERE logcalendarday = 20261102",
    )
    records, arns, ids = (int(value or 0) for value in answer.texts[0])
    assert records >= ids > arns > 1_000


def check_history(built: BuiltLake, check: str) -> dict[str, Any]:
    """The newest evaluation of a check by partition, as the instance stores it."""
    key = dg.AssetCheckKey(readready_key(built.source), check)
    with dagster_instance(built.lake) as instance:
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    found: dict[str, Any] = {}
    for record in records:
        evaluation = record.evaluation
        if isinstance(evaluation, dg.AssetCheckEvaluation) and evaluation.partition:  # or it is only planned
            found.setdefault(evaluation.partition, evaluation)
    return found


def test_each_day_of_a_window_has_check_results_of_its_own(built: BuiltLake) -> None:
    unreadable = {r.day.isoformat() for r in built.results if r.metadata["quarantined_objects"]}
    unreadable |= {r.day.isoformat() for r in built.results if r.metadata["quarantined_records"]}
    coverage, grain = check_history(built, COVERAGE), check_history(built, GRAIN)
    for day in (d.isoformat() for d in DAYS):
        assert coverage[day].passed == (day not in unreadable)
        assert coverage[day].severity == dg.AssetCheckSeverity.WARN
        assert coverage[day].target_materialization_data is not None
        assert grain[day].passed
    assert unreadable


@pytest.mark.fault(22, "a day with a corrupt object recounted", "below 100 %, the object named")
def test_the_day_with_an_unreadable_object_is_below_100_and_names_it(built: BuiltLake) -> None:
    for day, coverage in coverage_by_day(built, *DAYS).items():
        names = {key for key in built.truth.quarantined_objects if f"/{day:%Y/%m/%d}/" in key}
        assert {name.split("/", 3)[3] for name in coverage.unreadable} == names
        assert coverage.missing == coverage.surplus == coverage.repeated == 0
        assert coverage.pct is not None
        assert (coverage.pct == 100) == (not coverage.unreadable and not coverage.unplaceable_records)


def test_runs_are_found_by_their_log_their_days_and_their_glue_run(built: BuiltLake) -> None:
    tags = {"loglake/log": built.source.name, "loglake/days": days_argument(FIRST, LAST)}
    with dagster_instance(built.lake) as instance:
        runs = instance.get_runs(dg.RunsFilter(tags=tags))
    assert {run.tags["loglake/glue_run"] for run in runs} >= {built.results[0].metadata["glue_run"]}


@pytest.mark.fault(17, "three built days built again", "same content hash under a new commit, no raw object changed")
def test_building_again_changes_no_row_and_no_raw_object(built: BuiltLake) -> None:
    before, raw = {d: newest(built, d) for d in DAYS}, raw_versions(built)
    build_range(built.lake, built.source, FIRST, LAST, quiet)
    for day in DAYS:
        again = newest(built, day)
        assert again.seq == before[day].seq + 1
        assert again.content_hash == before[day].content_hash
        assert again.location != before[day].location
        assert len(orc_keys(built, before[day])) == before[day].files, "an old run stays for audit and rollback"
        partition = built.lake.client("glue").get_partition(
            DatabaseName=built.lake.settings.database, TableName=TABLE, PartitionValues=[str(day_number(day))]
        )["Partition"]
        assert partition["StorageDescriptor"]["Location"] == again.location
    assert raw_versions(built) == raw


def test_one_event_missing_from_one_orc_file_is_found_by_name(built: BuiltLake) -> None:
    commit = newest(built, LAST)
    s3, bucket, key = (
        built.lake.client("s3"),
        built.lake.settings.readready_bucket,
        orc_keys(built, newest(built, LAST))[0],
    )
    whole = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    table = orc.ORCFile(io.BytesIO(whole)).read()
    short = io.BytesIO()
    orc.write_table(table.slice(1), short)
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=short.getvalue())
        coverage = coverage_by_day(built, LAST)[LAST]
        assert coverage.missing_events == (table.column("eventid")[0].as_py(),)
        assert coverage.missing_by_object == {
            f"s3://{table.column('raw_bucket')[0].as_py()}/{table.column('raw_key')[0].as_py()}": 1
        }
        assert coverage.pct is not None
        assert coverage.pct < 100
        manifest = read_manifest(Table(TABLE, s3, bucket), day_number(LAST), commit.run_id)
        with pytest.raises(VerificationError, match="differ"):
            publisher(built).verify(manifest)
    finally:
        s3.put_object(Bucket=bucket, Key=key, Body=whole)


def publisher(built: BuiltLake) -> Publisher:
    return built.lake.resource.publisher()


def test_a_row_without_its_event_is_found_by_name(built: BuiltLake) -> None:
    """A raw object that is there and as it was read, and a row that names it and stands in it nowhere."""
    s3, bucket = built.lake.client("s3"), built.lake.settings.readready_bucket
    key = orc_keys(built, newest(built, LAST))[0]
    whole = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    table = orc.ORCFile(io.BytesIO(whole)).read()
    forged = table.slice(0, 1).set_column(
        table.schema.get_field_index("eventid"), "eventid", pa.array(["00000000-made-up"])
    )
    longer = io.BytesIO()
    orc.write_table(pa.concat_tables([table, forged]), longer)
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=longer.getvalue())
        coverage = coverage_by_day(built, LAST)[LAST]
        assert coverage.surplus_events == ("00000000-made-up",)
        assert coverage.missing == coverage.repeated == 0
    finally:
        s3.put_object(Bucket=bucket, Key=key, Body=whole)


@pytest.mark.fault(
    30,
    "a key, a version and a type that are new",
    "named by the drift check with count and example; the rows are there",
)
@pytest.mark.parametrize("day", DAYS)
def test_drift_is_what_the_samples_hold_of_it_and_no_more(built: BuiltLake, day: date) -> None:
    """Three oddities are drift: a version to come with a key to come, and a boolean that is a text."""
    found = drift(built.lake.client("s3"), built.source, day_number(day), newest(built, day).location)
    rows = stored_rows(built, newest(built, day))
    odd = {
        ("unknown_version", "1.14"): [r for r in rows if r["eventversion"] == "1.14"],
        ("unseen_key", "futureDetails"): [r for r in rows if "futureDetails" in (r["otherfields"] or "")],
        ("does_not_fit", "readOnly"): [r for r in rows if '"readOnly":"true"' in (r["otherfields"] or "")],
    }
    assert {name: one.count for name, one in found.found.items()} == {n: len(r) for n, r in odd.items() if r}
    for name, one in found.found.items():
        assert one.example in {r["eventid"] for r in odd[name]}
    assert found.row_count == len(rows)
    evaluation = check_history(built, DRIFT)[day.isoformat()]
    assert evaluation.passed == (not found.found)


def test_keys_that_drift_are_shown_in_ascii_and_bounded() -> None:
    from loglake_assets.lake.checks.drift import _DriftCounter

    seen = _DriftCounter()
    seen.add("unseen_key", "\u001b[31m" + "x" * 1000 + "\u202e", "id-1")
    ((_, name),) = seen.found
    assert name.isascii()
    assert name.isprintable()
    assert len(name) < 100


def state_of(built: BuiltLake, day: date) -> str:
    found = built.lake.resource.source_report(built.source, date(2026, 11, 20))
    return next(d.state for d in found.days if d.day == day)


@pytest.mark.fault(20, "an object three days late", "the check red, the day stale, a rebuild whole")
@pytest.mark.fault(
    37, "an object three days after its events", "in the late ledger, and in its own day after a rebuild"
)
def test_a_late_object_makes_its_day_stale_and_a_rebuild_whole(built: BuiltLake) -> None:
    """The object lies three days after the events it holds: no build of their day looks there by itself."""
    late = list(built.samples.late_objects())
    loaded = put_objects(built.lake, built.source, ((o.key, o.body.__bytes__) for o in late), quiet)
    assert not await_partitions(built.lake, built.source, loaded.partitions, quiet, 60)
    before = newest(built, FIRST)
    found_on = FIRST + timedelta(days=3)
    (result,) = build_range(built.lake, built.source, found_on, found_on, quiet)
    assert result.error is None
    assert result.metadata["dagster/row_count"] == 0
    assert newest(built, FIRST) == before, "a build writes its own days only"
    s3, bucket = built.lake.client("s3"), built.lake.settings.readready_bucket
    entries = late_objects(Table(TABLE, s3, bucket), day_number(FIRST))
    assert {e.key for e in entries} == {o.key for o in late}
    assert sum(e.events for e in entries) == sum(built.truth.very_late_by_day.values())
    sql = "SELECT day, prefix_day, days_late, key FROM from_cloudtrail_late WHERE day = 20261101"
    assert ask(built.lake, sql).texts == [["20261101", "20261104", "3", entry.key] for entry in entries]
    assert coverage_by_day(built, FIRST)[FIRST].missing == sum(built.truth.very_late_by_day.values())
    red = check_history(built, COVERAGE)[FIRST.isoformat()]
    assert not red.passed, "the build that found the late events turned their day red"
    assert red.metadata["missing"].value == sum(built.truth.very_late_by_day.values())
    assert stale_days(built.source, built.lake.resource, DAYS) == [FIRST]
    assert state_of(built, FIRST) == "stale"
    (rebuilt,) = build_range(built.lake, built.source, FIRST, FIRST, quiet)
    assert rebuilt.metadata["dagster/row_count"] == before.rows + sum(built.truth.very_late_by_day.values())
    assert coverage_by_day(built, FIRST)[FIRST].missing == 0
    assert state_of(built, FIRST) in {"complete", "incomplete"}


@pytest.mark.fault(21, "another version of one key", "the day is stale, and no longer when the bytes are back")
def test_an_overwritten_object_makes_its_day_stale(built: BuiltLake) -> None:
    day = FIRST + timedelta(days=1)
    row = next(r for r in stored_rows(built, newest(built, day)) if f"{day:%Y/%m/%d}" in r["raw_key"])
    s3 = built.lake.client("s3")
    before = state_of(built, day)
    with put_back(s3, row["raw_bucket"], row["raw_key"]) as body:
        s3.put_object(Bucket=row["raw_bucket"], Key=row["raw_key"], Body=body + b"\0")
        assert state_of(built, day) == "stale"
    assert state_of(built, day) == before


def test_the_audit_asset_rewrites_the_checks_of_its_days(built: BuiltLake) -> None:
    before = check_history(built, COVERAGE)
    assert run_asset(built, dg.AssetKey(["audit", "cloudtrail_coverage"]), FIRST, LAST).success
    after = check_history(built, COVERAGE)
    assert set(after) >= set(before)
    for day in (d.isoformat() for d in DAYS):
        assert after[day].target_materialization_data.storage_id >= before[day].target_materialization_data.storage_id


@pytest.mark.fault(
    35, "a window of which one day has no partition", "that day is built and empty, the others are built"
)
@pytest.mark.fault(70, "a day on which nothing was delivered", "0 rows, coverage n/a, a green run")
def test_a_day_on_which_nothing_was_delivered_is_built_and_empty(built: BuiltLake) -> None:
    definitions = load_definitions()
    job = definitions.resolve_job_def("cloudtrail_readready")
    absent = FIRST - timedelta(days=2)
    with dagster_instance(built.lake) as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False, tags=window_tags([absent, FIRST]))
        days = instance.get_materialized_partitions(readready_key(built.source))
        (record,) = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=readready_key(built.source), asset_partitions=[absent.isoformat()]), limit=1
        ).records
    assert result.success
    assert {FIRST.isoformat(), absent.isoformat()} <= set(days)
    metadata = record.asset_materialization.metadata  # type: ignore[union-attr]  # a record of a materialization
    assert metadata["dagster/row_count"].value == 0
    assert metadata["coverage_pct"].value == "n/a: nothing was delivered"
    checks = {e.check_name: e.passed for e in result.get_asset_check_evaluations() if e.partition == absent.isoformat()}
    assert checks["coverage"]
    assert checks["grain"]


def test_the_commits_of_a_day_are_a_sequence_without_gaps(built: BuiltLake) -> None:
    found = list(
        commits(Table(TABLE, built.lake.client("s3"), built.lake.settings.readready_bucket), day_number(FIRST))
    )
    assert [c.seq for c in found] == list(range(1, len(found) + 1))
