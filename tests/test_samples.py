"""The generated samples are what their ground truth says. The reader here shares nothing with generator or lake."""

import dataclasses
import gzip
import hashlib
import itertools
import json
import os
import subprocess
import sys
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from loglake_assets.sources import load_source
from loglake_assets.sources.placement import Ignored, Placement, place
from loglake_assets.sources.sample_deliveries import GroundTruth, NoSamplesError, SampleObject, generate

ROOT = Path(__file__).parent.parent
EVENTS = 5_000
SOURCE = load_source("cloudtrail")


@dataclass
class Recount:
    """What reading every placed object gives, day by day of the event."""

    keys_of_event: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    texts_of_event: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    record_of_event: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    record_count: int = 0
    unusable: Counter[str] = field(default_factory=Counter)
    unreadable: dict[str, str] = field(default_factory=dict)

    def distinct_by_day(self) -> dict[str, int]:
        return dict(sorted(Counter(day for day, _ in self.keys_of_event).items()))

    def duplicates_by_day(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for (day, _), keys in self.keys_of_event.items():
            counts[day] += len(keys) - 1
        return {day: count for day, count in sorted(counts.items()) if count}

    def events_by_day(self, source: str, name: str, denied: bool | None = None) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for (day, _), record in self.record_of_event.items():
            if record["eventSource"] == source and record["eventName"] == name:
                counts[day] += denied is None or denied == ("errorCode" in record)
        return dict(sorted(counts.items()))


def inflate(body: bytes) -> bytes:
    """Raises EOFError where the gzip is cut, zlib.error or BadGzipFile where it is damaged."""
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def recount_of(objects: list[SampleObject]) -> Recount:
    recount = Recount()
    for item in objects:
        if isinstance(place(SOURCE, "bucket", item.key), Placement):
            _read(item, recount)
    return recount


def _read(item: SampleObject, recount: Recount) -> None:
    try:
        content = inflate(item.body)
    except EOFError:
        recount.unreadable[item.key] = "truncated_gzip"
        return
    except (zlib.error, gzip.BadGzipFile):
        recount.unreadable[item.key] = "corrupt_gzip"
        return
    for record in json.loads(content)["Records"] if content else []:
        recount.record_count += 1
        _count(item.key, record, recount)


def _count(key: str, record: dict[str, Any], recount: Recount) -> None:
    time = record.get("eventTime")
    if time is None:
        recount.unusable["eventtime_missing"] += 1
        return
    if time < "2013":
        recount.unusable["eventtime_implausible"] += 1
        return
    text = json.dumps(record)
    event = (time[:10], record.get("eventID") or hashlib.sha256(text.encode()).hexdigest())
    recount.keys_of_event[event].append(key)
    recount.texts_of_event[event].add(text)
    recount.record_of_event[event] = record


def prefix_day(key: str) -> str:
    placement = place(SOURCE, "bucket", key)
    assert isinstance(placement, Placement)
    return placement.day.isoformat()


@pytest.fixture(scope="module")
def objects() -> list[SampleObject]:
    return list(generate("cloudtrail", events=EVENTS, truncated=1, very_late=1).objects())


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    return generate("cloudtrail", events=EVENTS, truncated=1, very_late=1).ground_truth()


@pytest.fixture(scope="module")
def recount(objects: list[SampleObject]) -> Recount:
    return recount_of(objects)


def test_the_same_arguments_give_the_same_bytes_and_another_seed_gives_others() -> None:
    samples = generate("cloudtrail", events=1_500)
    first = list(samples.objects())
    assert list(samples.objects()) == first
    assert list(generate("cloudtrail", events=1_500).objects()) == first
    assert list(generate("cloudtrail", events=1_500, seed=2).objects()) != first


_FINGERPRINT = """
import dataclasses, hashlib
from loglake_assets.sources.sample_deliveries import generate
samples = generate("cloudtrail", events=1_500, very_late=1)
digest = hashlib.sha256()
for item in [*samples.objects(), *samples.late_objects()]:
    digest.update(f"{item.key} {item.kind} {len(item.body)} ".encode() + item.body)
digest.update(repr(dataclasses.asdict(samples.ground_truth())).encode())
print(digest.hexdigest())
"""


@pytest.mark.long
def test_hash_seed_and_time_zone_change_nothing() -> None:
    prints = set()
    for hash_seed, zone in (("0", "UTC"), ("77", "Pacific/Auckland")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", _FINGERPRINT]
        prints.add(subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True).stdout)
    assert len(prints) == 1


def test_an_independent_reader_finds_what_the_ground_truth_says(recount: Recount, truth: GroundTruth) -> None:
    assert recount.distinct_by_day() == truth.distinct_by_day
    assert recount.duplicates_by_day() == truth.duplicates_by_day
    assert recount.record_count == truth.records_in_readable_objects
    assert dict(recount.unusable) == truth.quarantined_records
    assert recount.unreadable == truth.quarantined_objects
    assert sorted(recount.unreadable.values()) == ["corrupt_gzip", "truncated_gzip"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("days", "events", "seed", "faults"),
    [
        (1, 500, 3, {}),
        (3, 5_000, 1, {"truncated": 2}),
        (2, 3_000, 9, {"corrupt": 3, "without_event_time": 4, "epoch_event_time": 0}),
        (4, 6_000, 5, {"corrupt": 0, "without_event_time": 0}),
    ],
)
def test_the_counts_add_up_exactly(days: int, events: int, seed: int, faults: dict[str, int]) -> None:
    samples = generate("cloudtrail", date(2024, 2, 28), days, events, seed, **faults)
    truth = samples.ground_truth()
    found = recount_of(list(samples.objects()))
    distinct, duplicates = sum(truth.distinct_by_day.values()), sum(truth.duplicates_by_day.values())
    assert truth.records_in_readable_objects == distinct + duplicates + sum(truth.quarantined_records.values())
    assert distinct + sum(truth.events_in_unreadable_objects.values()) == events
    assert (found.distinct_by_day(), found.duplicates_by_day()) == (truth.distinct_by_day, truth.duplicates_by_day)
    assert found.record_count == truth.records_in_readable_objects
    assert found.unreadable == truth.quarantined_objects


def test_what_an_unreadable_object_held_is_known_by_day() -> None:
    """The plan is the same but for the fault, so the difference between both runs is what was lost."""
    whole = generate("cloudtrail", events=EVENTS, corrupt=0, without_event_time=0, epoch_event_time=0)
    damaged = generate("cloudtrail", events=EVENTS, corrupt=1, without_event_time=0, epoch_event_time=0).ground_truth()
    lost = Counter(recount_of(list(whole.objects())).distinct_by_day())
    lost.subtract(damaged.distinct_by_day)
    assert {day: count for day, count in lost.items() if count} == damaged.events_in_unreadable_objects


def test_every_key_is_placed_or_ignored_as_counted(objects: list[SampleObject], truth: GroundTruth) -> None:
    placed = [place(SOURCE, "bucket", item.key) for item in objects]
    assert Counter(p.reason for p in placed if isinstance(p, Ignored)) == Counter(truth.ignored_keys)
    assert len({p.values for p in placed if isinstance(p, Placement)}) == truth.raw_partitions
    assert Counter(item.kind for item in objects) == Counter(truth.objects_by_kind)
    assert len({item.key for item in objects}) == len(objects)


def test_ssm_sessions_are_counted_and_those_of_other_services_are_not(recount: Recount, truth: GroundTruth) -> None:
    ssm, athena = "ssm.amazonaws.com", "athena.amazonaws.com"
    counts = truth.named_counts_by_day
    assert recount.events_by_day(ssm, "StartSession") == counts["ssm_start_session"]
    assert recount.events_by_day(ssm, "StartSession", denied=True) == counts["ssm_start_session_denied"]
    assert recount.events_by_day(ssm, "TerminateSession") == counts["ssm_terminate_session"]
    assert recount.events_by_day(athena, "StartSession") == counts["other_start_session"]
    assert all(sum(counts[name].values()) for name in counts)


def test_session_ids_have_both_forms_and_names_with_separators(recount: Recount) -> None:
    records = recount.record_of_event.values()
    calls = [r for r in records if (r["eventSource"], r["eventName"]) == ("ssm.amazonaws.com", "StartSession")]
    started = [r["responseElements"]["sessionId"] for r in calls if "errorCode" not in r]
    assert {len(session.rsplit("-", 1)[1]) for session in started} == {17, 26}
    names = "".join(session.rsplit("-", 1)[0] for session in started)
    assert all(mark in names for mark in "-.@")
    ended = {r["requestParameters"]["sessionId"] for r in records if r["eventName"] == "TerminateSession"}
    assert len(ended & set(started)) > 5
    denied = [r for r in calls if "errorCode" in r]
    assert all(r["requestParameters"] is r["responseElements"] is None for r in denied)


def test_copies_are_identical_and_never_in_the_same_object(recount: Recount, truth: GroundTruth) -> None:
    copied = {event: keys for event, keys in recount.keys_of_event.items() if len(keys) > 1}
    assert all(len(set(keys)) == len(keys) for keys in copied.values())
    assert all(len(recount.texts_of_event[event]) == 1 for event in copied)
    across = sum(len({prefix_day(key) for key in keys}) > 1 for keys in copied.values())
    assert across == truth.faults["duplicated_across_midnight"] > 0
    assert sum(truth.duplicates_by_day.values()) == truth.faults["duplicate_records"]
    assert 0.015 < truth.faults["duplicate_records"] / EVENTS < 0.025


def test_late_events_lie_under_the_next_days_prefix(recount: Recount, truth: GroundTruth) -> None:
    days = {event: {prefix_day(key) for key in keys} for event, keys in recount.keys_of_event.items()}
    late = [event for event, prefixes in days.items() if event[0] not in prefixes]
    assert len(late) == truth.faults["late_events"]
    assert 0.004 < len(late) / EVENTS < 0.01
    for (day, _), prefixes in days.items():
        assert {(date.fromisoformat(p) - date.fromisoformat(day)).days for p in prefixes} <= {0, 1}
    at_the_end = [r for r in recount.record_of_event.values() if r["eventTime"].endswith("T23:59:59Z")]
    assert len(at_the_end) == truth.faults["events_at_the_last_second"] > 0


def test_the_promised_oddities_are_there(recount: Recount, truth: GroundTruth, objects: list[SampleObject]) -> None:
    records = list(recount.record_of_event.values())
    assert sum("eventID" not in r for r in records) == truth.faults["without_event_id"] == 1
    assert sum("requestID" not in r and "eventID" in r for r in records) == truth.faults["without_request_id"] == 1
    assert sum("futureDetails" in r for r in records) == truth.faults["future_key"]
    assert sum(r.get("readOnly") == "true" for r in records) == truth.faults["read_only_as_text"]
    assert sum("addendum" in r for r in records) == truth.faults["addendum"]
    assert sum(len(json.dumps(r)) > 100_000 for r in records) == truth.faults["huge_record"] == 1
    assert {type((r["requestParameters"] or {}).get("maxResults")) for r in records} >= {int, str}
    assert any("readOnly" not in r for r in records)
    hostile = "".join(r["userAgent"] for r in records)
    assert all(mark in hostile for mark in ("\u001b[2K", "<script>", "\u202e"))
    assert {r["eventVersion"] for r in records} >= {"1.0", "1.05", "1.08", "1.11"}
    assert any(r["userIdentity"] == {"type": "AWSService", "invokedBy": "glue.amazonaws.com"} for r in records)
    assert any("onBehalfOf" in r["userIdentity"] for r in records)
    assert any(_global_service_elsewhere(recount, event) for event in recount.keys_of_event)
    times = [r.get("eventTime", "") for r in json.loads(inflate(objects[0].body))["Records"]]
    assert times != sorted(times)


def _global_service_elsewhere(recount: Recount, event: tuple[str, str]) -> bool:
    """An IAM event, always us-east-1, that another Region's files hold."""
    record, keys = recount.record_of_event[event], recount.keys_of_event[event]
    elsewhere = all("/us-east-1/" not in key for key in keys)
    return elsewhere and (record["eventSource"], record["awsRegion"]) == ("iam.amazonaws.com", "us-east-1")


def test_shared_event_ids_link_two_accounts_at_one_time(recount: Recount, truth: GroundTruth) -> None:
    pairs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in recount.record_of_event.values():
        if "sharedEventID" in record:
            pairs[record["sharedEventID"]].append(record)
    assert sum(len(pair) for pair in pairs.values()) == truth.faults["shared"]
    for pair in pairs.values():
        assert len({r["recipientAccountId"] for r in pair}) == 2
        assert len({(r["eventTime"], r["awsRegion"]) for r in pair}) == 1


def test_objects_are_odd_where_they_say_so(objects: list[SampleObject]) -> None:
    by_kind = {item.kind: item for item in objects}
    assert by_kind["zero_byte"].body == b""
    assert inflate(by_kind["empty_records"].body) == b'{"Records":[]}'
    assert by_kind["gzip_without_suffix"].body[:2] == b"\x1f\x8b"
    assert by_kind["plain_json"].body[:1] == b"{"
    assert by_kind["gzip_without_suffix"].key.endswith(".json")
    assert by_kind["plain_json"].key.endswith(".json")


def test_digests_name_every_file_of_their_account_and_region_with_its_hash(objects: list[SampleObject]) -> None:
    bodies = {item.key: item.body for item in objects}
    damaged = {item.key for item in objects if item.kind in ("corrupt", "truncated")}
    digests = [json.loads(inflate(item.body)) for item in objects if item.kind == "digest"]
    named = {file["s3Object"]: file["hashValue"] for digest in digests for file in digest["logFiles"]}
    for key, value in named.items():
        assert key in damaged or hashlib.sha256(inflate(bodies[key])).hexdigest() == value
    prefix = "AWSLogs/o-exampleorg1/111122223333/CloudTrail/us-east-1/"
    assert set(named) == {key for key in bodies if key.startswith(prefix) and "/2026/11/04/" not in key}
    for earlier, later in itertools.pairwise(digests):
        assert later["previousDigestS3Object"] == earlier["digestS3Object"]


def test_very_late_objects_come_apart_and_hold_the_first_day(truth: GroundTruth, objects: list[SampleObject]) -> None:
    late = list(generate("cloudtrail", events=EVENTS, truncated=1, very_late=1).late_objects())
    assert len(late) == truth.very_late_objects == 1
    assert not {item.key for item in late} & {item.key for item in objects}
    assert {prefix_day(item.key) for item in late} == {"2026-11-04"}
    assert recount_of(late).distinct_by_day() == truth.very_late_by_day
    assert list(truth.very_late_by_day) == ["2026-11-01"]
    assert not list(generate("cloudtrail", events=EVENTS).late_objects())


def test_the_ground_truth_is_json(truth: GroundTruth) -> None:
    assert GroundTruth(**json.loads(json.dumps(dataclasses.asdict(truth)))) == truth


def test_only_example_accounts_and_keys_are_used(objects: list[SampleObject]) -> None:
    text = b"".join(inflate(item.body) for item in objects if item.kind == "log").decode()
    for marker in ("AKIA", "ASIA", "AROA", "AIDA"):
        assert text.count(marker) == text.count(f"{marker}EXAMPLE") > 0


def test_a_source_without_samples_and_impossible_numbers_are_refused_in_a_sentence() -> None:
    with pytest.raises(NoSamplesError, match="no_such_source"):
        generate("no_such_source")
    with pytest.raises(ValueError, match="events a day are needed"):
        generate("cloudtrail", events=10)
    with pytest.raises(ValueError, match="There are no faults"):
        generate("cloudtrail", events=EVENTS, no_such_fault=1)
