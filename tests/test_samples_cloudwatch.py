"""The generated CloudWatch samples are what their truth says. The reader here shares nothing with generator or lake."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from loglake_assets.sources import load_source
from loglake_assets.sources.placement import Ignored, Placement, place
from loglake_assets.sources.sample_deliveries import GroundTruth, SampleObject, SessionTruth, generate

ROOT = Path(__file__).parent.parent
EVENTS, FIRST_DAY, DAYS = 5_000, date(2026, 11, 1), 3
FAULTS = {"truncated": 1, "very_late": 1}
SOURCE = load_source("cloudwatch")
SESSION_GROUP = "/aws/ssm/sessionlogs"
Event = tuple[str, str, str, str]


class UnreadableError(ValueError):
    """An object is no delivery; the reason is its argument."""


@dataclass
class Recount:
    """What reading every placed object gives."""

    keys_of_event: dict[Event, list[str]] = field(default_factory=lambda: defaultdict(list))
    texts_of_event: dict[Event, set[str]] = field(default_factory=lambda: defaultdict(set))
    log_events: dict[Event, dict[str, Any]] = field(default_factory=dict)
    controls: Counter[str] = field(default_factory=Counter)
    unusable: Counter[str] = field(default_factory=Counter)
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def record_count(self) -> int:
        return sum(map(len, self.keys_of_event.values())) + self.controls.total() + self.unusable.total()

    def distinct_by_day(self) -> dict[str, int]:
        return dict(sorted(Counter(day_of(e["timestamp"]) for e in self.log_events.values()).items()))

    def duplicates_by_day(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for event, keys in self.keys_of_event.items():
            counts[day_of(self.log_events[event]["timestamp"])] += len(keys) - 1
        return {day: count for day, count in sorted(counts.items()) if count}

    def sessions(self) -> dict[str, list[dict[str, Any]]]:
        """Session id: its log events in order."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for (_, group, stream, _), event in self.log_events.items():
            if group == SESSION_GROUP:
                found[stream].append(event)
        return {stream: sorted(events, key=lambda e: (e["timestamp"], e["id"])) for stream, events in found.items()}


