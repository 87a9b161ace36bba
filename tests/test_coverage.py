"""The recount against storage of its own: hostile content, deny rules, ids that are none, and its bounds."""

import gzip
import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from infra.cli.build import HEADINGS, _row
from infra.cli.dagster_runs import DayResult
from infra.cli.local_lake import LocalLake
from loglake_assets.lake.checks.coverage import Coverage
from loglake_assets.lake.checks.recount import Recount
from loglake_assets.lake.versions.manifests import GONE_WHILE_READING
from loglake_assets.s3.read_ahead import results_in_order
from loglake_assets.s3.urls import bucket_and_prefix
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.rules import load_rules
from tests.test_object_reader import record
from tests.written_day import DAY as WRITTEN_DAY
from tests.written_day import WrittenDay, content, raw_key

DAY = date(2014, 7, 7)
Put = Callable[[str, bytes], None]


@pytest.fixture
def bucket(lake: LocalLake) -> str:
    name = f"raw-{uuid.uuid4().hex[:12]}"
    lake.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def put(lake: LocalLake, bucket: str) -> Put:
    def put_object(name: str, content: bytes, account: str = "111122223333") -> None:
        key = f"AWSLogs/{account}/CloudTrail/eu-west-1/2014/07/07/{name}"
        lake.client("s3").put_object(Bucket=bucket, Key=key, Body=content)

    return put_object


def recount(lake: LocalLake, source: LogSource, bucket: str, rules: str = "") -> Recount:
    made = lake.resource.recount(source, 1)
    return replace(
        made, raw=replace(made.raw, name=bucket), rules=load_rules(source.name, rules), registered=lambda days: ()
    )


def count(lake: LocalLake, source: LogSource, bucket: str, rules: str = "") -> Coverage:
    (coverage,) = recount(lake, source, bucket, rules).days([DAY])
    return coverage


def body(*records: Any) -> bytes:
    return gzip.compress(json.dumps({"Records": records}).encode())


def at_noon(**changes: Any) -> dict[str, Any]:
    return record(eventTime="2014-07-07T12:00:00Z", **changes)


@pytest.mark.fault(
    29, "a bomb, nesting, doubled keys before the recount", "unreadable under a reason, the others counted"
)
def test_hostile_objects_are_unreadable_and_the_others_count(
    lake: LocalLake, source: LogSource, bucket: str, put: Put
) -> None:
    put("bomb", gzip.compress(bytes(80 << 20)))
    put("two-members", body(at_noon()) + body(at_noon()))
    put("no-json", b"{")
    put("doubled-key", b'{"Records":[],"Records":[{"eventTime":"2014-07-07T12:00:00Z"}]}')
    put("nested", b"[" * 100_000)
    put("good", body(at_noon(eventID="1"), at_noon(eventID="2", eventName=["odd"]), at_noon(eventID="")))
    coverage = count(lake, source, bucket)
    reasons = {name.rsplit("/", 1)[1]: reason for name, reason in coverage.unreadable.items()}
    assert reasons["bomb"] == "inflates_too_large"
    assert reasons["two-members"] == "trailing_gzip_member"
    assert reasons["no-json"] == reasons["nested"] == "not_json"
    assert "good" not in reasons
    assert coverage.expected >= 3
    assert coverage.pct == 0


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "x", None, 7])
def test_an_event_without_a_day_counts_as_missing_on_its_delivery_day(
    lake: LocalLake, source: LogSource, bucket: str, put: Put, time: Any
) -> None:
    put("odd", body(record(eventTime=time)))
    coverage = count(lake, source, bucket)
    assert (coverage.expected, coverage.unplaceable_records, coverage.pct) == (0, 1, 0)


@pytest.mark.fault(34, "a day of one empty object recounted", "no percentage")
def test_a_day_without_events_has_no_percentage(lake: LocalLake, source: LogSource, bucket: str, put: Put) -> None:
    put("empty", body())
    coverage = count(lake, source, bucket)
    assert coverage.pct is None
    assert coverage.object_count == 1


