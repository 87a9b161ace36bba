"""What somebody might do to a lake's storage and hope that nobody sees: each is seen, or refused, by name."""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc
import pytest

from infra.cli.evidence import event_evidence
from infra.cli.mend import roll_back
from loglake_assets.lake.checks.day_report import DayReport, ObjectVerdict, Verdict, remedies
from loglake_assets.lake.storage.keys import commit_key, duplicates_prefix
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import ROLLBACK
from loglake_assets.lake.versions.manifests import GONE_WHILE_READING, Manifest, read_manifest
from loglake_assets.lake.versions.publish import LostInputError, lost_objects
from loglake_assets.lake.versions.retention import RetentionRule, old_runs
from loglake_assets.lake.versions.served_day import Placing
from loglake_assets.orchestration.day_checks import is_unwatched
from loglake_assets.orchestration.older_days import remember, week_of_turn
from loglake_assets.orchestration.reconcile_job import send_unplaced_commits
from loglake_assets.orchestration.source_config import SourceConfig, source_config
from loglake_assets.sources.calendar_days import day_number
from resources.settings import loglake
from tests import damage
from tests.conftest import BuiltLake, quiet
from tests.test_mend import an_event, bucket, location
from tests.test_reconciliation import DAY, TABLE, an_object, newest, point, reconciled_day, s3
from tests.wait import PLACEMENT_SECONDS, until
from tests.written_day import NUMBER, WrittenDay


@pytest.fixture
def config() -> SourceConfig:
    return source_config("cloudtrail", start_day=date(2020, 1, 1))


def manifest_of(built: BuiltLake, day: date = DAY) -> Manifest:
    return read_manifest(Table(TABLE, s3(built), bucket(built)), day_number(day), newest(built, day).run_id)


# --- a build that has less --------------------------------------------------------------------------------------------


def without(manifest: Manifest, key: str) -> Manifest:
    return replace(manifest, objects=tuple(o for o in manifest.objects if o.key != key))


def with_object(manifest: Manifest, key: str, **changes: Any) -> Manifest:
    changed = tuple(replace(o, **changes) if o.key == key else o for o in manifest.objects)
    return replace(manifest, objects=changed)


def test_every_way_of_having_less_than_before_is_seen(built: BuiltLake) -> None:
    before, key = manifest_of(built), an_object(built)
    assert lost_objects(before, before) == []
    day = day_number(DAY)
    events = next(o for o in before.objects if o.key == key).days[day]
    for now in (
        without(before, key),
        with_object(before, key, reason="gone_while_reading", days={}),
        with_object(before, key, reason="corrupt_gzip", days={}),
        with_object(before, key, days={day: events - 1}),
    ):
        assert [o.key for o in lost_objects(now, before)] == [key]
    assert lost_objects(with_object(before, key, days={day: events + 1}), before) == []


def test_an_object_that_could_not_be_read_does_not_vanish_by_being_deleted(built: BuiltLake) -> None:
    before = with_object(manifest_of(built), an_object(built), reason="corrupt_gzip", days={})
    assert [o.key for o in lost_objects(without(before, an_object(built)), before)] == [an_object(built)]


def test_without_the_manifest_of_what_readers_see_nothing_is_committed(built: BuiltLake) -> None:
    commit, publisher = newest(built, DAY), built.lake.resource.publisher()
    manifest = manifest_of(built)
    with damage.put_back(s3(built), bucket(built), commit.manifest):
        s3(built).delete_object(Bucket=bucket(built), Key=commit.manifest)
        with pytest.raises(LostInputError, match=r"its manifest \S+ is gone"):
            publisher.publish(manifest)
    assert newest(built, DAY) == commit


# --- commits that were removed ----------------------------------------------------------------------------------------


@pytest.fixture
def without_newest_commit(built: BuiltLake) -> Iterator[int]:
    """The number of the newest commit, whose record is gone. Afterwards a commit says that this is known."""
    commit = newest(built, DAY)
    s3(built).delete_object(Bucket=bucket(built), Key=commit_key(TABLE, day_number(DAY), commit.seq))
    yield commit.seq
    roll_back(built.lake, "cloudtrail", DAY, commit.run_id, quiet)


