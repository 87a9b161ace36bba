"""Three-way reconciliation on a built lake: each thing that can go wrong turns exactly the right check red, by name."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pyarrow.orc as orc
import pytest

from infra.cli.dagster_runs import dagster_instance, load_definitions
from loglake_assets.lake.checks.coverage import Measure
from loglake_assets.lake.checks.day_report import (
    MANIFEST,
    REMEDIES,
    Choice,
    DayReport,
    ObjectVerdict,
    Verdict,
    first_open_day,
    remedy,
)
from loglake_assets.lake.checks.reconciliation import input_change
from loglake_assets.lake.storage.keys import commit_key
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import ACCEPTING_LOSS, COMMIT_SEQ, Commit, commits, head
from loglake_assets.lake.versions.integrity import differences
from loglake_assets.lake.versions.manifests import GONE_WHILE_READING, ManifestObject, read_manifest
from loglake_assets.lake.versions.served_day import IN_ORDER, Placing
from loglake_assets.orchestration.check_metadata import REMEDY
from loglake_assets.orchestration.hourly_checks import PLACEMENT, hourly_results
from loglake_assets.orchestration.source_config import SourceConfig, source_config
from loglake_assets.sources import source_names
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.definition import definition_digest
from loglake_assets.sources.rules import load_rules
from resources.settings import loglake
from tests import damage
from tests.check_names import names_of, rows_of
from tests.conftest import FIRST, LAST, BuiltLake, run_asset
from tests.test_lake import state_of
from tests.written_day import NUMBER, WrittenDay, at_noon, raw_key

TABLE = "from_cloudtrail_readready"
DAYS = [FIRST + timedelta(days=n) for n in range(3)]
DAY = FIRST + timedelta(days=1)
LONG_AFTER = date(2026, 11, 20)
DENY = '[[deny]]\nname = "lever"\nsource = "cloudtrail"\naccounts = ["111122223333"]'
EXCLUDE = '[[exclude]]\nname = "decrypts"\nsource = "cloudtrail"\neventname = ["Decrypt"]'


@pytest.fixture
def config() -> SourceConfig:
    return source_config("cloudtrail", start_day=date(2020, 1, 1))


def s3(built: BuiltLake) -> Any:
    return built.lake.client("s3")


def newest(built: BuiltLake, day: date) -> Commit:
    found = head(Table(TABLE, s3(built), built.lake.settings.readready_bucket), day_number(day))
    assert found is not None
    return found


def red_checks(built: BuiltLake, config: SourceConfig) -> dict[str, str]:
    """Every check that is red over the sample days, cheap and full, with what it names."""
    found = {
        str(result.check_name): "\n".join([str((result.metadata or {})[REMEDY].value), *rows_of(result.metadata)])
        for result in hourly_results(config, built.lake.resource, DAYS, LONG_AFTER)
        if not result.passed
    }
    coverage = dict(zip(DAYS, built.lake.resource.recount(built.source, 1).days(DAYS), strict=True))
    for of_day in coverage.values():
        unreadable = {name.split("/", 3)[3] for name in of_day.unreadable}
        if of_day.missing or unreadable - set(built.truth.quarantined_objects):
            found["coverage"] = str(of_day.document())
        if of_day.surplus or of_day.repeated:
            found["grain"] = str(of_day.document())
    return found


def an_object(built: BuiltLake) -> str:
    """A raw object of the day of which rows are stored."""
    bucket = built.lake.settings.readready_bucket
    manifest = read_manifest(Table(TABLE, s3(built), bucket), day_number(DAY), newest(built, DAY).run_id)
    of_day = (o for o in manifest.objects if o.prefix_day == day_number(DAY) and o.days.get(day_number(DAY)))
    return next(o.key for o in of_day if o.reason is None and not o.duplicates)


def put_back(built: BuiltLake, bucket: str, key: str) -> AbstractContextManager[bytes]:
    """The bytes of an object, which is the very version it was when the block is left."""
    return damage.put_back(s3(built), bucket, key)


def test_nothing_is_red_while_nothing_is_wrong(built: BuiltLake, config: SourceConfig) -> None:
    assert red_checks(built, config) == {}


def test_a_removed_raw_object_turns_only_its_check_red(built: BuiltLake, config: SourceConfig) -> None:
    bucket, key = built.lake.settings.raw_bucket("cloudtrail"), an_object(built)
    with put_back(built, bucket, key):
        s3(built).delete_object(Bucket=bucket, Key=key)
        found = red_checks(built, config)
        assert set(found) == {"changed_since_built"}
        assert f"gone_since_built: s3://{bucket}/{key}" in found["changed_since_built"]
        assert "restore the object" in found["changed_since_built"]
        assert state_of(built, DAY) == "raw_gone"


@pytest.mark.fault(21, "one byte of a raw object edited", "changed_since_built is red, naming it, and nothing else")
@pytest.mark.parametrize("position", [0, 12, -5])
def test_an_edited_byte_of_a_raw_object_turns_only_its_check_red(
    built: BuiltLake, config: SourceConfig, position: int
) -> None:
    bucket, key = built.lake.settings.raw_bucket("cloudtrail"), an_object(built)
    with put_back(built, bucket, key) as body:
        edited = bytearray(body)
        edited[position] ^= 0x55
        s3(built).put_object(Bucket=bucket, Key=key, Body=bytes(edited))
        found = red_checks(built, config)
        assert set(found) == {"changed_since_built"}
        assert f"built_from_older_version: s3://{bucket}/{key}" in found["changed_since_built"]


def test_an_event_missing_from_an_orc_file_turns_only_coverage_red(built: BuiltLake, config: SourceConfig) -> None:
    bucket = built.lake.settings.readready_bucket
    prefix = newest(built, DAY).location.split("/", 3)[3]
    key = s3(built).list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"][0]["Key"]
    with put_back(built, bucket, key) as whole:
        table, short = orc.ORCFile(io.BytesIO(whole)).read(), io.BytesIO()
        orc.write_table(table.slice(1), short)
        s3(built).put_object(Bucket=bucket, Key=key, Body=short.getvalue())
        found = red_checks(built, config)
        assert set(found) == {"coverage"}
        assert table.column("eventid")[0].as_py() in found["coverage"]
        (judged,) = reconciled_day(built, DAY).select(Verdict.SHORT)
        assert judged.key == key, "the cheap mode sees it too, and turns coverage red without reading an object"


@contextmanager
def without_partition(built: BuiltLake, table: str, values: list[str]) -> Iterator[str]:
    """A catalog that has lost one partition, which is back when the block is left; yields its location."""
    glue, names = built.lake.client("glue"), {"DatabaseName": built.lake.settings.database, "TableName": table}
    partition = glue.get_partition(**names, PartitionValues=values)["Partition"]
    kept = {name: partition[name] for name in ("Values", "StorageDescriptor", "Parameters")}
    glue.delete_partition(**names, PartitionValues=values)
    try:
        yield partition["StorageDescriptor"]["Location"]
    finally:
        glue.create_partition(**names, PartitionInput=kept)


@pytest.mark.fault(3, "a raw partition removed from the catalog", "catalog_lag is red, naming it, and nothing else")
def test_a_removed_raw_partition_turns_only_catalog_lag_red(built: BuiltLake, config: SourceConfig) -> None:
    values = ["AWSLogs/o-exampleorg1", "111122223333", "us-east-1", str(day_number(DAY))]
    with without_partition(built, "from_cloudtrail_raw", values) as location:
        found = red_checks(built, config)
        assert set(found) == {"catalog_lag"}
        assert location in found["catalog_lag"]
        assert loglake("reconcile") in found["catalog_lag"]


def test_a_removed_readready_partition_turns_only_placement_red(built: BuiltLake, config: SourceConfig) -> None:
    with without_partition(built, TABLE, [str(day_number(DAY))]):
        found = red_checks(built, config)
        assert set(found) == {PLACEMENT}
        assert f"{DAY}: partition_missing" in found[PLACEMENT]


def test_a_partition_that_was_moved_turns_only_placement_red(built: BuiltLake, config: SourceConfig) -> None:
    glue, names = built.lake.client("glue"), {"DatabaseName": built.lake.settings.database, "TableName": TABLE}
    partition = glue.get_partition(**names, PartitionValues=[str(day_number(DAY))])["Partition"]
    kept = {name: partition[name] for name in ("Values", "StorageDescriptor", "Parameters")}
    for odd, placing in (
        ({"StorageDescriptor": {**kept["StorageDescriptor"], "Location": "s3://elsewhere/x/"}}, "location_differs"),
        ({"Parameters": {**kept["Parameters"], COMMIT_SEQ: "0"}}, "partition_behind"),
    ):
        try:
            point(built, {**kept, **odd})
            assert set(found := red_checks(built, config)) == {PLACEMENT}
            assert f"{DAY}: {placing}" in found[PLACEMENT]
        finally:
            point(built, kept)


def point(built: BuiltLake, partition: dict[str, Any]) -> None:
    built.lake.client("glue").batch_update_partition(
        DatabaseName=built.lake.settings.database,
        TableName=TABLE,
        Entries=[{"PartitionValueList": partition["Values"], "PartitionInput": partition}],
    )


@pytest.mark.parametrize("which", ["newest", "first"])
def test_a_removed_commit_turns_only_placement_red_and_rolling_back_mends_it(
    built: BuiltLake, config: SourceConfig, which: str
) -> None:
    bucket, day = built.lake.settings.readready_bucket, day_number(DAY)
    sequence = list(commits(Table(TABLE, s3(built), bucket), day))
    removed = sequence[-1 if which == "newest" else 0]
    key = commit_key(TABLE, day, removed.seq)
    with put_back(built, bucket, key):
        s3(built).delete_object(Bucket=bucket, Key=key)
        found = red_checks(built, config)
        assert set(found) == {PLACEMENT}
        assert f"{DAY}: commit_missing" in found[PLACEMENT]
        assert loglake(f"rollback cloudtrail {DAY} {sequence[-1].run_id}") in found[PLACEMENT]


@pytest.mark.fault(20, "an object that arrives after its day was built", "unbuilt is red, naming it and what mends it")
def test_objects_that_no_build_read_turn_only_unbuilt_red(built: BuiltLake, config: SourceConfig) -> None:
    bucket = built.lake.settings.raw_bucket("cloudtrail")
    key = an_object(built).rpartition("/")[0] + "/111122223333_CloudTrail_us-east-1_arrived_later.json.gz"
    try:
        s3(built).put_object(Bucket=bucket, Key=key, Body=b'{"Records":[]}')
        found = red_checks(built, config)
        assert set(found) == {"unbuilt"}
        assert f"registered_unbuilt: s3://{bucket}/{key}" in found["unbuilt"]
        assert loglake(f"build cloudtrail {DAY}") in found["unbuilt"]
    finally:
        s3(built).delete_object(Bucket=bucket, Key=key)


def test_a_closed_day_without_any_object_is_named(built: BuiltLake, config: SourceConfig) -> None:
    """Days are of deliveries: the sample days and the day after hold objects, some days of tests further on do not."""
    days = [date(2026, 10, 25) + timedelta(days=n) for n in range(12)]
    found = {r.check_name: r for r in hourly_results(config, built.lake.resource, days, date(2026, 11, 4))}
    assert found["delivered"].passed, "nothing is asked of days before the first that has any, nor of open ones"
    bucket = built.lake.settings.raw_bucket("cloudtrail")
    key = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/10/25/first.json.gz"
    try:
        s3(built).put_object(Bucket=bucket, Key=key, Body=b'{"Records":[]}')
        found = {r.check_name: r for r in hourly_results(config, built.lake.resource, days, date(2026, 11, 4))}
        assert not found["delivered"].passed
        assert names_of(found["delivered"].metadata, "day") == [f"2026-10-{day}" for day in range(26, 32)]
    finally:
        s3(built).delete_object(Bucket=bucket, Key=key)


def reconciled_day(built: BuiltLake, day: date, first_open: date = LONG_AFTER) -> DayReport:
    (found,) = built.lake.resource.reconciler(built.source).days([day], first_open)
    return found


def test_a_day_counts_every_object_under_one_verdict(built: BuiltLake) -> None:
    for day in DAYS:
        found = reconciled_day(built, day)
        assert found.placing is Placing.PLACED
        assert sum(found.counts.values()) == found.listed_count == found.built + len({j.name for j in found.verdicts})
        quarantined = {key for key in built.truth.quarantined_objects if f"/{day:%Y/%m/%d}/" in key}
        assert {j.key for j in found.select(Verdict.QUARANTINED)} == quarantined
        assert found.pct is not None
        assert (found.pct == 100) == (not quarantined)


def test_a_day_that_need_not_be_built_yet_is_open(built: BuiltLake) -> None:
    bucket, key = built.lake.settings.raw_bucket("cloudtrail"), "AWSLogs/111122223333/CloudTrail/eu-west-1/2016/01/05/a"
    s3(built).put_object(Bucket=bucket, Key=key, Body=b"")
    try:
        from tests.wait import until

        day = date(2016, 1, 5)
        until(lambda: not reconciled_day(built, day).select(Verdict.UNREGISTERED))
        assert reconciled_day(built, day, first_open=day).counts == {"day_still_open": 1}
        assert reconciled_day(built, day).counts == {"registered_unbuilt": 1}
        assert reconciled_day(built, day).pct == 0
    finally:
        s3(built).delete_object(Bucket=bucket, Key=key)


def test_a_closed_day_gets_until_its_schedule_has_run() -> None:
    from datetime import UTC, datetime

    assert first_open_day(datetime(2026, 11, 22, 3, 59, tzinfo=UTC), 2) == date(2026, 11, 21)
    assert first_open_day(datetime(2026, 11, 22, 4, 0, tzinfo=UTC), 2) == date(2026, 11, 22)


def test_the_comparison_is_an_asset_by_day_that_turns_coverage_red_for_a_short_file(
    built: BuiltLake, config: SourceConfig
) -> None:
    bucket = built.lake.settings.readready_bucket
    prefix = newest(built, DAY).location.split("/", 3)[3]
    key = s3(built).list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"][0]["Key"]
    with put_back(built, bucket, key):
        s3(built).delete_object(Bucket=bucket, Key=key)
        result = run_asset(built, config.reconciliation_key, FIRST, LAST)
    assert result.success
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.partition, evaluation.passed) == ("coverage", str(DAY), False)
    with dagster_instance(built.lake) as instance:
        assert set(instance.get_materialized_partitions(config.reconciliation_key)) >= {str(d) for d in DAYS}
    healed = run_asset(built, config.audit_key, DAY, DAY)
    counted = {e.check_name: e for e in healed.get_asset_check_evaluations()}
    assert set(counted) == {"coverage", "grain", "drift"}
    assert "missing" not in counted["coverage"].metadata, "the full mode writes the same check anew"


def test_one_hourly_job_runs_the_checks_of_every_log(built: BuiltLake) -> None:
    job = load_definitions().resolve_job_def("hourly_checks")
    with dagster_instance(built.lake) as instance:
        result = job.execute_in_process(instance=instance)
    by_log = {"catalog_lag", "unbuilt", "changed_since_built", "outdated", "records", "unknown_keys", "delivered"}
    by_log |= {"older_days", PLACEMENT}
    found = {(e.asset_key.to_user_string(), e.check_name) for e in result.get_asset_check_evaluations()}
    wanted = {(f"checks/{name}", check) for name in source_names() for check in by_log}
    assert found == wanted | {("lake", "nothing_left_failed"), ("lake", "reviews_placed")}


def test_the_full_mode_has_a_schedule_of_its_own_over_the_days_that_healing_looks_after() -> None:
    from datetime import UTC, datetime

    schedule: Callable[..., Any] = load_definitions().resolve_schedule_def("cloudtrail_recount")
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 22, 5, tzinfo=UTC))
    requests = schedule.evaluate_tick(context).run_requests  # type: ignore[attr-defined]
    days = [tuple(r.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")) for r in requests]
    assert days[0] == ("2026-10-18", "2026-10-24")
    assert days[-1] == ("2026-11-15", "2026-11-21")
    assert len(days) == 5


# --- a day that is written by hand ------------------------------------------------------------------------------------


def odd_objects(written: WrittenDay, **where: Any) -> list[tuple[Verdict, str]]:
    """(verdict, key) of all that is not built, but what a manifest that is written by hand always lacks."""
    found = written.reconciled(**where).verdicts
    return [(one.verdict, one.key) for one in found if one.verdict is not Verdict.OUTDATED]


def gone_object(entry: ManifestObject) -> ManifestObject:
    """What a run says of an object that was listed and not there any more when it was read."""
    return replace(entry, etag="", reason=GONE_WHILE_READING, records=0, days={})


def test_nothing_is_said_of_a_day_that_holds_what_landed(written: WrittenDay) -> None:
    written.commit(written.run("r", (written.read("a", "1"),), [("1", "a")]))
    assert odd_objects(written) == []
    assert written.reconciled().pct == 100


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("location", {"location": "s3://elsewhere/"}),
        ("content_hash", {"content_hash": "another"}),
        ("rows", {"rows": 2}),
        ("bytes", {"bytes": 1}),
        ("files", {"files": 2}),
        ("manifest", {"manifest_sha256": "another"}),
        ("etags", {"etags": {"another.orc": "e"}}),
    ],
)
def test_each_field_in_which_commit_and_manifest_differ_is_named(
    written: WrittenDay, name: str, change: dict[str, Any]
) -> None:
    manifest = written.run("r", (written.read("a", "1"),), [("1", "a")])
    commit = written.commit(manifest)
    assert differences(commit, manifest) == []
    assert differences(replace(commit, **change), manifest) == [name]


def test_records_older_than_etags_and_digests_of_manifests_differ_in_nothing_by_it(written: WrittenDay) -> None:
    manifest = written.run("r", (written.read("a", "1"),), [("1", "a")])
    assert differences(replace(written.commit(manifest), etags={}, manifest_sha256=""), manifest) == []


def test_objects_whose_partition_lies_elsewhere_are_in_no_table(written: WrittenDay) -> None:
    written.commit(written.run("r", (written.read("a", "1"),), [("1", "a")]))
    (judged,) = written.reconciled(moved_to="s3://elsewhere/").select(Verdict.UNREGISTERED)
    assert judged.key == raw_key("a")
    assert judged.detail.endswith("its partition lies at s3://elsewhere/")


def test_an_object_that_is_back_after_it_was_gone_while_reading_is_unbuilt(written: WrittenDay) -> None:
    written.commit(written.run("r", (gone_object(written.read("a", "1")),), []))
    assert odd_objects(written) == [(Verdict.UNBUILT, raw_key("a"))], "it was never read, so it is no older version"
    assert written.reconciled().is_stale


def test_an_object_that_was_gone_while_reading_is_not_missed_as_one_that_was_read(written: WrittenDay) -> None:
    entry = gone_object(written.read("a", "1"))
    written.s3.delete_object(Bucket=written.raw, Key=entry.key)
    written.commit(written.run("r", (entry,), []))
    assert odd_objects(written) == []


def test_a_late_object_that_its_build_found_gone_is_a_loss_until_a_person_accepts_it(written: WrittenDay) -> None:
    entry = gone_object(written.read("a", "1", day=date(2013, 4, 20)))
    manifest = written.run("r", (entry,), [])
    written.commit(manifest)
    written.late(entry.key, "e", 1)
    assert odd_objects(written) == [(Verdict.LATE, entry.key)], "it is back, and no build has read it"
    written.s3.delete_object(Bucket=written.raw, Key=entry.key)
    assert odd_objects(written) == [(Verdict.GONE, entry.key)]
    written.commit(manifest, ACCEPTING_LOSS)
    assert odd_objects(written) == []


def test_a_late_object_is_unbuilt_until_its_content_or_a_later_one_was_read(written: WrittenDay) -> None:
    entry = written.read("a", "1", day=date(2013, 4, 20))
    written.commit(written.run("r", (entry,), [("1", "a")]))
    written.late(entry.key, entry.etag, 1)
    written.late(entry.key, "of an older content", 1, last_modified=entry.last_modified)
    assert odd_objects(written) == []
    written.late(entry.key, "of a newer content", 1, last_modified=entry.last_modified + 1)
    assert odd_objects(written) == [(Verdict.LATE, entry.key)]


@pytest.mark.parametrize("name", ["stray.orc", "_SUCCESS"])
def test_a_file_that_the_run_did_not_write_is_named(written: WrittenDay, name: str) -> None:
    manifest = written.run("r", (written.read("a", "1"),), [("1", "a")])
    written.commit(manifest)
    key = manifest.files[0]["key"].replace("part-0.orc", name)
    written.s3.put_object(Bucket=written.readready, Key=key, Body=b"x")
    (judged,) = written.reconciled().select(Verdict.SHORT)
    assert (judged.key, judged.detail) == (key, "not written by the day's run")


def test_a_file_of_another_size_is_named_where_its_commit_says_no_etag(written: WrittenDay) -> None:
    manifest = written.run("r", (written.read("a", "1"),), [("1", "a")])
    written.commit(manifest)
    written.keep(replace(manifest, files=({**manifest.files[0], "bytes": 1},)))
    assert [j.key for j in written.reconciled().select(Verdict.SHORT)] == [manifest.files[0]["key"]]


def test_a_file_of_the_same_size_and_another_content_is_named_by_its_etag(written: WrittenDay) -> None:
    manifest = written.run("r", (written.read("a", "1"),), [("1", "a")])
    written.commit(manifest)
    file = manifest.files[0]
    written.s3.put_object(Bucket=written.readready, Key=file["key"], Body=b"x" * file["bytes"])
    assert [j.key for j in written.reconciled().select(Verdict.SHORT)] == [file["key"]]


def test_an_object_that_was_read_ahead_matters_to_the_day_by_the_events_it_gave(written: WrittenDay) -> None:
    after = date(2013, 3, 6)
    gave, none = written.read("gave", "1", day=after), written.read("none", day=after)
    written.commit(written.run("r", (gave, none), [("1", "gave")]))
    assert odd_objects(written) == []
    for name in ("gave", "none"):
        written.land(name, at_noon("another"), after)
    assert odd_objects(written) == [(Verdict.OLDER_VERSION, gave.key)]
    for entry in (gave, none):
        written.s3.delete_object(Bucket=written.raw, Key=entry.key)
    assert odd_objects(written) == [(Verdict.GONE, gave.key)]


def test_an_object_of_the_day_that_has_changed_is_named_once_and_one_without_events_too(written: WrittenDay) -> None:
    full, empty = written.read("full", "1"), written.read("empty")
    written.commit(written.run("r", (full, empty), [("1", "full")]))
    for name in ("full", "empty"):
        written.land(name, at_noon("another"))
    assert sorted(odd_objects(written)) == [(Verdict.OLDER_VERSION, raw_key(name)) for name in ("empty", "full")]
    for entry in (full, empty):
        written.s3.delete_object(Bucket=written.raw, Key=entry.key)
    assert sorted(odd_objects(written)) == [(Verdict.GONE, raw_key(name)) for name in ("empty", "full")]


def test_what_is_in_quarantine_is_named_with_its_reason_and_is_not_built(written: WrittenDay) -> None:
    written.commit(written.run("r", (written.read("a", "1"), written.read("b", reason="not_json")), [("1", "a")]))
    found = written.reconciled()
    assert [(j.key, j.detail) for j in found.select(Verdict.QUARANTINED)] == [(raw_key("b"), "not_json")]
    assert (found.built, found.pct, found.listed_count) == (1, 50, 2)


def test_objects_without_a_partition_are_in_no_table_whether_the_day_is_built_or_not(written: WrittenDay) -> None:
    entry = written.read("a", "1")
    assert odd_objects(written, registered=False) == [(Verdict.UNREGISTERED, entry.key)]
    written.commit(written.run("r", (entry,), [("1", "a")]))
    assert odd_objects(written, registered=False) == [(Verdict.UNREGISTERED, entry.key)]


def test_an_object_without_a_partition_is_excluded_where_a_rule_wants_it_so(written: WrittenDay) -> None:
    written.read("a", "1")
    (judged,) = written.reconciled(registered=False, rules=DENY).verdicts
    assert (judged.verdict, judged.detail) == (Verdict.EXCLUDED, "lever")
    (judged,) = written.reconciled(rules=DENY).verdicts
    assert judged.verdict is Verdict.UNBUILT, "it has a partition, so readers of raw see it"


def test_an_object_of_a_day_that_is_not_built_is_unbuilt_once_the_day_is_due(written: WrittenDay) -> None:
    entry = written.read("a", "1")
    assert [(j.verdict, j.key) for j in written.reconciled(is_due=False).verdicts] == [(Verdict.OPEN, entry.key)]
    assert [(j.verdict, j.key) for j in written.reconciled().verdicts] == [(Verdict.UNBUILT, entry.key)]
    written.commit(written.run("r", (), []))
    assert [j.key for j in written.reconciled(is_due=False).select(Verdict.UNBUILT)] == [entry.key], "it was built"


def test_an_older_commit_that_was_edited_is_named(written: WrittenDay) -> None:
    first = written.commit(written.run("r", (written.read("a", "1"),), [("1", "a")]))
    written.commit(written.run("s", (written.read("a", "1"),), [("1", "a")]))
    key = commit_key(TABLE, NUMBER, first.seq)
    body = written.s3.get_object(Bucket=written.readready, Key=key)["Body"].read()
    written.s3.put_object(Bucket=written.readready, Key=key, Body=body.replace(b'"rows": 1', b'"rows": 9'))
    assert odd_objects(written) == [(Verdict.ALTERED, key)]


# --- what verdicts mean for a day -------------------------------------------------------------------------------------


def day_of(*judged: ObjectVerdict, built: int = 0, run_id: str | None = "r", is_rolled_back: bool = False) -> DayReport:
    return DayReport("cloudtrail", DAY, Placing.PLACED, 1, 1, run_id, is_rolled_back, judged, built)


@pytest.mark.parametrize("verdict", Verdict)
def test_a_day_is_stale_by_what_a_build_mends_and_by_nothing_else(verdict: Verdict) -> None:
    found = day_of(ObjectVerdict(verdict, "b", "k"), built=1)
    mended = {Verdict.UNBUILT, Verdict.LATE, Verdict.OLDER_VERSION, Verdict.OUTDATED}
    assert found.is_stale == (verdict in mended)
    assert not replace(found, is_rolled_back=True).is_stale
    assert not replace(found, run_id=None).is_stale


def test_a_day_whose_manifest_cannot_be_read_is_stale_and_one_with_a_broken_entry_of_the_ledger_is_not() -> None:
    broken = ObjectVerdict(Verdict.UNREADABLE_RECORD, "b", "k", f"{MANIFEST} is gone")
    assert day_of(broken).is_stale
    assert not day_of(broken, is_rolled_back=True).is_stale
    assert not day_of(replace(broken, detail="entry of the late ledger: it is empty")).is_stale
    assert not day_of(replace(broken, verdict=Verdict.SHORT)).is_stale


@pytest.mark.parametrize("verdict", Verdict)
def test_the_percentage_is_of_the_objects_that_a_build_should_hold(verdict: Verdict) -> None:
    short = {Verdict.QUARANTINED, Verdict.UNREGISTERED, Verdict.UNBUILT, Verdict.LATE, Verdict.OLDER_VERSION}
    counted = {Verdict.BUILT, Verdict.GONE} | short
    judged = ObjectVerdict(verdict, "b", "k")
    assert day_of(judged, built=2).pct == (66.6666 if verdict in counted else 100), "rounded down"
    assert day_of(judged).pct == (0 if verdict in counted else None)
    assert day_of(judged).counts == {str(verdict): 1}


# --- what makes a day outdated ----------------------------------------------------------------------------------------


def test_a_day_is_outdated_by_rules_columns_or_code_that_are_others_now(written: WrittenDay) -> None:
    source, none, some = written.source, load_rules("cloudtrail", ""), load_rules("cloudtrail", EXCLUDE)
    built = written.run("r", (), [], definition=definition_digest(source), exclusions=none.exclusion_digest)
    columns = built.columns
    for manifest, rules, said in (
        (built, none, []),
        (built, some, ["built under other exclude rules"]),
        (replace(built, exclusions=""), none, []),
        (replace(built, exclusions=""), some, ["built before manifests said under which exclude rules"]),
        (
            replace(built, exclusions="", excluded_by={"x": 1}),
            none,
            ["built before manifests said under which exclude rules"],
        ),
        (replace(built, columns=columns[1:]), none, [f"built without the columns {columns[0]}"]),
        (replace(built, columns=(*columns, "more")), none, []),
        (replace(built, columns=()), none, []),
        (replace(built, columns=columns[1:], definition="x"), none, [f"built without the columns {columns[0]}"]),
        (replace(built, definition="x"), none, ["built by other views or another decoder"]),
        (replace(built, definition=""), none, ["built before manifests said by which views and decoder"]),
    ):
        assert list(input_change(manifest, source, rules)) == said


def test_every_finding_that_asks_for_something_has_its_remedy() -> None:
    wanted = [*(set(Verdict) - {Verdict.BUILT, Verdict.OPEN}), *(set(Placing) - IN_ORDER), *Measure, *Choice]
    assert set(REMEDIES) == set(wanted)
    said = {finding: remedy(finding, "cloudtrail", DAY, DAY, "run-1") for finding in wanted}
    assert not [finding for finding, text in said.items() if "{" in text or text == "nothing to mend"]
    assert remedy(Verdict.UNBUILT, "cloudtrail", DAY) == f"`{loglake(f'build cloudtrail {DAY}')}`"
    ranged = remedy(Verdict.UNBUILT, "cloudtrail", DAY, DAY + timedelta(days=2))
    assert ranged == f"`{loglake(f'build cloudtrail {DAY}..{DAY + timedelta(days=2)}')}`"