@pytest.mark.fault(11, "a day with a denied account", "counted under the rule, not as missing")
def test_what_a_deny_rule_keeps_out_is_neither_missing_nor_complete(
    lake: LocalLake, source: LogSource, bucket: str, put: Any
) -> None:
    put("kept", body(at_noon(eventID="1")))
    put("denied", body(at_noon(eventID="2")), "444455556666")
    rules = '[[deny]]\nname = "lever"\nsource = "cloudtrail"\naccounts = ["444455556666"]'
    coverage = count(lake, source, bucket, rules)
    assert (coverage.expected, dict(coverage.denied)) == (1, {"lever": 1})
    assert count(lake, source, bucket).expected == 2


def test_excluded_events_are_counted_apart(lake: LocalLake, source: LogSource, bucket: str, put: Put) -> None:
    put("x", body(at_noon(eventID="1"), at_noon(eventID="2", eventName="Decrypt")))
    rules = '[[exclude]]\nname = "decrypts"\nsource = "cloudtrail"\neventname = ["Decrypt"]'
    coverage = count(lake, source, bucket, rules)
    assert (coverage.expected, coverage.excluded) == (1, 1)


def test_control_messages_are_no_events_that_a_day_lacks(lake: LocalLake, bucket: str) -> None:
    """Delivered beside keystrokes, and left out without a rule."""
    message = {"id": "1", "timestamp": 1404734400000, "message": "CWL CONTROL MESSAGE"}
    document = {"messageType": "CONTROL_MESSAGE", "owner": "o", "logGroup": "g", "logStream": "s"}
    content = json.dumps({**document, "subscriptionFilters": [], "logEvents": [message]}).encode()
    lake.client("s3").put_object(Bucket=bucket, Key="2014/07/07/12/x", Body=gzip.compress(content))
    coverage = count(lake, load_source("cloudwatch"), bucket)
    assert (coverage.expected, coverage.excluded, coverage.object_count) == (0, 1, 1)


def test_a_percentage_never_rounds_up_to_a_hundred(lake: LocalLake, source: LogSource, bucket: str, put: Put) -> None:
    put("x", body(at_noon()))
    coverage = replace(count(lake, source, bucket), expected=10_000_000, missing=1)
    assert coverage.pct is not None
    assert 99.9 < coverage.pct < 100


def test_results_come_in_order_and_no_more_are_begun_than_are_in_flight() -> None:
    begun, lock = [0], threading.Lock()

    def work(n: int) -> int:
        with lock:
            begun[0] += 1
        time.sleep(0.001 * (n % 3))
        return n

    for taken, result in enumerate(results_in_order(work, range(50), 4)):
        assert result == taken
        assert begun[0] <= taken + 5


@pytest.mark.parametrize("prefix", ["a/b", "team#1/AWSLogs", "what?/AWSLogs", "a b/c"])
def test_a_location_is_no_url(prefix: str) -> None:
    assert bucket_and_prefix(f"s3://logs/{prefix}/") == ("logs", f"{prefix}/")


# --- a day that is written by hand ------------------------------------------------------------------------------------


def test_a_day_that_holds_every_event_once_is_complete(written: WrittenDay) -> None:
    written.commit(written.run("r", (written.read("a", "1", "2"),), [("1", "a"), ("2", "a")]))
    found = written.counted()
    assert (found.expected, found.found, found.missing, found.surplus, found.repeated) == (2, 2, 0, 0, 0)
    assert (found.altered, found.set_aside, found.differing) == ({}, {}, {})
    assert (found.object_count, found.objects_read, found.commit_seq, found.pct) == (1, 1, 1, 100)


@pytest.mark.parametrize(
    ("time", "is_plausible"),
    [
        ("2013-03-06T00:00:00Z", True),
        ("2013-03-06T23:59:59.999Z", True),
        ("2013-03-07T00:00:00Z", False),
        ("2013-03-07T23:59:59Z", False),
        ("2013-01-01T00:00:00Z", True),
        ("2012-12-31T23:59:59Z", False),
        ("2013-03-06T23:30:00-01:00", False),
        ("2013-03-05T12:00:00", False),
    ],
)
def test_an_event_is_of_its_day_up_to_a_day_after_its_delivery_and_not_before_the_log_existed(
    written: WrittenDay, time: str, is_plausible: bool
) -> None:
    """The bounds of the declaration: what is outside of them can be no row, so it counts as one that is missing."""
    written.land("a", content(("1", time)))
    assert written.counted().unplaceable_records == (0 if is_plausible else 1)
    day = date.fromisoformat(time[:10])
    if day > WRITTEN_DAY:
        assert written.counted_days(WRITTEN_DAY, day)[1].expected == (1 if is_plausible else 0)


