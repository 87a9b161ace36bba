"""Nothing is called complete that was not compared: what is missing, altered or outdated is seen, by name."""

import gc
import gzip
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from infra.cli.build import build_range
from infra.cli.evidence import event_evidence
from infra.cli.load import await_partitions, put_objects
from infra.cli.local_lake import LocalLake
from infra.cli.status import print_status
from lambdas.addapart.consumer import CommitEditedError, Consumer
from loglake_assets.lake.addapart.addapart_settings import AddAPartSettings
from loglake_assets.lake.addapart.partition_placer import PartitionPlacer
from loglake_assets.lake.checks.catalog_gaps import unplaced_commits
from loglake_assets.lake.checks.coverage import Coverage, put_coverage
from loglake_assets.lake.checks.day_report import DayReport, Verdict
from loglake_assets.lake.storage.keys import commit_key, late_key, late_prefix, manifest_key
from loglake_assets.lake.storage.reach import Reach
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import BrokenCommitError, Commit, append, commits, head, heads
from loglake_assets.lake.versions.late_ledger import broken_entries, late_counts, late_objects, record_late
from loglake_assets.lake.versions.manifests import (
    BrokenManifestError,
    ManifestObject,
    events_of_other_days,
    manifest_if_any,
    read_manifest,
)
from loglake_assets.lake.versions.publish import LostInputError
from loglake_assets.lake.versions.served_day import Placing, served_day
from loglake_assets.orchestration.coverage_words import coverage_remedy
from loglake_assets.orchestration.readready_days import _publish
from loglake_assets.orchestration.reconcile_job import send_unplaced_commits
from loglake_assets.orchestration.source_config import source_config
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.definition import definition_digest
from loglake_assets.sources.model import Column
from loglake_assets.sources.rules import load_rules
from resources.glue_jobs import GlueRun
from resources.settings import loglake
from tests import damage
from tests.conftest import FIRST, LAST, BuiltLake, quiet
from tests.damage import other_content, put_back
from tests.reports import stale_days
from tests.test_object_reader import record
from tests.test_reconciliation import DAY, DAYS, TABLE, an_object, newest, point, reconciled_day, s3, without_partition
from tests.wait import PLACEMENT_SECONDS, until
from tests.written_day import NUMBER, WrittenDay

HOURS = pa.scalar(timedelta(hours=3), pa.duration("us"))
RUNLESS = b'{"run_id": null}'
EXCLUDE = '[[exclude]]\nname = "decrypts"\nsource = "cloudtrail"\neventname = ["Decrypt"]'


