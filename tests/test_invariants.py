"""The checker of the six invariants can fail: each one is broken in storage, reported by name, and put back."""

import gzip
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from loglake_assets.lake.storage.keys import commit_key, late_key, manifest_key
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.rules import load_rules
from loglake_assets.sources.sample_deliveries import GroundTruth
from tests.conftest import FIRST, LAST, BuiltLake, ReviewedLake, ToolLake
from tests.damage import (
    Day,
    body_of,
    changed_manifest,
    changed_partition,
    orc_bytes,
    other_content,
    relocation,
    stored_lake,
    versions_of,
    with_value,
)
from tests.invariants import verdict_of, violations
from tests.judged_day import gaps
from tests.stored_lake import StoredLake, etags_below
from tests.verdict import Verdict

MIDDLE = FIRST + timedelta(days=1)
DAYS = (FIRST, MIDDLE, LAST)


@pytest.fixture(scope="module")
def lake_in_storage(built: BuiltLake) -> StoredLake:
    return stored_lake(built.lake, built.source)


@pytest.fixture
def first(lake_in_storage: StoredLake) -> Day:
    return Day(lake_in_storage, day_number(FIRST))


@pytest.fixture
def last(lake_in_storage: StoredLake) -> Day:
    return Day(lake_in_storage, day_number(LAST))


def judge(lake_in_storage: StoredLake, **options: Any) -> Verdict:
    return verdict_of(lake_in_storage, closed_days=DAYS, **options)


def rows_of(truth: GroundTruth) -> int:
    return sum(truth.distinct_by_day[day.isoformat()] for day in DAYS)


def texts(verdict: Verdict) -> str:
    return "\n".join(f"{v.invariant} {v.day} {v.what} {v.names}" for v in verdict.violations)


def assert_broken(verdict: Verdict, invariants: set[str], what: str) -> None:
    assert verdict.broken == invariants, texts(verdict)
    assert what in texts(verdict)


def test_an_untouched_lake_breaks_nothing(built: BuiltLake, lake_in_storage: StoredLake) -> None:
    told: list[str] = []
    verdict = judge(
        lake_in_storage,
        baseline=etags_below(lake_in_storage.s3, lake_in_storage.raw_bucket),
        strict=True,
        progress=told.append,
    )
    assert verdict.broken == set(), texts(verdict)
    assert verdict.row_count >= rows_of(built.truth), "more once the very late ones are in"
    copies = sum(built.truth.duplicates_by_day[day.isoformat()] for day in DAYS)
    assert verdict.record_count == verdict.row_count + copies
    assert told


def test_the_days_without_a_commit_are_not_judged_unless_they_are_closed(lake_in_storage: StoredLake) -> None:
    named = (
        lake_in_storage.database,
        lake_in_storage.source,
        lake_in_storage.raw_bucket,
        lake_in_storage.readready_bucket,
    )
    found = violations(lake_in_storage.s3, lake_in_storage.glue, *named, closed_days=[FIRST - timedelta(days=1)])
    assert {v.invariant for v in found} <= {"I1"}, "events just before midnight, if any, of a day nobody built"


def test_logs_of_typed_sessions_break_nothing(reviewed: ReviewedLake) -> None:
    lake_in_storage = stored_lake(reviewed.lake, load_source("cloudwatch"))
    verdict = judge(lake_in_storage, strict=True)
    assert verdict.broken == set(), texts(verdict)
    assert verdict.row_count == rows_of(reviewed.truth)


def test_logs_of_models_break_nothing(tools: ToolLake) -> None:
    lake_in_storage = stored_lake(tools.lake, load_source("bedrock"))
    verdict = judge(lake_in_storage, strict=True)
    assert verdict.broken == set(), texts(verdict)
    assert verdict.row_count == rows_of(tools.truth)