def test_an_event_that_is_stored_twice_is_repeated_and_one_that_no_object_holds_is_surplus(written: WrittenDay) -> None:
    rows = [("1", "a"), ("1", "a"), ("1", "a"), ("2", "a")]
    written.commit(written.run("r", (written.read("a", "1"),), rows))
    found = written.counted()
    assert (found.repeated, found.surplus, found.surplus_events, found.missing) == (2, 1, ("2",), 0)


def test_an_event_without_a_row_is_missing_by_name_and_object(written: WrittenDay) -> None:
    written.commit(written.run("r", (written.read("a", "1", "2"),), [("1", "a")]))
    found = written.counted()
    assert (found.missing, found.missing_events, found.pct) == (1, ("2",), 50)
    assert found.missing_by_object == {f"s3://{written.raw}/{raw_key('a')}": 1}


def test_an_unreadable_object_that_is_gone_counts_as_one_event_that_was_not_compared(written: WrittenDay) -> None:
    objects = written.read("a", "1"), written.read("b", reason="corrupt_gzip"), written.read("c", "2", "3")
    written.commit(written.run("r", objects, [("1", "a"), ("2", "c"), ("3", "c")]))
    for entry in objects[1:]:
        written.s3.delete_object(Bucket=written.raw, Key=entry.key)
    found = written.counted()
    assert found.set_aside == {f"s3://{written.raw}/{raw_key(name)}": "gone" for name in "bc"}
    assert (found.set_aside_events, found.expected, found.surplus) == (3, 1, 0), (
        "2 rows of c, and b may hold any number"
    )
    assert (found.objects_read, found.object_count, found.pct) == (3, 1, 25)


def test_an_object_that_has_changed_is_set_aside_and_says_nothing_of_the_rows(written: WrittenDay) -> None:
    objects = written.read("a", "1"), written.read("b", "2")
    written.commit(written.run("r", objects, [("1", "a"), ("2", "b")]))
    written.land("b", content(("3", f"{WRITTEN_DAY}T12:00:00Z")))
    found = written.counted()
    assert found.set_aside == {f"s3://{written.raw}/{raw_key('b')}": "changed"}
    assert (found.expected, found.missing, found.surplus, found.set_aside_events) == (1, 0, 0, 1)
    written.land("b", b"{")
    assert written.counted().unreadable == {}, "the content that was built could be read"
    written.land("b", content(("4", "no time")))
    assert written.counted().unplaceable_records == 0


def test_an_object_that_was_read_ahead_and_gave_the_day_nothing_is_not_set_aside(written: WrittenDay) -> None:
    after = WRITTEN_DAY + timedelta(days=1)
    objects = written.read("a", "1"), written.read("gave", "2", day=after), written.read("none", day=after)
    written.commit(written.run("r", objects, [("1", "a"), ("2", "gave")]))
    assert (written.counted().expected, written.counted().objects_read) == (2, 1)
    for entry in objects[1:]:
        written.s3.delete_object(Bucket=written.raw, Key=entry.key)
    assert list(written.counted().set_aside) == [f"s3://{written.raw}/{objects[1].key}"]


def test_a_late_object_counts_for_its_day_once_the_ledger_names_it(written: WrittenDay) -> None:
    written.commit(written.run("r", (written.read("a", "1"),), [("1", "a")]))
    late = written.read("late", "2", day=date(2013, 4, 20))
    assert written.counted().missing == 0, "nobody looks under a prefix of six weeks later"
    written.late(late.key, late.etag, 1)
    assert (written.counted().missing, written.counted().expected) == (1, 2)


def test_an_object_that_was_gone_while_reading_is_not_set_aside_and_counts_once_it_is_back(written: WrittenDay) -> None:
    entry = replace(written.read("b", "2"), etag="", reason=GONE_WHILE_READING, days={})
    written.commit(written.run("r", (written.read("a", "1"), entry), [("1", "a")]))
    assert (written.counted().set_aside, written.counted().missing_events) == ({}, ("2",))
    written.s3.delete_object(Bucket=written.raw, Key=entry.key)
    assert (written.counted().set_aside, written.counted().pct) == ({}, 100)