def day_of(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()


def inflate(body: bytes) -> bytes:
    """All gzip members, and what is gzip inside of that."""
    content, rest = [], body
    while rest[:2] == b"\x1f\x8b":
        inflator = zlib.decompressobj(31)
        try:
            content.append(inflator.decompress(rest))
        except zlib.error as error:
            raise UnreadableError("corrupt_gzip") from error
        if not inflator.eof:
            raise UnreadableError("truncated_gzip")
        rest = inflator.unused_data
    if not content:
        return body
    assert not rest
    return inflate(b"".join(content))


def documents(body: bytes) -> list[dict[str, Any]]:
    text, position, found = inflate(body).decode(), 0, []
    while text[position:].strip():
        position += len(text[position:]) - len(text[position:].lstrip()) if text[position].isspace() else 0
        document, position = json.JSONDecoder().raw_decode(text, position)
        found.append(document)
    for document in found:
        if "rawData" in document:
            raise UnreadableError("firehose_failed_records")
        if "logEvents" not in document:
            raise UnreadableError("message_extraction")
    return found


def recount_of(objects: list[SampleObject]) -> Recount:
    recount = Recount()
    for item in objects:
        if not isinstance(place(SOURCE, "bucket", item.key), Placement):
            continue
        try:
            found = documents(item.body)
        except UnreadableError as error:
            recount.unreadable[item.key] = str(error)
            continue
        for document in found:
            for event in document["logEvents"]:
                _count(item.key, document, event, recount)
    return recount


def _count(key: str, document: dict[str, Any], event: dict[str, Any], recount: Recount) -> None:
    if document["messageType"] == "CONTROL_MESSAGE":
        recount.controls[day_of(event["timestamp"])] += 1
        return
    if event["timestamp"] < 1_400_000_000_000:
        recount.unusable["eventtime_implausible"] += 1
        return
    identity = (document["owner"], document["logGroup"], document["logStream"], event["id"])
    recount.keys_of_event[identity].append(key)
    recount.texts_of_event[identity].add(json.dumps(event))
    recount.log_events[identity] = event


def transcript(events: list[dict[str, Any]]) -> tuple[str, ...]:
    """The lines of a session's log events, streamed or not; fragments of a line are put together."""
    text = ""
    for event in events:
        if not event["message"].startswith("{"):
            text += event["message"] + "\n"
            continue
        entries = json.loads(event["message"])["sessionData"]
        is_fragment = [len(entry.encode()) for entry in entries] == [33_000]
        text += "\n".join(entries) + ("" if is_fragment else "\n")
    return tuple(text.removesuffix("\n").split("\n"))


@pytest.fixture(scope="module")
def objects() -> list[SampleObject]:
    return list(generate("cloudwatch", events=EVENTS, **FAULTS).objects())


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    return generate("cloudwatch", events=EVENTS, **FAULTS).ground_truth()


@pytest.fixture(scope="module")
def recount(objects: list[SampleObject]) -> Recount:
    return recount_of(objects)


def test_the_same_arguments_give_the_same_bytes_and_another_seed_gives_others() -> None:
    samples = generate("cloudwatch", events=1_500)
    first = list(samples.objects())
    assert list(samples.objects()) == first
    assert list(generate("cloudwatch", events=1_500).objects()) == first
    assert list(generate("cloudwatch", events=1_500, seed=2).objects()) != first


_FINGERPRINT = """
import dataclasses, hashlib
from loglake_assets.sources.sample_deliveries import generate
samples = generate("cloudwatch", events=1_500, very_late=1)
digest = hashlib.sha256()
for item in [*samples.objects(), *samples.late_objects()]:
    digest.update(f"{item.key} {item.kind} {len(item.body)} ".encode() + item.body)
digest.update(repr(dataclasses.asdict(samples.ground_truth())).encode())
print(digest.hexdigest())
"""


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
    assert dict(sorted(recount.controls.items())) == truth.excluded_by_day
    assert dict(recount.unusable) == truth.quarantined_records == {"eventtime_implausible": 1}
    assert recount.record_count == truth.records_in_readable_objects
    assert recount.unreadable == truth.quarantined_objects
    reasons = ["corrupt_gzip", "firehose_failed_records", "message_extraction", "truncated_gzip"]
    assert sorted(recount.unreadable.values()) == reasons


@pytest.mark.long
@pytest.mark.parametrize(
    ("days", "events", "seed", "faults"),
    [
        (1, 500, 1, {}),
        (1, 500, 3, {}),
        (3, 5_000, 1, {"truncated": 2}),
        (2, 3_000, 9, {"corrupt": 3, "epoch_event_time": 4}),
        (4, 6_000, 5, {"corrupt": 0, "epoch_event_time": 0, "processing_failed": 0, "message_extraction": 0}),
    ],
)
def test_the_counts_add_up_exactly(days: int, events: int, seed: int, faults: dict[str, int]) -> None:
    first_day = date(2024, 2, 28)
    samples = generate("cloudwatch", first_day, days, events, seed, **faults)
    truth = samples.ground_truth()
    found = recount_of(list(samples.objects()))
    distinct, duplicates = sum(truth.distinct_by_day.values()), sum(truth.duplicates_by_day.values())
    others = sum(truth.excluded_by_day.values()) + sum(truth.quarantined_records.values())
    assert truth.records_in_readable_objects == distinct + duplicates + others
    assert distinct + sum(truth.events_in_unreadable_objects.values()) == events
    assert (found.distinct_by_day(), found.duplicates_by_day()) == (truth.distinct_by_day, truth.duplicates_by_day)
    assert found.record_count == truth.records_in_readable_objects
    assert found.unreadable == truth.quarantined_objects
    assert sessions_known(found, first_day, days, events, seed) == truth_rows(truth)


def test_every_key_is_placed_or_ignored_as_counted(objects: list[SampleObject], truth: GroundTruth) -> None:
    placed = [place(SOURCE, "bucket", item.key) for item in objects]
    assert Counter(p.reason for p in placed if isinstance(p, Ignored)) == Counter(truth.ignored_keys)
    assert truth.ignored_keys == {"folder_marker": 1, "unknown_key": 1}
    assert len({p.values for p in placed if isinstance(p, Placement)}) == truth.raw_partitions
    assert {p.values[0] for p in placed if isinstance(p, Placement)} == {"-", "central", "processing-failed"}
    assert Counter(item.kind for item in objects) == Counter(truth.objects_by_kind)
    assert len({item.key for item in objects}) == len(objects)


def cloudtrail_sessions(
    first_day: date, days: int, events: int, seed: int
) -> tuple[dict[str, dict[str, Any]], dict[str, float], int]:
    """Of CloudTrail's readable objects: StartSession by session id, time of TerminateSession by id, denied attempts."""
    started, ended, denied = {}, {}, set()
    for item in generate("cloudtrail", first_day, days, events, seed).objects():
        if "/CloudTrail/" not in item.key or not item.body or item.kind == "corrupt":
            continue
        for record in json.loads(inflate(item.body))["Records"]:
            name = record["eventName"] if record["eventSource"] == "ssm.amazonaws.com" else ""
            if name == "StartSession" and "errorCode" in record:
                denied.add(record["eventID"])
            elif name == "StartSession":
                started[record["responseElements"]["sessionId"]] = record
            elif name == "TerminateSession":
                ended[record["requestParameters"]["sessionId"]] = seconds(record["eventTime"])
    return started, ended, len(denied)


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def sessions_known(found: Recount, first_day: date, days: int, events: int, seed: int) -> list[tuple[Any, ...]]:
    """(session id, day, state, lines, number of events) of each session, from the bytes of both logs."""
    started, ended, denied = cloudtrail_sessions(first_day, days, events, seed)
    begin = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC).timestamp()
    end = begin + days * 86_400
    uploads = found.sessions()
    rows: list[tuple[Any, ...]] = [("", "denied")] * denied
    for session in started.keys() | uploads.keys():
        built = [e for e in uploads.get(session, ()) if e["timestamp"] < end * 1000]
        record = started.get(session)
        if record is None and not built:
            continue
        day = record["eventTime"][:10] if record else day_of(built[0]["timestamp"])
        state = _state(record, ended.get(session), built, found.unreadable, end)
        rows.append((session, day, state, transcript(built) if built else (), len(built)))
    return sorted(rows)