@pytest.mark.parametrize(
    ("changed", "invariants", "what"),
    [
        (lambda rows: rows.slice(1), {"I1", "I2", "I6"}, "1 records have an event that no row holds"),
        (lambda rows: rows.slice(0, 0), {"I1", "I2", "I6"}, "files that readers see differ from the run's manifest"),
        (lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]), {"I1", "I2", "I6"}, "that several rows hold"),
        (lambda rows: pa.concat_tables([rows.slice(1), rows.slice(1, 1)]), {"I1"}, "that several rows hold"),
        (lambda rows: with_value(rows, "eventid", "made-up"), {"I1"}, "an event that their raw record is not"),
        (lambda rows: with_value(rows, "f_run", "another"), {"I2"}, "other runs have rows"),
    ],
    ids=["a row lost", "all rows lost", "a row twice", "a row for another", "a row made up", "a row of another run"],
)
def test_a_rewritten_file_of_rows_is_found(
    lake_in_storage: StoredLake, first: Day, changed: Callable[[Any], Any], invariants: set[str], what: str
) -> None:
    with other_content(
        lake_in_storage.s3, lake_in_storage.readready_bucket, first.orc_key, orc_bytes(changed(first.rows()))
    ):
        assert_broken(judge(lake_in_storage), invariants, what)


def test_a_lost_row_is_named_by_its_raw_record(lake_in_storage: StoredLake, first: Day) -> None:
    rows = first.rows()
    row = {name: rows.column(name)[0].as_py() for name in ("raw_key", "raw_ordinal")}
    with other_content(lake_in_storage.s3, lake_in_storage.readready_bucket, first.orc_key, orc_bytes(rows.slice(1))):
        names = [name for v in judge(lake_in_storage).violations if v.invariant == "I1" for name in v.names]
    assert f"record {row['raw_ordinal']} of s3://{lake_in_storage.raw_bucket}/{row['raw_key']}" in names


def test_a_file_beside_those_of_the_run_is_found(lake_in_storage: StoredLake, first: Day) -> None:
    beside = first.orc_key.rsplit("/", 1)[0] + "/beside.orc"
    with other_content(
        lake_in_storage.s3, lake_in_storage.readready_bucket, beside, orc_bytes(first.rows().slice(0, 0))
    ):
        assert_broken(judge(lake_in_storage), {"I2"}, beside)


def test_a_file_that_is_no_orc_is_found(lake_in_storage: StoredLake, first: Day) -> None:
    with other_content(lake_in_storage.s3, lake_in_storage.readready_bucket, first.orc_key, b"cut"):
        assert_broken(judge(lake_in_storage), {"I1", "I2", "I6"}, "are no ORC")


def test_readers_sent_to_a_run_that_was_not_committed_are_found(lake_in_storage: StoredLake, first: Day) -> None:
    """The other run is whole, with a manifest of its own, so that nothing but the order of commits is broken."""
    run, document, rows = f"r{uuid.uuid4().hex[:12]}", first.manifest, first.rows()
    runs = pa.array([run] * rows.num_rows)
    rows = rows.set_column(rows.schema.get_field_index("f_run"), "f_run", runs)
    moved = json.loads(json.dumps(document).replace(document["run_id"], run))
    manifest = gzip.compress(json.dumps(moved).encode())
    assert len(document["files"]) == 1
    with (
        other_content(lake_in_storage.s3, lake_in_storage.readready_bucket, moved["files"][0]["key"], orc_bytes(rows)),
        other_content(
            lake_in_storage.s3,
            lake_in_storage.readready_bucket,
            manifest_key(lake_in_storage.table, first.number, run),
            manifest,
        ),
        changed_partition(lake_in_storage, lake_in_storage.table, [str(first.number)], relocation(moved["location"])),
    ):
        assert_broken(judge(lake_in_storage), {"I3"}, "the partition is not at the location of commit")


def test_readers_sent_to_an_empty_directory_are_found(lake_in_storage: StoredLake, first: Day) -> None:
    elsewhere = first.commit["location"].replace("/run=", "/run=none-")
    with changed_partition(lake_in_storage, lake_in_storage.table, [str(first.number)], relocation(elsewhere)):
        assert_broken(judge(lake_in_storage), {"I1", "I2", "I3"}, "readers see no row")


def test_a_partition_that_says_another_commit_is_found(lake_in_storage: StoredLake, first: Day) -> None:
    def change(partition: dict[str, Any]) -> None:
        partition["Parameters"]["loglake.commit_seq"] = "99"

    with changed_partition(lake_in_storage, lake_in_storage.table, [str(first.number)], change):
        assert_broken(judge(lake_in_storage), {"I3"}, "the partition shows commit 99")


def test_a_day_without_its_partition_is_found(lake_in_storage: StoredLake, first: Day) -> None:
    with changed_partition(lake_in_storage, lake_in_storage.table, [str(first.number)], None):
        assert_broken(judge(lake_in_storage), {"I1", "I2", "I3"}, "has no partition")