def test_a_late_object_that_was_built_and_removed_is_set_aside_as_gone(written: WrittenDay) -> None:
    late = written.read("late", "2", day=date(2013, 4, 20))
    written.commit(written.run("r", (written.read("a", "1"), late), [("1", "a"), ("2", "late")]))
    written.late(late.key, late.etag, 1)
    assert (written.counted().set_aside, written.counted().pct) == ({}, 100)
    written.s3.delete_object(Bucket=written.raw, Key=late.key)
    found = written.counted()
    assert (found.set_aside, found.set_aside_events) == ({f"s3://{written.raw}/{late.key}": "gone"}, 1)


def test_a_denied_object_counts_where_its_partition_is_there_all_the_same(written: WrittenDay) -> None:
    written.commit(written.run("r", (written.read("a", "1"),), [("1", "a")]))
    rules = '[[deny]]\nname = "lever"\nsource = "cloudtrail"\naccounts = ["111122223333"]'
    found = written.counted(rules, registered=True)
    assert (found.expected, found.surplus, found.denied) == (1, 0, {})
    found = written.counted(rules)
    assert (found.expected, found.denied) == (0, {"lever": 1})


def copy_of(event: str, same: bool) -> dict[str, Any]:
    return {"eventkey": event, "dropped_bucket": "b", "dropped_key": f"{event}.json", "same_content": same}


def test_a_copy_that_says_something_else_is_named_and_one_that_says_the_same_is_not(written: WrittenDay) -> None:
    manifest = written.run("r", (written.read("a", "1"),), [("1", "a")])
    left_out = {**manifest.totals, "records_read": 3, "duplicates": 2}
    written.commit(written.keep(replace(manifest, totals=left_out)))
    key = written.copies("r", [copy_of("1", True), copy_of("2", False)])
    written.copies("another run", [copy_of("3", False)])
    written.s3.put_object(Bucket=written.readready, Key=key.replace("part-0.orc", "_SUCCESS"), Body=b"")
    assert written.counted().differing == {"2": "s3://b/2.json"}
    assert written.counted().altered == {}
    written.s3.put_object(Bucket=written.readready, Key=key, Body=b"no ORC")
    assert written.counted().differing == {}
    assert f"s3://{written.readready}/{key}" in written.counted().altered
    written.copies("r", [copy_of("1", True)])
    assert list(written.counted().altered.values()) == ["1 copies are there of 2 that its run left out"]


def test_the_hash_of_the_rows_says_nothing_of_a_day_that_was_built_with_other_columns(written: WrittenDay) -> None:
    entry = (written.read("a", "1"),)
    manifest = written.run("r", entry, [("1", "a")], content_hash="of other columns", columns=("eventid",))
    commit = written.commit(manifest)
    assert written.counted().altered == {}
    written.commit(written.run("s", entry, [("1", "a")], content_hash="of the same columns"))
    assert list(written.counted().altered.values()) == ["its rows are others than were committed"]
    written.commit(written.run("t", entry, [("1", "a")], content_hash="before columns were said", columns=()))
    assert list(written.counted().altered.values()) == ["its rows are others than were committed"]
    assert (commit.rows, written.counted().altered_rows, written.counted().pct) == (1, 1, 0)


def test_files_that_are_not_those_of_the_run_are_named(written: WrittenDay) -> None:
    manifest = written.run("r", (written.read("a", "1"),), [("1", "a")])
    written.commit(manifest)
    file = manifest.files[0]["key"]
    stray = file.replace("part-0", "stray")
    written.s3.put_object(Bucket=written.readready, Key=stray, Body=written.orc([("9", "a")]))
    assert written.counted().altered == {f"s3://{written.readready}/{stray}": "not written by the day's run"}
    written.s3.delete_object(Bucket=written.readready, Key=stray)
    written.keep(replace(manifest, files=({**manifest.files[0], "bytes": 1},)))
    assert written.counted().altered == {manifest.location: "commit and manifest differ in bytes, manifest"}
    written.keep(manifest)
    written.s3.put_object(Bucket=written.readready, Key=file, Body=written.orc([("2", "a")]))
    assert written.counted().altered == {f"s3://{written.readready}/{file}": "another content than was committed"}
    written.s3.delete_object(Bucket=written.readready, Key=file)
    assert written.counted().altered == {f"s3://{written.readready}/{file}": "absent"}
    assert written.counted().pct == 0