@pytest.fixture(autouse=True)
def without_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests look at what is decided about a build, not at the engine that makes it."""
    monkeypatch.setenv("LOGLAKE_ENGINE", "local")


def bucket(built: BuiltLake) -> str:
    return built.lake.settings.readready_bucket


def coverage_of(built: BuiltLake, day: date = DAY) -> Coverage:
    (found,) = built.lake.resource.recount(built.source, 1).days([day])
    return found


def report_of(built: BuiltLake, source: LogSource | None = None, rules: str | None = None) -> DayReport:
    made = built.lake.resource.reconciler(source or built.source)
    (found,) = replace(made, rules=load_rules("cloudtrail", rules or "")).days([DAY], LAST + timedelta(days=9))
    return found


def state(built: BuiltLake, day: date = DAY) -> str:
    days = built.lake.resource.source_report(built.source, date(2026, 11, 28)).days
    return next(one.state for one in days if one.day == day)


@pytest.mark.fault(
    98, "a day at 100 % with surplus rows and a copy of other content", "its state names both, not complete"
)
def test_a_day_with_surplus_or_differing_rows_is_not_called_complete(
    built: BuiltLake, capsys: pytest.CaptureFixture[str]
) -> None:
    readready, before = bucket(built), coverage_of(built, LAST)
    copy = {"event-7": "s3://raw/AWSLogs/forged.json.gz"}
    wrong = replace(before, surplus=2, surplus_events=("made-up-1", "made-up-2"), differing=copy)
    whole = {"missing": 0, "unreadable": {}, "unplaceable_records": 0, "set_aside_events": 0}
    for shown, words in ((replace(wrong, **whole), []), (replace(wrong, missing=1), ["incomplete"])):
        put_coverage(Table(TABLE, s3(built), readready), shown)
        assert state(built, LAST) == ", ".join([*words, "surplus", "differing"])
    print_status(built.lake)
    said = capsys.readouterr().out
    put_coverage(Table(TABLE, s3(built), readready), before)
    assert f"{LAST}: surplus: 2 rows of the table are in no raw log, such as made-up-1, made-up-2" in said
    assert f"{LAST}: differing: 1 event has a copy with other content, which is no row: event-7 in s3://raw/" in said
    for word in ("incomplete", "surplus", "differing"):
        assert f"\n{word}: " in said, "what mends each"
    assert state(built, LAST) in {"complete", "incomplete"}


# --- delivered in another time zone -----------------------------------------------------------------------------------


def test_a_build_reaches_behind_only_for_objects_stored_since_its_day_began() -> None:
    day, before, began = date(2026, 11, 21), date(2026, 11, 20), datetime(2026, 11, 21, tzinfo=UTC).timestamp()
    reach = Reach(ahead=1, behind=1)
    assert reach.prefix_days([day]) == [before, day, date(2026, 11, 22)]
    assert reach.reads(day, before, began + 1)
    assert not reach.reads(day, before, began - 3600)
    assert not reach.reads(day, date(2026, 11, 19), began + 1)
    assert reach.reads(day, day, 0)
    assert reach.reads(day, date(2026, 11, 22), 0)
    assert not reach.reads(day, date(2026, 11, 23), 0)
    assert not Reach(ahead=1).reads(day, before, began + 1)


@pytest.mark.parametrize(("ahead", "behind"), [(0, 0), (1, 0), (1, 1), (3, 2)])
def test_the_days_that_read_an_object_are_those_of_which_each_reads_it(ahead: int, behind: int) -> None:
    reach, near = Reach(ahead, behind), [date(2026, 10, 25) + timedelta(days=n) for n in range(20)]
    for prefix_day in near[6:12]:
        for hours in range(-30, 60, 6):
            stored = datetime(prefix_day.year, prefix_day.month, prefix_day.day, tzinfo=UTC) + timedelta(hours=hours)
            wanted = [day for day in near if reach.reads(day, prefix_day, stored.timestamp())]
            assert reach.days_of(prefix_day, stored.timestamp()) == wanted


def keystrokes(day: date, hour: int, minute: int, log_id: int) -> bytes:
    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
    event = {"id": f"{log_id:056d}", "timestamp": int(moment.timestamp() * 1000), "message": "whoami"}
    document = {
        **{"messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "/app", "logStream": "s"},
        **{"subscriptionFilters": ["all"], "logEvents": [event]},
    }
    return gzip.compress(json.dumps(document).encode())


@pytest.mark.fault(
    56,
    "prefixes in Los Angeles' time, a day's events under the prefix of the day before",
    "its first build has them all",
)
def test_events_under_the_prefix_of_the_day_before_are_of_the_first_build_of_their_day(built: BuiltLake) -> None:
    lake, source = built.lake, load_source("cloudwatch")
    day, before = date(2019, 3, 21), date(2019, 3, 20)
    load(
        lake,
        source,
        {"la/2019/03/20/09/a": keystrokes(before, 17, 0, 1), "la/2019/03/20/16/b": keystrokes(day, 0, 30, 2)},
    )
    (first,) = build_range(lake, source, before, before, quiet)
    assert (first.error, first.metadata["coverage_pct"], first.metadata["dagster/row_count"]) == (None, 100, 1)
    load(
        lake, source, {"la/2019/03/20/23/c": keystrokes(day, 7, 0, 3), "la/2019/03/21/03/d": keystrokes(day, 11, 0, 4)}
    )
    (unread,) = lake.resource.recount(source, 1).days([day])
    assert (unread.expected, unread.pct) == (3, 0)
    (second,) = build_range(lake, source, day, day, quiet)
    assert (second.error, second.metadata["coverage_pct"], second.metadata["dagster/row_count"]) == (None, 100, 3)


@pytest.mark.fault(
    99, "an object under the prefix of the day before, after both days were built", "both days are stale"
)
def test_what_comes_late_under_the_prefix_of_the_day_before_makes_a_built_day_stale(built: BuiltLake) -> None:
    """Nothing was read of it yet, so nothing but its place and its time says that it may hold events of the day."""
    lake, source = built.lake, load_source("cloudwatch")
    day, before = date(2019, 4, 21), date(2019, 4, 20)
    load(
        lake,
        source,
        {"la/2019/04/20/09/a": keystrokes(before, 17, 0, 1), "la/2019/04/21/03/d": keystrokes(day, 9, 0, 4)},
    )
    for built_day in build_range(lake, source, before, day, quiet):
        assert (built_day.error, built_day.metadata["coverage_pct"]) == (None, 100)
    assert [one.state for one in cloudwatch_days(lake, before, day)] == ["complete", "complete"]
    load(lake, source, {"la/2019/04/20/22/late": keystrokes(day, 6, 0, 5)})
    first, second = cloudwatch_days(lake, before, day)
    assert (first.state, second.state) == ("stale", "stale")
    (judged,) = second.select(Verdict.LATE)
    assert judged.key == "la/2019/04/20/22/late"
    for built_day in build_range(lake, source, before, day, quiet):
        assert (built_day.error, built_day.metadata["coverage_pct"]) == (None, 100)
    assert [one.state for one in cloudwatch_days(lake, before, day)] == ["complete", "complete"]


def cloudwatch_days(lake: LocalLake, first: date, last: date) -> list[DayReport]:
    """Of keystrokes, as status and as the hourly checks see the days: by one listing each, alike."""
    source = load_source("cloudwatch")
    shown = [one for one in lake.resource.source_report(source, date(2026, 11, 28)).days if first <= one.day <= last]
    checked = lake.resource.reconciler(source).days([first, last], LAST + timedelta(days=9))
    assert [(one.day, one.state) for one in checked] == [(one.day, one.state) for one in shown]
    return shown


def load(lake: LocalLake, source: LogSource, objects: dict[str, bytes]) -> None:
    loaded = put_objects(lake, source, [(key, lambda body=body: body) for key, body in objects.items()], quiet)
    assert not await_partitions(lake, source, loaded.partitions, quiet, 60)


# --- other rules, columns, code ---------------------------------------------------------------------------------------


@pytest.mark.fault(57, "the exclude rules are others than when the day was built", "stale by name, and asked for")
def test_a_day_built_under_other_exclude_rules_is_stale_by_name(built: BuiltLake) -> None:
    assert report_of(built).select(Verdict.OUTDATED) == []
    found = report_of(built, rules=EXCLUDE)
    (judged,) = found.select(Verdict.OUTDATED)
    assert judged.detail == "built under other exclude rules"
    assert found.is_stale
    assert loglake(f"build cloudtrail {DAY}") in found.remedy(Verdict.OUTDATED)
    assert report_of(built, rules="version = 9").select(Verdict.OUTDATED) == [], "a version alone changes no row"


def test_exclusions_are_the_same_whatever_their_names_and_order_are() -> None:
    other = EXCLUDE.replace("decrypts", "another name")
    more = '\n[[exclude]]\nname = "m"\nsource = "cloudtrail"\nawsregion = ["b", "a"]'
    digests = [
        load_rules("cloudtrail", text).exclusion_digest
        for text in ("", EXCLUDE, other, EXCLUDE + more, more + "\n" + EXCLUDE)
    ]
    assert digests[1] == digests[2]
    assert digests[3] == digests[4]
    assert len(set(digests)) == 3


@pytest.mark.fault(69, "a column is declared after the day was built", "stale by that column's name")
def test_a_day_without_a_column_that_was_added_since_is_stale_by_its_name(built: BuiltLake) -> None:
    columns = (*built.source.readready.columns, Column("wanted_since", "string"))
    found = report_of(built, replace(built.source, readready=replace(built.source.readready, columns=columns)))
    (judged,) = found.select(Verdict.OUTDATED)
    assert judged.detail == "built without the columns wanted_since"
    assert found.is_stale


def test_a_day_built_by_other_code_or_before_that_was_said_is_stale(built: BuiltLake) -> None:
    day = damage.Day(damage.stored_lake(built.lake, built.source), day_number(DAY))
    for change, said in (
        ({"definition": "0" * 32}, "built by other views or another decoder"),
        ({"definition": ""}, "built before manifests said by which views and decoder"),
    ):
        with damage.changed_manifest(day, lambda document, change=change: document.update(change)):
            assert [j.detail for j in report_of(built).select(Verdict.OUTDATED)] == [said]


def test_what_makes_rows_is_another_for_each_source_and_the_same_each_time() -> None:
    digests = [definition_digest(load_source(name)) for name in source_names()]
    assert len(set(digests)) == len(digests)
    source = load_source("cloudtrail")
    renamed = replace(source, readready=replace(source.readready, columns=source.readready.columns[1:]))
    assert definition_digest(renamed) != definition_digest(source)
    assert definition_digest(replace(source, views=())) != definition_digest(source)


@pytest.mark.long
def test_what_makes_rows_is_read_by_many_threads_at_once() -> None:
    """The days of a log are compared by threads, and the parser of Python 3.11 fails where two of them are in it."""
    sources = [replace(load_source("cloudtrail"), description=f"{number}") for number in range(24)]
    thresholds, let_others_run = gc.get_threshold(), lambda *_: time.sleep(0)
    gc.callbacks.append(let_others_run)
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(definition_digest, sources))) == 1
    finally:
        gc.callbacks.remove(let_others_run)
        gc.set_threshold(*thresholds)


@pytest.mark.fault(58, "an object of a denied account lies under a built day", "not stale, and counted under its rule")
def test_a_denied_object_under_a_built_day_does_not_make_it_stale(built: BuiltLake) -> None:
    raw, account = built.lake.settings.raw_bucket("cloudtrail"), "123412341234"
    key = f"AWSLogs/{account}/CloudTrail/eu-west-1/{DAY:%Y/%m/%d}/{account}_x.json.gz"
    values = ["AWSLogs", account, "eu-west-1", str(day_number(DAY))]
    rules = f'[[deny]]\nname = "lever"\nsource = "cloudtrail"\naccounts = ["{account}"]'
    load(built.lake, built.source, {key: b'{"Records":[]}'})
    try:
        assert report_of(built).is_stale
        with without_partition(built, "from_cloudtrail_raw", values):
            found = report_of(built, rules=rules)
            assert [(j.key, j.detail) for j in found.select(Verdict.EXCLUDED)] == [(key, "lever")]
            assert not found.is_stale
            assert not found.select(Verdict.UNBUILT, Verdict.UNREGISTERED)
            assert report_of(built).select(Verdict.UNREGISTERED), "without the rule it is missing from the catalog"
    finally:
        s3(built).delete_object(Bucket=raw, Key=key)
        built.lake.client("glue").delete_partition(
            DatabaseName=built.lake.settings.database, TableName="from_cloudtrail_raw", PartitionValues=values
        )
    assert stale_days(built.source, built.lake.resource, [DAY]) == []


# --- what was committed is what is there ------------------------------------------------------------------------------


def forge(rows: Any) -> bytes:
    """The same rows, but one says another event name."""
    return damage.orc_bytes(damage.with_value(rows, "eventname", "DescribeNothing"))


@pytest.mark.fault(59, "a row's event name rewritten in place, ids kept", "files and rows are compared with the commit")
def test_rows_that_were_rewritten_in_place_are_not_called_complete(built: BuiltLake) -> None:
    day = damage.Day(damage.stored_lake(built.lake, built.source), day_number(DAY))
    before = coverage_of(built)
    assert before.altered == {}
    with other_content(s3(built), bucket(built), day.orc_key, forge(day.rows())):
        assert {j.key for j in report_of(built).select(Verdict.SHORT)} == {day.orc_key}
        found = coverage_of(built)
        written = day.manifest["files"][0]["bytes"]
        ((url, why),) = found.altered.items()
        assert url == f"s3://{bucket(built)}/{day.orc_key}"
        assert why.endswith(f" bytes, written as {written} bytes")
        assert (found.missing, found.surplus) == (before.missing, before.surplus), "by ids alone it is as it was"
        assert found.pct == 0
        assert state(built) == "damaged"
    assert coverage_of(built).pct == before.pct


@pytest.mark.fault(68, "the file's size and ETag forged in commit and manifest as well", "the rows' hash disagrees")
def test_rows_that_were_rewritten_with_their_records_are_not_called_complete(built: BuiltLake) -> None:
    day = damage.Day(damage.stored_lake(built.lake, built.source), day_number(DAY))
    commit, body = newest(built, DAY), forge(day.rows())
    with other_content(s3(built), bucket(built), day.orc_key, body):
        etag = s3(built).head_object(Bucket=bucket(built), Key=day.orc_key)["ETag"].strip('"')

        def change(document: dict[str, Any]) -> None:
            document["files"][0]["bytes"] = len(body)

        forged_commit = replace(commit, etags={**commit.etags, day.orc_key: etag})
        with damage.changed_manifest(day, change):
            manifest = manifest_if_any(Table(TABLE, s3(built), bucket(built)), day_number(DAY), commit.run_id)
            assert manifest
            record_body = json.dumps(
                asdict(replace(forged_commit, bytes=manifest.bytes, manifest_sha256=manifest.digest))
            ).encode()
            with other_content(s3(built), bucket(built), commit_key(TABLE, day_number(DAY), commit.seq), record_body):
                found = report_of(built)
                assert found.select(Verdict.SHORT, Verdict.ALTERED) == []
                assert found.placing is Placing.COMMIT_EDITED, "the catalog knows the record that was placed"
                coverage = coverage_of(built)
                assert coverage.altered == {commit.location: "its rows are others than were committed"}
                assert coverage.pct == 0


@pytest.mark.fault(68, "forged rows in a directory of their own, partition and record edited", "seen, and not followed")
def test_a_commit_that_was_sent_to_another_directory_is_seen_and_not_followed(built: BuiltLake) -> None:
    day = damage.Day(damage.stored_lake(built.lake, built.source), day_number(DAY))
    commit = newest(built, DAY)
    key, place = (
        commit_key(TABLE, day_number(DAY), commit.seq),
        f"{TABLE}/run=elsewhere/logcalendarday={day_number(DAY)}/",
    )
    file, location = f"{place}part-0.orc", f"s3://{bucket(built)}/{place}"
    s3(built).put_object(Bucket=bucket(built), Key=file, Body=forge(day.rows()))
    partition = damage.partition_input(day.stored, TABLE, [str(day_number(DAY))])
    edited = replace(commit, location=location, etags={})
    try:
        with other_content(s3(built), bucket(built), key, json.dumps(asdict(edited)).encode()):
            consumer = Consumer(settings(built), built.lake.client("glue"), s3(built), built.lake.client("sqs"))
            with pytest.raises(CommitEditedError, match="it was edited"):
                consumer._place_newest_commit(PartitionPlacer(TABLE, (str(day_number(DAY)),), None, commit.seq))
            point(built, {**partition, "StorageDescriptor": {**partition["StorageDescriptor"], "Location": location}})
            found = report_of(built)
            assert found.placing is Placing.COMMIT_EDITED
            (judged,) = found.select(Verdict.ALTERED)
            assert "location" in judged.detail
            coverage = coverage_of(built)
            assert (list(coverage.altered), coverage.pct) == ([location], 0)
    finally:
        point(built, partition)
        s3(built).delete_object(Bucket=bucket(built), Key=file)
    assert report_of(built).placing is Placing.PLACED


@pytest.mark.fault(
    68, "an error code that the record lacks, and a time three hours later", "evidence names both columns"
)
def test_evidence_compares_every_column_absent_ones_too(built: BuiltLake) -> None:
    day = damage.Day(damage.stored_lake(built.lake, built.source), day_number(DAY))
    rows = day.rows()
    event, time = rows.column("eventid")[0].as_py(), rows.column("eventtime")
    assert event
    later = pa.concat_arrays([pc.add(time.slice(0, 1).combine_chunks(), HOURS), *time.slice(1).chunks])
    changed = damage.with_value(rows, "errorcode", "NotDenied")
    changed = changed.set_column(changed.schema.get_field_index("eventtime"), "eventtime", later)
    (before,) = event_evidence(built.lake, event, "cloudtrail", DAY)
    assert before.agrees
    with other_content(s3(built), bucket(built), day.orc_key, damage.orc_bytes(changed)):
        (after,) = event_evidence(built.lake, event, "cloudtrail", DAY)
    said = {one.what: one for one in after.statements}
    assert "differing: errorcode, eventtime" in said["record is this row"].detail
    assert said["rows of the day"].agrees is False
    assert said["ORC file"].agrees is False


@pytest.mark.parametrize("column", ["useridentity_arn", "errorcode"])
def test_a_manifest_that_lacks_a_column_hides_no_edit_of_it(built: BuiltLake, column: str) -> None:
    """Whoever forges a row may forge the list of columns with it."""
    day = damage.Day(damage.stored_lake(built.lake, built.source), day_number(DAY))
    rows = day.rows()
    event = rows.column("eventid")[0].as_py()
    changed = damage.orc_bytes(damage.with_value(rows, column, "somebody else"))

    def lack(document: dict[str, Any]) -> None:
        document["columns"] = [name for name in document["columns"] if name not in (column, "vpcendpointid")]

    with damage.changed_manifest(day, lack), other_content(s3(built), bucket(built), day.orc_key, changed):
        (found,) = event_evidence(built.lake, event, "cloudtrail", DAY)
    said = {one.what: one for one in found.statements}
    assert said["record is this row"].agrees is False
    assert f"differing: {column}" in said["record is this row"].detail
    if said.get("other columns"):
        assert said["other columns"].agrees is None
        assert "vpcendpointid" in said["other columns"].detail


def settings(built: BuiltLake) -> AddAPartSettings:
    return AddAPartSettings("readready", "", built.lake.settings.database, bucket(built), "", "")


def test_an_older_record_that_was_edited_is_known_by_the_one_after_it(lake: LocalLake) -> None:
    client, name = lake.client("s3"), "edited-records"
    client.create_bucket(Bucket=name)
    for run in ("one", "two", "three"):
        append(client, name, proposal(run), lambda current: True)
    assert edited_of(client, name) == []
    second = commit_key("t", 20200101, 2)
    kept = client.get_object(Bucket=name, Key=second)["Body"].read()
    client.put_object(Bucket=name, Key=second, Body=kept.replace(b'"two"', b'"2wo"'))
    assert edited_of(client, name) == [second]


def edited_of(client: Any, name: str) -> list[str]:
    from loglake_assets.lake.versions.commits import edited_records

    return edited_records(Table("t", client, name), 20200101)


def proposal(run: str) -> Commit:
    return Commit("t", 20200101, 0, run, f"s3://x/{run}/", "m", 1, 1, 1, "h", "now")


# --- what was read is there to be compared ----------------------------------------------------------------------------


@pytest.mark.fault(54, "an object that a build read is deleted", "what it gave cannot be compared, and is not complete")
def test_a_day_of_which_objects_are_gone_is_not_complete(built: BuiltLake) -> None:
    raw, key = built.lake.settings.raw_bucket("cloudtrail"), an_object(built)
    manifest = read_manifest(Table(TABLE, s3(built), bucket(built)), day_number(DAY), newest(built, DAY).run_id)
    events = next(o.days[day_number(DAY)] for o in manifest.objects if o.key == key)
    before = coverage_of(built)
    with put_back(s3(built), raw, key):
        s3(built).delete_object(Bucket=raw, Key=key)
        found = coverage_of(built)
        assert (found.set_aside, found.set_aside_events) == ({f"s3://{raw}/{key}": "gone"}, events)
        assert found.pct < before.pct
        assert found.objects_read == found.object_count + 1
    assert before.objects_read == before.object_count


@pytest.mark.fault(
    60,
    "a raw object overwritten with as many events of other ids, and its day built",
    "refused, until a person accepts it",
)
def test_a_build_from_an_overwritten_object_takes_no_event_from_readers(built: BuiltLake) -> None:
    day, raw = date(2020, 6, 5), built.lake.settings.raw_bucket("cloudtrail")
    key = f"AWSLogs/111122223333/CloudTrail/eu-west-1/{day:%Y/%m/%d}/a.json"
    load(built.lake, built.source, {key: events(day, "first", "second")})
    (result,) = build_range(built.lake, built.source, day, day, quiet)
    assert result.error is None
    before = newest(built, day)
    s3(built).put_object(Bucket=raw, Key=key, Body=events(day, "third", "fourth"))
    (refused,) = build_range(built.lake, built.source, day, day, quiet)
    assert refused.error
    assert "does not have 2 events" in refused.error
    assert f"s3://{raw}/{key}" in refused.error
    assert newest(built, day) == before
    s3(built).put_object(Bucket=raw, Key=key, Body=events(day, "second", "third", "first"))
    (more,) = build_range(built.lake, built.source, day, day, quiet)
    assert (more.error, newest(built, day).rows) == (None, 3)


def test_a_build_from_an_object_forged_under_the_same_ids_is_refused(built: BuiltLake) -> None:
    day, raw = date(2020, 6, 6), built.lake.settings.raw_bucket("cloudtrail")
    key = f"AWSLogs/111122223333/CloudTrail/eu-west-1/{day:%Y/%m/%d}/a.json"
    body = events(day, "first", "second")
    load(built.lake, built.source, {key: body})
    (result,) = build_range(built.lake, built.source, day, day, quiet)
    assert result.error is None
    s3(built).put_object(Bucket=raw, Key=key, Body=body.replace(b"GetObject", b"PutObject", 1))
    (refused,) = build_range(built.lake, built.source, day, day, quiet)
    assert refused.error
    assert "does not have 1 events" in refused.error
    s3(built).put_object(Bucket=raw, Key=key, Body=body)
    (again,) = build_range(built.lake, built.source, day, day, quiet)
    assert again.error is None


def test_a_manifest_that_was_edited_is_not_the_one_that_was_committed(built: BuiltLake) -> None:
    day = damage.Day(damage.stored_lake(built.lake, built.source), day_number(DAY))
    with damage.changed_manifest(day, lambda document: document["objects"].pop()):
        (judged,) = report_of(built).select(Verdict.ALTERED)
        assert judged.detail == "commit and manifest differ in manifest"
        assert coverage_of(built).pct == 0


@pytest.mark.parametrize(
    "change",
    [
        {"files": [{"key": "x"}]},
        {"objects": [{"days": None}]},
        {"totals": {}},
        {"objects": None},
    ],
)
def test_a_manifest_whose_fields_are_of_other_types_cannot_be_read(built: BuiltLake, change: dict[str, Any]) -> None:
    day = damage.Day(damage.stored_lake(built.lake, built.source), day_number(DAY))
    with damage.changed_manifest(day, lambda document: document.update(change)):
        with pytest.raises(BrokenManifestError):
            read_manifest(Table(TABLE, s3(built), bucket(built)), day_number(DAY), newest(built, DAY).run_id)


def test_an_edit_of_the_newest_record_is_not_taken_for_the_truth_by_the_next(lake: LocalLake) -> None:
    client, name = lake.client("s3"), "edited-newest"
    client.create_bucket(Bucket=name)
    append(client, name, proposal("one"), lambda current: True)
    key = commit_key("t", 20200101, 1)
    kept = client.get_object(Bucket=name, Key=key)["Body"].read()
    client.put_object(Bucket=name, Key=key, Body=kept.replace(b'"rows": 1', b'"rows": 2'))
    append(client, name, proposal("two"), lambda current: True, shown=(1, hashlib.sha256(kept).hexdigest()))
    assert edited_of(client, name) == [key]


def events(day: date, *ids: str) -> bytes:
    return json.dumps({"Records": [record(eventID=i, eventTime=f"{day}T12:00:00Z") for i in ids]}).encode()


# --- records that cannot be read --------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b'{"table": "from_cl', b"[]", b'{"seq": 1}', RUNLESS])
@pytest.mark.fault(
    81, "a commit record that is empty, cut, of another kind, or lacks fields", "named; a build mends it"
)
def test_a_commit_record_that_cannot_be_read_is_named_and_the_next_build_follows_it(
    lake: LocalLake, damage: bytes
) -> None:
    client, name = lake.client("s3"), f"broken-records-{len(damage)}"
    client.create_bucket(Bucket=name)
    append(client, name, proposal("one"), lambda current: True)
    append(client, name, replace(proposal("x"), day=20200102), lambda current: True)
    append(client, name, proposal("two"), lambda current: True)
    key = commit_key("t", 20200101, 2)
    client.put_object(Bucket=name, Key=key, Body=damage)
    with pytest.raises(BrokenCommitError, match=key):
        head(Table("t", client, name), 20200101)
    assert list(heads(Table("t", client, name))) == [20200102], "the other days are judged"
    assert [c.run_id for c in commits(Table("t", client, name), 20200101)] == ["one"]
    after = append(client, name, proposal("three"), lambda current: False)
    assert (after.seq, head(Table("t", client, name), 20200101)) == (3, after)


def test_a_record_of_a_newer_version_is_read(lake: LocalLake) -> None:
    client, name = lake.client("s3"), "newer-records"
    client.create_bucket(Bucket=name)
    made = append(client, name, proposal("one"), lambda current: True)
    body = json.dumps({**asdict(made), "signed_by": "somebody"}).encode()
    client.put_object(Bucket=name, Key=commit_key("t", 20200101, 1), Body=body)
    assert head(Table("t", client, name), 20200101) == made


def test_a_record_that_says_it_is_another_one_is_not_followed(lake: LocalLake) -> None:
    client, name = lake.client("s3"), "moved-records"
    client.create_bucket(Bucket=name)
    made = append(client, name, proposal("one"), lambda current: True)
    client.put_object(Bucket=name, Key=commit_key("t", 20200101, 2), Body=json.dumps(asdict(made)).encode())
    with pytest.raises(BrokenCommitError, match="another commit"):
        head(Table("t", client, name), 20200101)


@pytest.mark.fault(
    81, "the newest commit record of a built day is emptied", "placement names it, the other days are judged"
)
def test_a_day_whose_newest_record_is_broken_is_named_and_the_others_are_judged(built: BuiltLake) -> None:
    commit = newest(built, DAY)
    with other_content(s3(built), bucket(built), commit_key(TABLE, day_number(DAY), commit.seq), b""):
        made = built.lake.resource.reconciler(built.source)
        found = {one.day: one for one in made.days(DAYS, LAST + timedelta(days=9))}
        assert {day: one.placing for day, one in found.items()} == {
            day: Placing.COMMIT_BROKEN if day == DAY else Placing.PLACED for day in DAYS
        }
        assert state(built) == "damaged"
        assert stale_days(built.source, built.lake.resource, [FIRST]) == []


@pytest.mark.fault(81, "a manifest that is cut", "that day is named and stale, the others are judged")
def test_a_manifest_that_cannot_be_read_is_named_and_its_day_is_stale(built: BuiltLake) -> None:
    commit = newest(built, DAY)
    key = manifest_key(TABLE, day_number(DAY), commit.run_id)
    with put_back(s3(built), bucket(built), key) as whole:
        s3(built).put_object(Bucket=bucket(built), Key=key, Body=whole[: len(whole) // 2])
        with pytest.raises(BrokenManifestError, match=key):
            read_manifest(Table(TABLE, s3(built), bucket(built)), day_number(DAY), commit.run_id)
        found = report_of(built)
        assert [j.key for j in found.select(Verdict.UNREADABLE_RECORD)] == [key]
        assert found.is_stale
        remedies = [found.remedy(finding) for finding in found.findings]
        assert remedies[0].startswith("restore it")
        assert f"`{loglake(f'build {built.source.name} {DAY}')}`" not in remedies, "it is refused"
        assert coverage_of(built).pct == 0
        made = built.lake.resource.reconciler(built.source)
        assert [one.day for one in made.days(DAYS, LAST + timedelta(days=9)) if one.is_stale] == [DAY]


@pytest.mark.fault(81, "an entry of the late ledger that is no JSON", "named; the others of its day are read")
def test_an_entry_of_the_late_ledger_that_cannot_be_read_is_named(built: BuiltLake) -> None:
    day = day_number(DAY)
    known = late_objects(Table(TABLE, s3(built), bucket(built)), day)
    key = f"{late_prefix(TABLE, day)}0000.json"
    s3(built).put_object(Bucket=bucket(built), Key=key, Body=b"{")
    try:
        assert late_objects(Table(TABLE, s3(built), bucket(built)), day) == known
        assert broken_entries(Table(TABLE, s3(built), bucket(built)), day) == {key: "it is no JSON, or was cut"}
        assert [j.key for j in report_of(built).select(Verdict.UNREADABLE_RECORD)] == [key]
    finally:
        s3(built).delete_object(Bucket=bucket(built), Key=key)


# --- one bad thing does not stop the others ---------------------------------------------------------------------------


@pytest.mark.fault(
    82, "one archived object in a window of two days", "in quarantine as archived, the other day complete"
)
def test_an_archived_object_is_in_quarantine_and_the_other_days_are_built(built: BuiltLake) -> None:
    first, second = date(2020, 7, 1), date(2020, 7, 2)
    folder = "AWSLogs/111122223333/CloudTrail/eu-west-1"
    load(
        built.lake,
        built.source,
        {f"{folder}/{day:%Y/%m/%d}/a.json": events(day, f"of {day}") for day in (first, second)},
    )
    raw, key = built.lake.settings.raw_bucket("cloudtrail"), f"{folder}/{first:%Y/%m/%d}/b.json"
    try:
        s3(built).put_object(Bucket=raw, Key=key, Body=events(first, "archived"), StorageClass="GLACIER")
        one, two = build_range(built.lake, built.source, first, second, quiet)
        assert (one.error, two.error) == (None, None)
        assert (one.metadata["coverage_pct"], two.metadata["coverage_pct"]) == (50, 100)
        manifest = read_manifest(Table(TABLE, s3(built), bucket(built)), day_number(first), newest(built, first).run_id)
        assert [(q["key"], q["reason"]) for q in manifest.quarantine] == [(key, "archived")]
        found = coverage_of(built, first)
        assert found.unreadable == {f"s3://{raw}/{key}": "archived"}
        assert f"restore it, then `{loglake(f'build cloudtrail {first}')}`." in coverage_remedy(found)
    finally:
        s3(built).delete_object(Bucket=raw, Key=key)


@pytest.mark.fault(
    100, "an object is archived after its day was built", "set aside as archived, and no row of it called surplus"
)
def test_rows_of_an_object_that_was_archived_since_are_not_called_surplus(built: BuiltLake) -> None:
    day = date(2020, 7, 9)
    raw, key = (
        built.lake.settings.raw_bucket("cloudtrail"),
        f"AWSLogs/111122223333/CloudTrail/eu-west-1/{day:%Y/%m/%d}/a",
    )
    load(built.lake, built.source, {f"{key}.json": events(day, "archived"), f"{key}b.json": events(day, "kept")})
    (result,) = build_range(built.lake, built.source, day, day, quiet)
    assert (result.error, result.metadata["coverage_pct"]) == (None, 100)
    copied = {"Bucket": raw, "Key": f"{key}.json", "CopySource": {"Bucket": raw, "Key": f"{key}.json"}}
    s3(built).copy_object(**copied, StorageClass="GLACIER", MetadataDirective="REPLACE")
    try:
        found = coverage_of(built, day)
    finally:
        s3(built).put_object(Bucket=raw, Key=f"{key}.json", Body=events(day, "archived"))
    assert (found.surplus, found.missing, found.unreadable) == (0, 0, {})
    assert found.set_aside == {f"s3://{raw}/{key}.json": "archived"}
    assert (found.set_aside_events, found.pct) == (1, 50)
    assert "archived: restore them" in coverage_remedy(found)


@pytest.mark.fault(83, "one damaged ORC file in a window of three days", "its day is named, the others are counted")
def test_a_damaged_file_spoils_its_own_day_only(built: BuiltLake) -> None:
    day = damage.Day(damage.stored_lake(built.lake, built.source), day_number(DAY))
    before = [one.pct for one in built.lake.resource.recount(built.source, 1).days(DAYS)]
    with put_back(s3(built), bucket(built), day.orc_key) as whole:
        s3(built).put_object(Bucket=bucket(built), Key=day.orc_key, Body=whole[: len(whole) // 2])
        after = list(built.lake.resource.recount(built.source, 1).days(DAYS))
    assert list(after[1].altered) == [f"s3://{bucket(built)}/{day.orc_key}"]
    assert [one.pct for one in after] == [before[0], 0, before[2]]


@pytest.mark.fault(
    85, "a partition moved to a directory that holds run=<its run>", "reconciling sends it, and it is mended"
)
def test_a_partition_that_was_moved_to_a_directory_that_looks_right_is_mended(built: BuiltLake) -> None:
    stored = damage.stored_lake(built.lake, built.source)
    partition, commit = damage.partition_input(stored, TABLE, [str(day_number(DAY))]), newest(built, DAY)
    location = f"s3://elsewhere/run={commit.run_id}/logcalendarday={day_number(DAY)}/"
    point(built, {**partition, "StorageDescriptor": {**partition["StorageDescriptor"], "Location": location}})
    table, catalog = built.lake.table(TABLE), built.lake.catalog
    assert commit in unplaced_commits(table, catalog)
    assert send_unplaced_commits(built.lake.resource, TABLE) >= 1
    until(lambda: reconciled_day(built, DAY).placing is Placing.PLACED, PLACEMENT_SECONDS)
    found = served_day(table, catalog, day_number(DAY))
    assert found.location == commit.location


# --- days that are as they must be ------------------------------------------------------------------------------------


@pytest.mark.fault(
    71, "the same input was committed by another run meanwhile", "the day is as of the commit that stands"
)
def test_a_day_that_another_run_committed_meanwhile_is_no_failure(built: BuiltLake) -> None:
    lake, config = built.lake.resource, source_config("cloudtrail", start_day=date(2018, 1, 1))
    day = date(2020, 8, 9)
    key = f"AWSLogs/111122223333/CloudTrail/eu-west-1/{day:%Y/%m/%d}/a.json"
    load(built.lake, built.source, {key: events(day, "only")})
    for _ in range(2):
        (result,) = build_range(built.lake, built.source, day, day, quiet)
        assert result.error is None
    first, second = commits(Table(TABLE, s3(built), bucket(built)), day_number(day))
    found = _publish(lake, lake.publisher(), config, day, GlueRun("job", "jr", first.run_id, 0, 0, False), False)
    assert (found.error, found.commit) == (None, second)
    assert f"commit {second.seq}" in found.note
    assert "from all that this run read" in found.note


def test_a_loss_is_not_hidden_by_another_runs_commit(built: BuiltLake) -> None:
    before = read_manifest(Table(TABLE, s3(built), bucket(built)), day_number(DAY), newest(built, DAY).run_id)
    less = replace(before, run_id="less", objects=before.objects[1:])
    with pytest.raises(LostInputError):
        built.lake.resource.publisher().publish(less)


@pytest.mark.fault(
    67, "one record without an id three times in an object, and the object twice", "three rows, three copies"
)
def test_honest_repeats_of_a_record_without_an_id_are_rows_and_the_same_object_again_is_a_copy(
    built: BuiltLake,
) -> None:
    day = date(2020, 9, 10)
    folder = f"AWSLogs/111122223333/CloudTrail/eu-west-1/{day:%Y/%m/%d}"
    same = {name: value for name, value in record(eventTime=f"{day}T12:00:00Z").items() if name != "eventID"}
    body = json.dumps({"Records": [same, same, same]}).encode()
    load(built.lake, built.source, {f"{folder}/a.json": body, f"{folder}/b.json": body})
    (result,) = build_range(built.lake, built.source, day, day, quiet)
    assert result.error is None
    said = result.metadata
    assert (said["records_read"], said["dagster/row_count"], said["duplicates"]) == (6, 3, 3)
    assert said["coverage_pct"] == 100


# --- the late ledger, on a day that is written by hand ----------------------------------------------------------------

LATER = date(2013, 4, 20)


def entries(written: WrittenDay, entry: ManifestObject, look_behind: int = 0) -> list[tuple[int, str]]:
    """(day, key) that a build of the entry's delivery day enters into the ledger, which S3 then holds."""
    built = written.run("later", (entry,), [], day=entry.prefix_day, look_behind=look_behind)
    found = record_late(written.s3, written.readready, [replace(built, day=entry.prefix_day)])
    assert late_objects(Table(TABLE, written.s3, written.readready), NUMBER) == [
        one for one in found if one.day == NUMBER
    ]
    return [(one.day, one.key) for one in found]