def test_a_removed_commit_is_found(lake_in_storage: StoredLake, last: Day) -> None:
    with other_content(
        lake_in_storage.s3,
        lake_in_storage.readready_bucket,
        commit_key(lake_in_storage.table, last.number, last.seq),
        None,
    ):
        verdict = judge(lake_in_storage)
    assert verdict.broken == {"I3"}, texts(verdict)
    assert {v.day for v in verdict.violations} == {last.number}


def test_a_commit_that_is_missing_between_others_is_a_gap() -> None:
    assert gaps({1, 2, 4, 7}) == [3, 5, 6]
    assert gaps({1, 2}) == gaps(()) == []


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "changed"])
def test_a_touched_raw_object_is_found_against_the_baseline(
    lake_in_storage: StoredLake, first: Day, is_removed: bool
) -> None:
    keys = first.rows().column("raw_key").to_pylist()
    key = next(key for key in keys if f"/{FIRST:%Y/%m/%d}/" in key)
    baseline, body = (
        etags_below(lake_in_storage.s3, lake_in_storage.raw_bucket),
        body_of(lake_in_storage.s3, lake_in_storage.raw_bucket, key),
    )
    versions = versions_of(lake_in_storage.s3, lake_in_storage.raw_bucket, key)
    assert body is not None
    with other_content(lake_in_storage.s3, lake_in_storage.raw_bucket, key, None if is_removed else body + b"\0"):
        verdict = judge(lake_in_storage, baseline=baseline)
        assert_broken(verdict, {"I4"}, key)
        assert any("raw cannot be counted again" in p.what for p in verdict.pending)
        assert judge(lake_in_storage).broken == set(), "what was there before, nobody can tell without a baseline"
    assert etags_below(lake_in_storage.s3, lake_in_storage.raw_bucket) == baseline
    assert versions_of(lake_in_storage.s3, lake_in_storage.raw_bucket, key) == versions


@pytest.mark.parametrize("change", [None, relocation("s3://elsewhere/")], ids=["removed", "elsewhere"])
def test_a_raw_prefix_without_its_partition_is_found(
    lake_in_storage: StoredLake, change: Callable[[dict[str, Any]], None] | None
) -> None:
    day = str(day_number(MIDDLE))
    values = next(list(v) for v in sorted(lake_in_storage.partitions(lake_in_storage.source.raw.name)) if v[-1] == day)
    with changed_partition(lake_in_storage, lake_in_storage.source.raw.name, values, change):
        assert_broken(judge(lake_in_storage), {"I5"}, f"/{MIDDLE:%Y/%m/%d}/")


def test_a_prefix_that_is_denied_needs_no_partition(lake_in_storage: StoredLake) -> None:
    day = str(day_number(MIDDLE))
    values = next(list(v) for v in sorted(lake_in_storage.partitions(lake_in_storage.source.raw.name)) if v[-1] == day)
    deny = f'version = 1\n[[deny]]\nname = "lever"\nsource = "cloudtrail"\naccounts = ["{values[1]}"]'
    with changed_partition(lake_in_storage, lake_in_storage.source.raw.name, values, None):
        assert judge(lake_in_storage, rules=load_rules("cloudtrail", deny)).broken == set()