def _state(
    record: dict[str, Any] | None,
    ended: float | None,
    built: list[dict[str, Any]],
    unreadable: dict[str, str],
    end: float,
) -> str:
    if record is None:
        return "orphan"
    start = seconds(record["eventTime"])
    if not built:
        if record["requestParameters"].get("documentName") in ("AWS-StartPortForwardingSession", "AWS-StartSSHSession"):
            return "not_loggable"
        return "awaiting" if min(start + 3600, ended or start + 3600) > end else "lost"
    last_event = built[-1]["timestamp"] / 1000
    last = max(ended or 0, last_event)
    beside = any(start - 900 <= time_in(key) <= last + 900 for key in unreadable)
    return "recorded_partly" if beside or (ended is None and last_event > end - 3600) else "recorded"


def time_in(key: str) -> float:
    match = re.search(r"-(\d{4}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)-", key)
    assert match
    return seconds(f"{match[1]}T{match[2]}:{match[3]}:{match[4]}Z")


def truth_rows(truth: GroundTruth) -> list[tuple[Any, ...]]:
    return sorted(
        ("", "denied") if s.state == "denied" else (s.session_id, s.day, s.state, s.lines, s.events)
        for s in truth.sessions
    )


def test_sessions_are_those_of_cloudtrail_and_read_as_the_truth_says(recount: Recount, truth: GroundTruth) -> None:
    """The state found from bytes knows nothing of what is missing, and still agrees: see `state_of`."""
    assert sessions_known(recount, FIRST_DAY, DAYS, EVENTS, 1) == truth_rows(truth)