def test_a_removed_commit_sends_readers_nowhere_and_its_number_is_not_given_twice(
    built: BuiltLake, without_newest_commit: int
) -> None:
    before = location(built, DAY)
    day = day_number(DAY)
    send_unplaced_commits(built.lake.resource, TABLE)
    assert reconciled_day(built, DAY).placing is Placing.COMMIT_MISSING
    assert location(built, DAY) == before
    manifest = read_manifest(Table(TABLE, s3(built), bucket(built)), day, before.split("/run=")[1].split("/")[0])
    commit = built.lake.resource.publisher().roll_back(manifest)
    assert commit.seq == without_newest_commit + 1
    assert without_newest_commit in commit.acknowledged
    assert reconciled_day(built, DAY).placing is Placing.PLACED, "a person knows of the gap, and the check is green"


def point_at(built: BuiltLake, where: str, seq: int) -> None:
    """The catalog as it is when AddAPart has placed this commit."""
    glue, names = built.lake.client("glue"), {"DatabaseName": built.lake.settings.database, "TableName": TABLE}
    partition = glue.get_partition(**names, PartitionValues=[str(day_number(DAY))])["Partition"]
    kept = {name: partition[name] for name in ("Values", "StorageDescriptor", "Parameters")}
    kept["StorageDescriptor"]["Location"] = where
    kept["Parameters"] |= {"loglake.commit_seq": str(seq), "loglake.run": where.split("/run=")[1].split("/")[0]}
    point(built, kept)


def test_retention_leaves_what_readers_see_though_no_commit_refers_to_it(
    built: BuiltLake, without_newest_commit: int
) -> None:
    later, rule = datetime.now(UTC) + timedelta(days=365), RetentionRule(1, 1)
    shown = built.lake.resource.run_of_partition
    old = old_runs(Table(TABLE, s3(built), bucket(built)), rule, later, shown)
    assert day_number(DAY) not in {run.day for run in old}


def test_a_moved_partition_is_put_back_by_reconciling(built: BuiltLake) -> None:
    commit = newest(built, DAY)
    point_at(built, commit.location.replace(f"run={commit.run_id}", "run=elsewhere"), commit.seq)
    glue, names = built.lake.client("glue"), {"DatabaseName": built.lake.settings.database, "TableName": TABLE}
    partition = glue.get_partition(**names, PartitionValues=[str(day_number(DAY))])["Partition"]
    kept = {name: partition[name] for name in ("Values", "StorageDescriptor", "Parameters")}
    point(built, {**kept, "Parameters": {**kept["Parameters"], "loglake.run": commit.run_id}})
    assert reconciled_day(built, DAY).placing is Placing.LOCATION_DIFFERS
    assert send_unplaced_commits(built.lake.resource, TABLE) >= 1
    until(lambda: location(built, DAY) == commit.location, PLACEMENT_SECONDS)
    assert reconciled_day(built, DAY).placing is Placing.PLACED


# --- rows and copies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "what", "names"),
    [
        ("useridentity_arn", "somebody else", "record is this row", "differing: useridentity_arn"),
        ("raw_objectsha256", "ab" * 32, "raw object", f"SHA-256 {'ab' * 32} and is ETag"),
    ],
)
def test_an_edited_row_is_seen_by_its_evidence_and_its_file_by_the_cheap_comparison(
    built: BuiltLake, column: str, value: str, what: str, names: str
) -> None:
    """The key is left as it was, so no count differs."""
    event = an_event(built)
    (whole,) = event_evidence(built.lake, event, "cloudtrail", DAY)
    assert whole.agrees
    key = str(whole.row["orc_file"]).split("/", 3)[3]
    with damage.put_back(s3(built), bucket(built), key) as body:
        table = orc.ORCFile(io.BytesIO(body)).read()
        values = [
            value if k == event else kept
            for k, kept in zip(table["eventid"].to_pylist(), table[column].to_pylist(), strict=True)
        ]
        at = table.schema.get_field_index(column)
        changed = damage.orc_bytes(table.set_column(at, column, pa.array(values, pa.string())))
        s3(built).put_object(Bucket=bucket(built), Key=key, Body=changed)
        (edited,) = event_evidence(built.lake, event, "cloudtrail", DAY)
        said = {statement.what: statement for statement in edited.statements}
        assert said[what].agrees is False
        assert names in said[what].detail
        assert said["ORC file"].agrees is False
        assert [j.key for j in reconciled_day(built, DAY).select(Verdict.SHORT)] == [key]