@pytest.mark.parametrize(
    ("counts", "what"),
    [
        (("records_read", "excluded"), "excluded in raw"),
        (("records_read", "duplicates"), "duplicates as rows"),
        (("records_read", "quarantined_records"), "quarantined_records in raw"),
        (("records_read", "written"), "written as rows"),
        (("written",), "accounted for"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
def test_a_false_count_is_found(lake_in_storage: StoredLake, first: Day, counts: tuple[str, ...], what: str) -> None:
    def change(document: dict[str, Any]) -> None:
        for name in counts:
            document["totals"][name] += 1

    with changed_manifest(first, change):
        assert_broken(judge(lake_in_storage), {"I6"}, what)


def test_a_removed_manifest_is_found(lake_in_storage: StoredLake, first: Day) -> None:
    with other_content(lake_in_storage.s3, lake_in_storage.readready_bucket, first.manifest_key, None):
        assert_broken(judge(lake_in_storage), {"I1", "I2", "I6"}, "no manifest")


def test_a_good_object_in_quarantine_is_found(lake_in_storage: StoredLake, first: Day) -> None:
    key = first.rows().column("raw_key")[0].as_py()
    entry = {"bucket": lake_in_storage.raw_bucket, "key": key, "ordinal": None, "reason": "not_json"}
    with changed_manifest(first, lambda document: document["quarantine"].append(entry)):
        assert_broken(
            judge(lake_in_storage),
            {"I1"},
            f"are in quarantine and can be read ('s3://{lake_in_storage.raw_bucket}/{key}',)",
        )


def test_a_good_record_in_quarantine_is_found(lake_in_storage: StoredLake, first: Day) -> None:
    row = {name: first.rows().column(name)[0].as_py() for name in ("raw_key", "raw_ordinal")}
    entry = {"bucket": lake_in_storage.raw_bucket, "key": row["raw_key"], "ordinal": row["raw_ordinal"], "reason": "x"}
    with changed_manifest(first, lambda document: document["quarantine"].append(entry)):
        assert_broken(judge(lake_in_storage), {"I1"}, f"record {row['raw_ordinal']} of")


@pytest.mark.parametrize("day", [FIRST, LAST], ids=["an object", "a record"])
def test_a_bad_part_that_quarantine_does_not_list_is_found(lake_in_storage: StoredLake, day: date) -> None:
    with changed_manifest(Day(lake_in_storage, day_number(day)), lambda document: document["quarantine"].clear()):
        assert_broken(judge(lake_in_storage), {"I1"}, "unreadable parts are not in quarantine")


def unseen_event(built: BuiltLake) -> bytes:
    record = {"eventID": uuid.uuid4().hex, "eventTime": f"{FIRST}T12:00:00Z", "eventName": "GetObject"}
    return gzip.compress(json.dumps({"Records": [record]}).encode())


def key_beside(lake_in_storage: StoredLake, day: date) -> str:
    """A new key under a delivery prefix of the day that has a partition."""
    prefix = next(
        key.rsplit("/", 1)[0]
        for key in etags_below(lake_in_storage.s3, lake_in_storage.raw_bucket)
        if f"/{day:%Y/%m/%d}/" in key
    )
    return f"{prefix}/{uuid.uuid4().hex}.json.gz"


def test_an_event_that_no_build_has_read_is_found(built: BuiltLake, lake_in_storage: StoredLake) -> None:
    key = key_beside(lake_in_storage, FIRST)
    with other_content(lake_in_storage.s3, lake_in_storage.raw_bucket, key, unseen_event(built)):
        assert_broken(judge(lake_in_storage), {"I1"}, f"record 0 of s3://{lake_in_storage.raw_bucket}/{key}")


def test_an_excluded_event_needs_no_row(built: BuiltLake, lake_in_storage: StoredLake) -> None:
    rules = load_rules(
        "cloudtrail", '[[exclude]]\nname = "gets"\nsource = "cloudtrail"\neventname = ["GetObject"]\n[x]'
    )
    with other_content(
        lake_in_storage.s3, lake_in_storage.raw_bucket, key_beside(lake_in_storage, FIRST), unseen_event(built)
    ):
        verdict = judge(lake_in_storage, rules=replace(rules, version=99))
    assert verdict.broken == set(), texts(verdict)
    assert any("other rules stood" in p.what for p in verdict.pending)


def test_a_late_event_is_pending_once_the_ledger_names_it(
    built: BuiltLake, lake_in_storage: StoredLake, first: Day
) -> None:
    """The object lies two days after its event, where no build of the event's day looks by itself."""
    key, body = key_beside(lake_in_storage, LAST), unseen_event(built)
    with other_content(lake_in_storage.s3, lake_in_storage.raw_bucket, key, body):
        assert_broken(judge(lake_in_storage), {"I1"}, key)
        etag = etags_below(lake_in_storage.s3, lake_in_storage.raw_bucket, key)[key]
        entry = late_key(lake_in_storage.table, first.number, lake_in_storage.raw_bucket, key, etag)
        named = json.dumps({"bucket": lake_in_storage.raw_bucket, "key": key, "day": first.number}).encode()
        with other_content(lake_in_storage.s3, lake_in_storage.readready_bucket, entry, named):
            verdict = judge(lake_in_storage)
            assert verdict.broken == set(), texts(verdict)
            assert [(p.invariant, p.day) for p in verdict.pending] == [("I1", first.number)]
            assert judge(lake_in_storage, strict=True).broken == {"I1"}


def test_everything_was_put_back(lake_in_storage: StoredLake) -> None:
    verdict = judge(lake_in_storage, strict=True)
    assert verdict.broken == set(), texts(verdict)