def test_a_run_whose_manifest_is_gone_or_says_another_place_is_not_complete(written: WrittenDay) -> None:
    manifest = written.run("r", (written.read("a", "1"),), [("1", "a")])
    commit = written.commit(manifest)
    written.keep(replace(manifest, location="s3://elsewhere/"))
    assert written.counted().altered == {commit.location: "run r wrote to s3://elsewhere/"}
    written.s3.delete_object(Bucket=written.readready, Key=commit.manifest)
    gone = {commit.location: "the manifest of its run is gone or cannot be read"}
    assert (written.counted().altered, written.counted().pct) == (gone, 0)
    file = manifest.files[0]["key"]
    written.s3.put_object(Bucket=written.readready, Key=file, Body=b"no ORC")
    altered = written.counted().altered
    assert altered.keys() == {commit.location, f"s3://{written.readready}/{file}"}, "the file is named beside"


# --- the percentage ---------------------------------------------------------------------------------------------------


def coverage_with(said: dict[str, Any]) -> Coverage:
    """What a recount of nothing finds, but for what is said."""
    counts = dict.fromkeys(
        ("expected", "found", "missing", "surplus", "repeated", "excluded", "unplaceable_records"), 0
    )
    names: dict[str, Any] = {"denied": {}, "unreadable": {}, "missing_by_object": {}}
    others = {"missing_events": (), "surplus_events": (), "commit_seq": 1, "object_count": 1, "bytes_read": 1}
    return Coverage(**{"source": "x", "day": 20130305, **counts, **names, **others, "checked_at": "now", **said})


@pytest.mark.parametrize(
    ("said", "pct", "state"),
    [
        ({"expected": 4}, "100.0000", "complete"),
        ({"expected": 3, "missing": 1}, "66.6666", "incomplete"),
        ({"expected": 4, "differing": {"a": "s3://b/forged"}}, "100.0000", "differing"),
        ({"expected": 4, "surplus": 1, "surplus_events": ("x",)}, "100.0000", "surplus"),
        ({}, "n/a", "empty"),
        (None, "100.0000", "unchecked"),
    ],
)
def test_a_build_tells_of_its_days_what_was_counted_last(said: dict[str, Any] | None, pct: str, state: str) -> None:
    """A later day of the same build may have brought events of an earlier one, and then that is counted again."""
    numbers = ("records_read", "excluded", "duplicates", "quarantined_records", "dagster/row_count", "objects_read")
    metadata = dict.fromkeys((*numbers, "quarantined_objects", "raw_bytes", "orc_bytes"), 4)
    result = DayResult(date(2013, 3, 5), {**metadata, "coverage_pct": 100.0, "glue_seconds": 1.0, "commit": 1}, None)
    cells = dict(zip(HEADINGS, _row(result, None if said is None else coverage_with(said)), strict=True))
    assert (cells["coverage %"], cells["state"]) == (pct, state)


@pytest.mark.parametrize(
    ("said", "pct"),
    [
        ({}, None),
        ({"expected": 4}, 100),
        ({"expected": 3, "missing": 1}, 66.6666),
        ({"expected": 4, "missing": 4}, 0),
        ({"expected": 3, "unreadable": {"u": "not_json"}}, 75),
        ({"expected": 3, "unplaceable_records": 1}, 75),
        ({"expected": 3, "set_aside_events": 1}, 75),
        ({"set_aside_events": 1}, 0),
        ({"altered": {"f": "absent"}}, 0),
        ({"expected": 4, "altered": {"f": "absent"}}, 75),
        ({"expected": 4, "altered": {"f": "absent"}, "altered_rows": 2}, 50),
        ({"expected": 4, "missing": 3, "altered": {"f": "absent"}, "altered_rows": 4}, 0),
    ],
)
def test_the_percentage_is_of_what_was_compared_and_no_more(said: dict[str, Any], pct: float | None) -> None:
    made = coverage_with(said)
    assert made.pct == pct
    assert made.document()["coverage_pct"] == pct