def test_one_id_with_two_contents_turns_grain_red_by_name(built: BuiltLake) -> None:
    """As the job lists it when a forged copy lies beside an event."""
    run, day = newest(built, DAY).run_id, day_number(DAY)
    key = f"{duplicates_prefix(TABLE, run)}logcalendarday={day}/forged.orc"
    forged = {"eventkey": "id-1", "dropped_bucket": "b", "dropped_key": "AWSLogs/forged.json.gz", "same_content": False}
    try:
        rows = pa.Table.from_pylist([forged])
        s3(built).put_object(Bucket=bucket(built), Key=key, Body=damage.orc_bytes(rows))
        (coverage,) = built.lake.resource.recount(built.source, 1).days([DAY])
        assert coverage.differing == {"id-1": "s3://b/AWSLogs/forged.json.gz"}
    finally:
        s3(built).delete_object(Bucket=bucket(built), Key=key)
    (coverage,) = built.lake.resource.recount(built.source, 1).days([DAY])
    assert coverage.differing == {}, "the copies of the samples are copies"


def test_a_table_of_copies_that_is_not_as_it_was_written_is_named(built: BuiltLake) -> None:
    prefix = f"{duplicates_prefix(TABLE, newest(built, DAY).run_id)}logcalendarday={day_number(DAY)}/"
    url = f"s3://{bucket(built)}/{prefix}"
    (key,) = (found["Key"] for found in s3(built).list_objects_v2(Bucket=bucket(built), Prefix=prefix)["Contents"])
    with damage.put_back(s3(built), bucket(built), key) as whole:
        s3(built).delete_object(Bucket=bucket(built), Key=key)
        (removed,) = built.lake.resource.recount(built.source, 1).days([DAY])
        s3(built).put_object(Bucket=bucket(built), Key=key, Body=whole[: len(whole) // 2])
        (cut,) = built.lake.resource.recount(built.source, 1).days([DAY])
    assert list(removed.altered) == [url]
    assert re.fullmatch(r"0 copies are there of [1-9]\d* that its run left out", removed.altered[url])
    assert f"s3://{bucket(built)}/{key}" in cut.altered
    assert (removed.pct or 0) < 100
    assert (cut.pct or 0) < 100
    (mended,) = built.lake.resource.recount(built.source, 1).days([DAY])
    assert mended.altered == {}


def test_a_late_object_that_is_gone_before_it_was_built_is_named_as_gone(built: BuiltLake) -> None:
    key = f"late/{TABLE}/{day_number(DAY)}/{'0' * 32}.json"
    gone = {"bucket": built.lake.settings.raw_bucket("cloudtrail"), "key": "AWSLogs/gone.json.gz", "etag": "x"}
    entry = {**gone, "day": day_number(DAY), "last_modified": 9e9, "prefix_day": 20261120, "events": 50}
    try:
        body = json.dumps({**entry, "found_by_run": "r", "days_late": 18}).encode()
        s3(built).put_object(Bucket=bucket(built), Key=key, Body=body)
        (judged,) = reconciled_day(built, DAY).select(Verdict.GONE, Verdict.LATE)
        assert (judged.verdict, judged.key) == (Verdict.GONE, "AWSLogs/gone.json.gz")
        assert "50 events" in judged.detail
    finally:
        s3(built).delete_object(Bucket=bucket(built), Key=key)


# --- days that nobody looks at hourly ---------------------------------------------------------------------------------


def test_every_older_week_has_its_turn_and_none_is_left_out() -> None:
    first, before = date(2026, 1, 1), date(2026, 2, 3)
    seen = [day for turn in range(5) for day in week_of_turn(first, before, 1000 + turn)]
    assert sorted(seen) == [first + timedelta(days=n) for n in range(33)]
    assert week_of_turn(first, first, 7) == []


def found_day(day: date, *verdicts: Verdict, placing: Placing = Placing.PLACED) -> DayReport:
    judged = tuple(ObjectVerdict(verdict, "b", f"k{n}") for n, verdict in enumerate(verdicts))
    return DayReport("x", day, placing, 1, 1, "r", False, judged, built=1)


def test_what_is_wrong_with_an_older_day_stays_known_until_it_is_found_mended() -> None:
    one, two = date(2026, 1, 1), date(2026, 1, 2)
    known = remember({}, [one, two], [found_day(one, Verdict.GONE), found_day(two, Verdict.QUARANTINED)])
    assert known == {"2026-01-01": {"gone_since_built": 1}}
    moved = remember(known, [two], [found_day(two, placing=Placing.LOCATION_DIFFERS)])
    assert moved == {**known, "2026-01-02": {"placing": "location_differs", "run": "r"}}
    assert remember(moved, [one, two], [found_day(one), found_day(two)]) == {}


def test_neighbouring_days_are_mended_by_one_command_and_a_rollback_is_of_each_day() -> None:
    days = [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 4)]
    unbuilt = [found_day(day, Verdict.UNBUILT, Verdict.UNBUILT) for day in days]
    builds = [f"`{loglake(f'build x {of}')}`" for of in ("2026-01-01..2026-01-02", "2026-01-04")]
    assert remedies((day, judged.verdict) for day in unbuilt for judged in day.verdicts) == builds
    gone = [found_day(day, placing=Placing.COMMIT_MISSING) for day in days]
    back = [f"`{loglake(f'rollback x {day} r')}`" for day in days]
    assert [text.split("; then ")[1] for text in remedies((day, day.placing) for day in gone)] == back


def test_a_day_of_which_all_raw_objects_are_gone_is_not_complete(built: BuiltLake) -> None:
    (coverage,) = built.lake.resource.recount(built.source, 1).days([DAY])
    assert not is_unwatched(coverage)
    recent = replace(coverage, set_aside={"s3://b/k": "gone"}, checked_at="2026-11-20T00:00:00+00:00")
    assert not is_unwatched(recent), "changed_since_built is red for it, and names it"
    assert is_unwatched(replace(recent, checked_at="2027-03-01T00:00:00+00:00"))
    assert is_unwatched(replace(recent, expected=0, unreadable={}, unplaceable_records=0)), "nothing is left to count"


# --- a build that has less, on a day that is written by hand ----------------------------------------------------------


def run_of(written: WrittenDay, run_id: str, *names: str, **said: Any) -> Manifest:
    """A run that read one event from each of these objects."""
    objects = tuple(written.read(name, f"of {name}") for name in names)
    return written.run(run_id, objects, [(f"of {name}", name) for name in names], **said)


def test_a_build_is_compared_with_the_newest_build_also_where_readers_were_sent_back(written: WrittenDay) -> None:
    less = run_of(written, "less", "a")
    written.commit(less)
    written.commit(run_of(written, "more", "a", "b"))
    written.commit(less, ROLLBACK)
    lost = written.publisher.lost_input(run_of(written, "again", "a"))
    assert "b.json" in lost
    assert "commit 2 has from 1 raw objects" in lost
    assert written.publisher.lost_input(run_of(written, "whole", "a", "b")) == ""


def test_a_build_is_compared_with_what_readers_see_also_where_that_is_a_rollback(written: WrittenDay) -> None:
    more = run_of(written, "more", "a", "b")
    written.commit(more)
    written.commit(run_of(written, "less", "a"))
    written.commit(more, ROLLBACK)
    assert "commit 3 has from 1 raw objects" in written.publisher.lost_input(run_of(written, "again", "a"))


@pytest.mark.parametrize("left", [0, 1], ids=["no record is left", "an older record is left"])
def test_a_build_is_compared_with_what_the_catalog_shows_where_its_commit_is_gone(
    written: WrittenDay, left: int
) -> None:
    for name in ("a", "b"):
        written.commit(run_of(written, f"run of {name}", *"ab"[: "ab".index(name) + 1]))
    for seq in (2, 1)[: 2 - left]:
        written.s3.delete_object(Bucket=written.readready, Key=commit_key(TABLE, NUMBER, seq))
    lost = written.publisher.lost_input(run_of(written, "again", "a"))
    assert "b.json" in lost
    assert "the partition that readers see has from 1 raw objects" in lost
    written.hide()
    assert written.publisher.lost_input(run_of(written, "again", "a")) == ""


def test_an_unreadable_object_that_was_gone_while_reading_is_missed_and_one_that_was_never_read_is_not(
    written: WrittenDay,
) -> None:
    kept, unreadable = written.read("a", "1"), written.read("b", reason="corrupt_gzip")
    gone = replace(unreadable, etag="", reason=GONE_WHILE_READING)
    with_it = written.run("with", (kept, unreadable), [("1", "a")])
    without_it = written.run("gone", (kept, gone), [("1", "a")])
    assert lost_objects(without_it, with_it) == [unreadable], "what it holds is not known, so it may not vanish"
    absent = written.run("absent", (kept,), [("1", "a")])
    assert lost_objects(absent, without_it) == []
    ahead = written.run("ahead", (kept, written.read("c", day=date(2013, 3, 6))), [("1", "a")])
    assert lost_objects(absent, ahead) == [], "under the next day's prefix, and it held nothing of this day"


def test_what_cannot_be_compared_is_a_loss_until_it_is_accepted(written: WrittenDay) -> None:
    commit = written.commit(run_of(written, "first", "a"))
    written.s3.delete_object(Bucket=written.readready, Key=commit.manifest)
    lost = written.publisher.lost_input(run_of(written, "second", "a"))
    assert f"cannot be compared with commit 1, since its manifest {commit.manifest} is gone" in lost


def test_a_first_build_takes_nothing_from_readers(written: WrittenDay) -> None:
    assert written.publisher.lost_input(run_of(written, "first", "a")) == ""


def test_an_event_that_an_overwritten_object_no_longer_has_is_a_loss_and_one_that_stands_elsewhere_is_none(
    written: WrittenDay,
) -> None:
    written.commit(run_of(written, "first", "a", "b"))
    objects = written.read("a", "another"), written.read("b", "of b")
    lost = written.publisher.lost_input(written.run("second", objects, [("another", "a"), ("of b", "b")]))
    assert "does not have 1 events that commit 1 has from 1 raw objects" in lost
    assert "a.json" in lost
    assert "b.json" not in lost, "the one that was not overwritten is not compared"
    assert written.publisher.lost_input(written.run("third", objects, [("of a", "b"), ("another", "a")])) == ""


@pytest.mark.parametrize("definitions", [("x", "x"), ("x", "y"), ("", "")])
def test_a_row_of_an_overwritten_object_must_say_the_same_where_the_same_code_made_both(
    written: WrittenDay, definitions: tuple[str, str]
) -> None:
    before, after = definitions
    written.commit(run_of(written, "first", "a", definition=before))
    overwritten = written.read("a", "of a", "more")
    second = written.run("second", (overwritten,), [("of a", "a"), ("more", "a")], definition=after)
    assert written.publisher.lost_input(second) == "", "another content, and each row says what it said"
    second = written.rewrite(second, written.orc([("of a", "a"), ("more", "a")], eventname="Another"))
    assert bool(written.publisher.lost_input(second)) == (before == after == "x")