def test_events_of_a_day_that_is_not_built_are_entered_unless_its_own_prefix_brings_them(written: WrittenDay) -> None:
    late, own = written.read("late", "1", day=LATER), written.read("own", "2")
    assert entries(written, own) == []
    window = [replace(written.run("w", (own,), []), day=20130306, look_behind=1)]
    assert record_late(written.s3, written.readready, window) == [], "the build of its own day will read it"
    assert entries(written, late) == [(NUMBER, late.key)]
    (entry,) = late_objects(Table(TABLE, written.s3, written.readready), NUMBER)
    assert (entry.events, entry.days_late, entry.prefix_day, entry.etag) == (1, 46, 20130420, late.etag)


def test_events_of_a_built_day_are_entered_unless_its_build_read_them_and_will_again(written: WrittenDay) -> None:
    far, near = written.read("far", "1", day=LATER), written.read("near", "2", day=date(2013, 3, 6))
    written.commit(written.run("r", (far, near), [("1", "far"), ("2", "near")]))
    assert entries(written, near) == [], "the next build of the day reads the next day's prefix anyway"
    assert entries(written, far) == [(NUMBER, far.key)], "without an entry the next build would not look there"


def test_events_in_another_content_than_the_days_build_read_are_entered(written: WrittenDay) -> None:
    near = written.read("near", "2", day=date(2013, 3, 6))
    written.commit(written.run("r", (near,), [("2", "near")]))
    assert entries(written, replace(near, etag="another")) == [(NUMBER, near.key)]