def test_every_kind_and_every_state_of_a_session_occurs(truth: GroundTruth) -> None:
    usual = {"denied", "port_forwarding", "ssh", "keystrokes", "plain", "silent", "hostile", "secrets", "long"}
    for day in ("2026-11-01", "2026-11-02", "2026-11-03"):
        kinds = {s.kind for s in truth.sessions if s.day == day}
        assert kinds >= usual | {"across_midnight", "orphan"}
    states = {"denied", "not_loggable", "recorded", "recorded_partly", "lost", "awaiting", "orphan"}
    assert {s.state for s in truth.sessions} == states
    counts = Counter(s.state for s in truth.sessions)
    assert counts["recorded"] > counts["recorded_partly"] > 0
    assert any(s.state == "orphan" and s.kind != "orphan" for s in truth.sessions)  # its StartSession is unreadable
    assert {len(s.f_sessionid) for s in truth.sessions} == {0, 17, 26}


def test_cloudtrails_sessions_ask_for_other_documents_and_are_opened_by_all_sorts() -> None:
    started, ended, _ = cloudtrail_sessions(FIRST_DAY, DAYS, EVENTS, 1)
    documents = Counter((r["requestParameters"] or {}).get("documentName") for r in started.values())
    ports = documents["AWS-StartPortForwardingSession"] + documents["AWS-StartSSHSession"]
    assert 0.05 < ports / len(started) < 0.12
    assert documents["AWS-StartInteractiveCommand"] > 0
    identities = [r["userIdentity"] for r in started.values()]
    assert any("onBehalfOf" in identity for identity in identities)
    assert any(identity.get("sessionContext", {}).get("sourceIdentity") for identity in identities)
    assert all(seconds(started[s]["eventTime"]) <= end for s, end in ended.items() if s in started)


def of_kind(truth: GroundTruth, kind: str) -> SessionTruth:
    return next(s for s in truth.sessions if s.kind == kind and s.state in ("recorded", "recorded_partly"))


def test_what_sessions_hold_is_as_hostile_and_as_long_as_promised(truth: GroundTruth, recount: Recount) -> None:
    hostile = [s for s in truth.sessions if s.kind == "hostile" and s.state == "recorded"]
    text = "\n".join(hostile[0].lines)
    marks = ("\u001b[2J", "\r", "\b", "<script>alert(1)</script>", "<img src=x onerror=", "](javascript:", "\u202e")
    marks += ("\u200b", "\ufffd", "=cmd|", "}{", '}{"messageType":"CONTROL_MESSAGE"}{')
    assert all(mark in text for mark in marks)
    secrets = "\n".join(of_kind(truth, "secrets").lines)
    commands = ("sudo su -", "unset HISTFILE", "history -c", "stty -echo", "systemctl stop amazon-ssm-agent")
    assert all(command in secrets for command in commands)
    long = of_kind(truth, "long")
    assert len(long.lines) == 2_500
    assert max(len(line.encode()) for line in long.lines) == 80_000
    packed = [json.loads(e["message"])["sessionData"] for e in recount.sessions()[long.session_id]]
    assert [len(entry.encode()) for [entry] in (p for p in packed if len(p) == 1)] == [33_000, 33_000]
    assert max(sum(len(entry.encode()) for entry in entries) for entries in packed) == 33_000


def test_sessions_cross_midnight_and_one_crosses_two(truth: GroundTruth, recount: Recount) -> None:
    days = {s: {day_of(e["timestamp"]) for e in events} for s, events in recount.sessions().items()}
    for session in truth.sessions:
        crossed = {"across_midnight": 1, "two_midnights": 2}.get(session.kind)
        assert crossed is None or len(days[session.session_id]) == crossed + 1
    assert sum(s.kind == "two_midnights" for s in truth.sessions) == 1


def test_a_session_lies_in_several_objects_and_most_of_the_lake_is_no_session(recount: Recount) -> None:
    keys: dict[str, set[str]] = defaultdict(set)
    for (_, group, stream, _), of_event in recount.keys_of_event.items():
        if group == SESSION_GROUP:
            keys[stream].update(of_event)
    assert sum(len(of_session) > 1 for of_session in keys.values()) > 20
    share = sum(group == SESSION_GROUP for _, group, _, _ in recount.log_events) / EVENTS
    assert 0.1 < share < 0.55


