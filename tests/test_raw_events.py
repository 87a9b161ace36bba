"""What the checker of invariants reads raw objects with: every event that was delivered, and none of a bad object."""

import gzip
import hashlib
import json
from typing import Any

import pytest

from tests.raw_events import RawEvent, UnreadableError, raw_events

RECORD = {"eventID": "one", "eventTime": "2026-11-01T23:59:59.999Z", "eventName": "GetObject"}


def trail(*records: Any) -> bytes:
    return json.dumps({"Records": list(records)}).encode()


def trail_events(body: bytes) -> list[RawEvent]:
    return raw_events("cloudtrail", body, False)


@pytest.mark.parametrize(
    "body",
    [
        trail(RECORD),
        gzip.compress(trail(RECORD)),
        gzip.compress(gzip.compress(trail(RECORD))),
        gzip.compress(trail(RECORD)) + bytes(9),
        b'{"Records":[],"Records":' + json.dumps([RECORD]).encode() + b"}",
    ],
    ids=["plain", "gzip", "gzip of gzip", "padded", "a key twice"],
)
def test_an_event_is_found_however_it_is_wrapped(body: bytes) -> None:
    (event,) = trail_events(body)
    assert event.key == "one"
    assert event.moment is not None
    assert f"{event.moment:%Y%m%d}" == "20261101"
    assert event.fields["eventname"] == "GetObject"


@pytest.mark.parametrize("body", [b"", b" \n", gzip.compress(b""), trail(), b'{"Records":null}'])
def test_an_object_may_hold_no_event(body: bytes) -> None:
    assert trail_events(body) == []


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(trail(RECORD))[:-9],
        gzip.compress(trail(RECORD)) * 2,
        gzip.compress(trail(RECORD)) + b"x",
        gzip.compress(bytes(80 << 20)),
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(trail(RECORD))))),
        trail(RECORD)[:-2],
        trail(RECORD) * 2,
        b'{"Records":{}}',
        b'{"records":[]}',
        b"[]",
        b'{"Records":[NaN]}',
        b"[" * 100_000,
    ],
    ids=range(12),
)
def test_an_object_is_read_whole_or_not_at_all(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        trail_events(body)


def test_an_event_without_an_id_is_known_by_the_bytes_of_its_record() -> None:
    record = b'{ "eventTime" : "2026-11-01T00:00:00Z", "x": "}, \\"Records\\": [" }'
    body = b'{"a": "\\"Records\\":[1]", "Records" : [ 7 ,' + record + b' , {"eventID":"b"}] }'
    first, second, third = trail_events(body)
    assert first.key is None
    assert second.key == f"sha256:{hashlib.sha256(record).hexdigest()}"
    assert (third.key, third.moment) == ("b", None)


@pytest.mark.parametrize("time", [None, "", 7, "x", "2026-11-01T00:00:00", "0001-01-01T00:00:00+01:00"])
def test_a_time_that_is_none_is_none(time: Any) -> None:
    (event,) = trail_events(trail({**RECORD, "eventTime": time}))
    assert event.moment is None


def document(kind: str, *events: Any) -> bytes:
    place = {"owner": "111122223333", "logGroup": "/ssm", "logStream": "s"}
    return json.dumps({"messageType": kind, **place, "logEvents": list(events)}).encode()


def test_documents_stand_back_to_back_in_many_gzip_members() -> None:
    typed = {"id": "1", "timestamp": 1793534400000, "message": '}{"messageType":"DATA_MESSAGE","logEvents":[]}'}
    members = [
        document("DATA_MESSAGE", typed) + document("DATA_MESSAGE", {**typed, "id": "2"}, 7),
        document("CONTROL_MESSAGE", typed) + b"\n",
        document("DATA_MESSAGE", {"timestamp": 1793534400000, "message": "m"}),
    ]
    events = raw_events("cloudwatch", b"".join(map(gzip.compress, members)), True)
    without_id = hashlib.sha256(b"1793534400000\nm").hexdigest()
    assert [event.key and event.key.removeprefix("111122223333:/ssm:s:") for event in events] == [
        *("1", "2", None, "1"),
        f"sha256:{without_id}",
    ]
    assert [event.is_excluded for event in events] == [False, False, False, True, False]
    assert {f"{event.moment:%Y%m%d}" for event in events if event.moment} == {"20261101"}


def test_invocations_stand_one_a_line() -> None:
    record = {"accountId": "111122223333", "requestId": "r", "modelId": "m", "timestamp": "2026-11-01T00:00:00Z"}
    bare = b'{"modelId":"m","timestamp":"2026-11-01T00:00:00Z"}'
    lines = [json.dumps(record).encode(), b"", bare, b'{"x":1}']
    first, second, third = raw_events("bedrock", b"\n".join(lines), False)
    assert first.key == "111122223333:r:2026-11-01T00:00:00Z"
    assert second.key == f":sha256:{hashlib.sha256(bare).hexdigest()}:2026-11-01T00:00:00Z"
    assert third.key is None
    with pytest.raises(UnreadableError):
        raw_events("bedrock", b"\n".join([*lines, b"[]"]), False)