def test_events_of_a_day_whose_manifest_is_gone_are_entered(written: WrittenDay) -> None:
    """What its build read is not known, so an object of its own prefix is entered too."""
    own, near = written.read("own", "1"), written.read("near", "2", day=date(2013, 3, 6))
    commit = written.commit(written.run("r", (own, near), [("1", "own"), ("2", "near")]))
    written.s3.delete_object(Bucket=written.readready, Key=commit.manifest)
    assert entries(written, near) == [(NUMBER, near.key)]
    window = [replace(written.run("w", (own,), []), day=20130306, look_behind=1)]
    assert [one.key for one in record_late(written.s3, written.readready, window)] == [own.key]


@pytest.mark.parametrize(
    "change",
    [{"key": ""}, {"bucket": None}, {"etag": 1}, {"events": "many"}, {"day": 20130230}, {"prefix_day": 1}],
    ids=str,
)
def test_an_entry_with_a_field_of_another_type_is_broken_and_named(written: WrittenDay, change: dict[str, Any]) -> None:
    written.late("k", "e", 1)
    key = late_key(TABLE, NUMBER, written.raw, "k", "e")
    body = json.loads(written.s3.get_object(Bucket=written.readready, Key=key)["Body"].read())
    written.s3.put_object(Bucket=written.readready, Key=key, Body=json.dumps({**body, **change}).encode())
    assert late_objects(Table(TABLE, written.s3, written.readready), NUMBER) == []
    assert list(broken_entries(Table(TABLE, written.s3, written.readready), NUMBER)) == [key]