def test_copies_are_identical_and_in_other_objects(recount: Recount, truth: GroundTruth) -> None:
    copied = {event: keys for event, keys in recount.keys_of_event.items() if len(keys) > 1}
    assert all(len(set(keys)) == len(keys) for keys in copied.values())
    assert all(len(texts) == 1 for texts in recount.texts_of_event.values())
    assert truth.faults["duplicate_records"] == sum(len(keys) - 1 for keys in copied.values())
    assert 0.005 < truth.faults["duplicate_records"] / EVENTS < 0.015


def test_late_events_lie_under_the_next_days_prefix(recount: Recount, truth: GroundTruth) -> None:
    late = 0
    for event, keys in recount.keys_of_event.items():
        day = date.fromisoformat(day_of(recount.log_events[event]["timestamp"]))
        lags = {(datetime.fromtimestamp(time_in(key), UTC).date() - day).days for key in keys}
        assert lags <= {0, 1}
        late += 0 not in lags
    assert late == truth.faults["late_events"] > 0


def test_event_ids_have_56_digits_order_a_stream_and_are_unique_only_within_it(recount: Recount) -> None:
    events = recount.log_events
    assert {len(identifier) for *_, identifier in events} == {56}
    in_order = sorted(events.values(), key=lambda e: e["id"])
    assert [e["timestamp"] for e in in_order] == sorted(e["timestamp"] for e in events.values())
    assert len({identifier for *_, identifier in events}) < len(events)


def test_every_variant_of_an_object_occurs_and_is_what_it_says(objects: list[SampleObject]) -> None:
    by_kind = {item.kind: item for item in objects}
    assert by_kind["zero_byte"].body == b""
    assert by_kind["gzip_of_gzip"].key.endswith(".gz")
    assert zlib.decompress(by_kind["gzip_of_gzip"].body, 31)[:2] == b"\x1f\x8b"
    assert by_kind["plain_text"].body[:1] == b"{"
    assert b'}\n{"' in zlib.decompress(by_kind["newline_delimited"].body, 31)
    together = zlib.decompress(by_kind["back_to_back"].body, 31)
    assert b"\n" not in together
    assert len(documents(together)) > 1
    assert any(item.body.count(b"\x1f\x8b\x08\x00") > 1 for item in objects if item.kind == "log")
    assert not any(item.key.endswith(".gz") for item in objects if item.kind != "gzip_of_gzip")
    assert "processing-failed/" in by_kind["processing_failed"].key
    [control] = documents(by_kind["control"].body)
    assert (control["owner"], control["logGroup"], control["logStream"]) == ("CloudwatchLogs", "", "")
    keys = {tuple(d) for item in objects if item.kind == "log" for d in documents(item.body)}
    assert {order[0] for order in keys} == {"messageType", "owner"}


def test_very_late_objects_come_apart_and_hold_the_first_day(truth: GroundTruth, objects: list[SampleObject]) -> None:
    late = list(generate("cloudwatch", events=EVENTS, **FAULTS).late_objects())
    assert len(late) == truth.very_late_objects == 1
    assert not {item.key for item in late} & {item.key for item in objects}
    assert late[0].key.startswith("2026/11/04/12/")
    assert recount_of(late).distinct_by_day() == truth.very_late_by_day == {"2026-11-01": 25}
    assert not list(generate("cloudwatch", events=EVENTS).late_objects())


def test_the_ground_truth_is_json(truth: GroundTruth) -> None:
    read = json.loads(json.dumps(dataclasses.asdict(truth)))
    read["sessions"] = [SessionTruth(**{**s, "lines": tuple(s["lines"])}) for s in read["sessions"]]
    assert GroundTruth(**read) == truth


def test_only_example_accounts_are_used(recount: Recount) -> None:
    accounts = {"111122223333", "444455556666", "123456789012", "777788889999"}
    assert {owner for owner, *_ in recount.log_events} == accounts


def test_impossible_numbers_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="events a day are needed"):
        generate("cloudwatch", events=10)
    with pytest.raises(ValueError, match="There are no faults"):
        generate("cloudwatch", events=EVENTS, no_such_fault=1)
    with pytest.raises(ValueError, match="No object is fit"):
        generate("cloudwatch", days=1, events=500, corrupt=500)