def test_the_ledger_is_counted_by_day_and_what_is_no_entry_is_not(written: WrittenDay) -> None:
    written.late("k", "e", 1)
    written.late("l", "e", 1)
    for odd in ("readme", "20130306", "notes/x", "2013030/x", "2013030x/x"):
        written.s3.put_object(Bucket=written.readready, Key=f"late/{TABLE}/{odd}", Body=b"x")
    assert late_counts(Table(TABLE, written.s3, written.readready)) == {NUMBER: 2}


def test_each_day_of_an_object_that_its_prefix_does_not_promise_is_said_once(written: WrittenDay) -> None:
    one = replace(written.read("x", "1", day=LATER), days={NUMBER: 1, 20130419: 2, 20130420: 3})
    built = written.run("r", (one,), [])
    window = [replace(built, day=20130419), replace(built, day=20130420)]
    assert list(events_of_other_days(window)) == [(NUMBER, one)], "both days of the window read the prefix anyway"
    assert [day for day, _ in events_of_other_days(window[1:])] == [NUMBER, 20130419]
    assert [day for day, _ in events_of_other_days([*window, built])] == [NUMBER], "in the window, and not promised"


@pytest.mark.parametrize(
    ("change", "is_newer"),
    [
        ({}, False),
        ({"key": "another"}, True),
        ({"etag": "another"}, True),
        ({"etag": "another", "last_modified": 2.0}, True),
        ({"etag": "another", "last_modified": 0.5}, False),
        ({"last_modified": 2.0}, False),
    ],
)
def test_a_run_is_newer_by_an_object_or_a_later_content_of_it(
    written: WrittenDay, change: dict[str, Any], is_newer: bool
) -> None:
    entry = written.read("a", "1")
    older, newer = (written.run(run, (e,), []) for run, e in (("r", entry), ("s", replace(entry, **change))))
    assert newer.reads_newer_than(older) == is_newer
    assert newer.reads_newer_than(replace(older, objects=(entry, replace(entry, key="more")))) == is_newer


def test_a_build_reads_behind_what_was_stored_up_to_ten_minutes_before_its_day() -> None:
    """Clocks may differ by so much, and no object holds an event that is younger than itself."""
    day, began = date(2013, 3, 5), datetime(2013, 3, 5, tzinfo=UTC).timestamp()
    reach = Reach(ahead=0, behind=1)
    assert [reach.reads(day, date(2013, 3, 4), began - seconds) for seconds in (0, 600, 601)] == [True, True, False]
    assert not reach.reads(day, date(2013, 3, 3), began)
    assert [reach.reads(day, date(2013, 3, n), 0) for n in (5, 6)] == [True, False]
