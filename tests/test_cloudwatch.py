"""CloudWatch Logs as Firehose delivers them, hostile ones too: what the job reads, what the recount counts, the views.

Whoever types in a session writes into this log, so every test asks what a line made to break the reader could do.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from glue_scripts.object_reader import ObjectReader
from glue_scripts.whole_objects import FetchedObject, ObjectRef
from loglake_assets.lake.checks.inflate import text_of
from loglake_assets.lake.storage.raw_bucket import RawBucket
from loglake_assets.lake.storage.raw_objects import raw_objects
from loglake_assets.s3.gzip_content import ContentLimits, UnreadableObjectError, inflate
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.cloudwatch import decode, recount
from loglake_assets.sources.counted_event import CountedEvent, NotCountableError
from loglake_assets.sources.identity import occurrence
from loglake_assets.sources.placement import Ignored, Placement, place
from loglake_assets.sources.sample_deliveries import generate
from tests import test_views
from tests.job_rows import job_rows

SOURCE = load_source("cloudwatch")
DAY = 20261101
KEY = "2026/11/01/12/stream-1-2026-11-01-12-00-00-0d3f"
NOON = 1793534400000  # 2026-11-01T12:00:00Z in milliseconds
LAMBDA, SESSIONS = "/aws/lambda/orders", "/aws/ssm/sessionlogs"
ANN, BOB = "ann-0a1b2c3d4e5f60718", "b.o-b@x.y-abcdefghijklmnopqrstuvwxyz"

spark = test_views.spark


# --- what is delivered ------------------------------------------------------------------------------------------------


def event(message: Any = "hello", **changes: Any) -> dict[str, Any]:
    return {"id": "3" * 56, "timestamp": NOON, "message": message, **changes}


def document(*events: Any, **changes: Any) -> dict[str, Any]:
    return {
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logGroup": LAMBDA,
        "logStream": "one",
        "subscriptionFilters": ["to-firehose"],
        "logEvents": list(events),
        **changes,
    }


def without(fields: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in keys}


def body(*documents: Any, between: str = "") -> bytes:
    return between.join(json.dumps(d, ensure_ascii=False, separators=(",", ":")) for d in documents).encode()


def members(*documents: Any) -> bytes:
    return b"".join(gzip.compress(body(d), mtime=0) for d in documents)


def many_documents(count: int) -> list[dict[str, Any]]:
    """Documents of one event each."""
    return [document(event(f"line {n}", id=f"{n:056}")) for n in range(count)]


CONTROL = document(
    event("CWL CONTROL MESSAGE: Checking health of destination Firehose.", id=""),
    messageType="CONTROL_MESSAGE",
    owner="CloudwatchLogs",
    logGroup="",
    logStream="",
    subscriptionFilters=[],
)


# --- what is made of it -----------------------------------------------------------------------------------------------


def rows(content: bytes, rules: str = "", key: str = KEY, prefix_day: int = DAY) -> list[dict[str, Any]]:
    """What the job's reader makes of one object."""
    reader = ObjectReader("cloudwatch", "eu-west-1", rules, ContentLimits())
    fetched = FetchedObject(ObjectRef(0, "logs", key, prefix_day), content, "etag", "v1", 1.0)
    return job_rows(reader, fetched)


def only(content: bytes) -> dict[str, Any]:
    found = rows(content)
    assert [row["kind"] for row in found] == ["record", "object"], found
    return found[0]


def messages(content: bytes) -> list[str]:
    found = rows(content)
    assert {row["kind"] for row in found[:-1]} <= {"record"}, found
    return [row["message"] for row in found[:-1]]


def reason(content: bytes) -> str:
    (closing,) = rows(content)
    assert (closing["kind"], closing["record_count"]) == ("object", 0)
    return str(closing["reason"])


def counted_events(content: bytes) -> list[CountedEvent]:
    """What the coverage check makes of it. Raises NotCountableError."""
    seen: Counter[str] = Counter()
    found = recount.events(text_of(content, SOURCE.several_gzip_members))
    return [replace(e, key=occurrence(e.key, seen)) if e.key and not e.is_excluded else e for e in found]


def uncountable(content: bytes) -> str | None:
    """Why the coverage check can make nothing of it; None where it can."""
    try:
        counted_events(content)
    except NotCountableError as error:
        return error.reason
    return None


def assert_counted_alike(content: bytes, key: str = KEY, prefix_day: int = DAY) -> str | None:
    """Both paths find the same events with the same times, or neither finds any. Returns the job's reason for none."""
    *found, closing = rows(content, key=key, prefix_day=prefix_day)
    assert (closing["reason"] is None) == (uncountable(content) is None), (closing["reason"], uncountable(content))
    if closing["reason"] is not None:
        return str(closing["reason"])
    events = counted_events(content)
    kept = Counter[Any]((row["eventkey"], row["eventtime"].isoformat()) for row in found if row["kind"] == "record")
    assert kept + controls(closing) == Counter(
        seen_by_recount(e) for e in events if e.key is not None and is_plausible(e.time, prefix_day)
    )
    assert len(events) == len(found) + controls(closing).total() == closing["record_count"]
    return None


def controls(closing: Mapping[str, Any]) -> Counter[Any]:
    """Control messages by day: they are no rows, and counted where the object's account is closed."""
    return Counter({(None, str(day)): n for day, rule, n in closing["counts"] if rule == "control_message"})


def seen_by_recount(found: CountedEvent) -> tuple[str | None, str]:
    time = str(found.time)
    return (None, f"{datetime.fromisoformat(time):%Y%m%d}") if found.is_excluded else (found.key, time)


def is_plausible(time: str | None, prefix_day: int) -> bool:
    delivered_by = datetime.strptime(str(prefix_day), "%Y%m%d").replace(tzinfo=UTC) + timedelta(days=2)
    return time is not None and datetime(2013, 1, 1, tzinfo=UTC) <= datetime.fromisoformat(time) < delivered_by


# --- gzip, whatever the name says (faults 24, 25, 29, 33, 40) ---------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, f"{KEY}.gz"])
@pytest.mark.parametrize(
    "content",
    [
        body(*many_documents(3)),
        members(*many_documents(3)),
        gzip.compress(members(*many_documents(3))),
        gzip.compress(body(*many_documents(3))),
        members(*many_documents(3)) + bytes(40_000),
        gzip.compress(b"") + members(*many_documents(3)) + gzip.compress(b""),
        b"".join(
            gzip.compress(body(*many_documents(3))[n : n + 100]) for n in range(0, len(body(*many_documents(3))), 100)
        ),
    ],
    ids=["plain", "members", "gzip of members", "one gzip", "zero padding", "empty members", "cut anywhere"],
)
@pytest.mark.fault(24, "the keystrokes' log in every packing", "read by content")
def test_content_decides_how_an_object_is_read_not_its_name(content: bytes, key: str) -> None:
    assert [row["message"] for row in rows(content, key=key)[:-1]] == ["line 0", "line 1", "line 2"]
    assert assert_counted_alike(content, key) is None


@pytest.mark.long
@pytest.mark.fault(25, "20,000 gzip members in an object of Firehose", "every one read")
def test_every_one_of_20_000_members_is_read() -> None:
    content = members(*many_documents(20_000))
    assert len({row["eventkey"] for row in rows(content)[:-1]}) == 20_000
    assert len(counted_events(content)) == 20_000


@pytest.mark.parametrize("size", [4_096, 8_192, 12_288, 16_384])
def test_members_end_anywhere_in_the_pieces_they_are_read_by(size: int) -> None:
    """Stored members, so that the first ends at each byte around the end of a piece."""
    overhead = len(gzip.compress(bytes(1000), 0)) - 1000
    for length in range(size - overhead - 30, size - overhead + 30):
        content = gzip.compress(b" " * length, 0) + members(*many_documents(2))
        assert inflate(content, True) == text_of(content, True).encode() == b" " * length + body(*many_documents(2))


SPACES = (b"\n", b"\r\n", b" \t\n" * 20_000)


@pytest.mark.parametrize("space", SPACES, ids=["line feed", "carriage return", "60,000 characters"])
@pytest.mark.fault(89, "white space behind each gzip member, as a stream with a delimiter delivers", "every event read")
def test_white_space_behind_each_member_is_a_delimiter(space: bytes) -> None:
    delimited = b"".join(members(d) + space for d in many_documents(3))
    for content in (delimited, gzip.compress(delimited), delimited + bytes(512), delimited.removesuffix(space)):
        assert messages(content) == ["line 0", "line 1", "line 2"]
        assert assert_counted_alike(content) is None
    assert reason(delimited + b"junk") == uncountable(delimited + b"junk") == "trailing_bytes"


@pytest.mark.fault(89, "a byte order mark before the first document", "passed over, in one member or in several")
def test_a_byte_order_mark_is_passed_over() -> None:
    marked = b"\xef\xbb\xbf" + body(*many_documents(2))
    for content in (marked, gzip.compress(marked), gzip.compress(b"\xef\xbb\xbf") + members(*many_documents(2))):
        assert messages(content) == ["line 0", "line 1"]
        assert assert_counted_alike(content) is None


@pytest.mark.parametrize("spaces", [False, True], ids=["compact", "spaces"])
@pytest.mark.parametrize("said", ["owner", "logEvents", "new"])
@pytest.mark.fault(62, "a document of log events that says a key twice", "the object in quarantine, by both paths")
def test_a_document_that_says_a_key_twice_is_not_read_at_all(said: str, spaces: bool) -> None:
    content = with_key_twice(document(event("a"), new=1), said, spaces)
    assert reason(content) == uncountable(content) == "key_twice"


def with_key_twice(delivered: dict[str, Any], key: str, spaces: bool) -> bytes:
    """Text of a document that says a key twice, the first time with another value."""
    said = f'"{key}": ' if spaces else f'"{key}":'
    text = json.dumps(delivered, separators=(", ", ": ") if spaces else (",", ":"))
    assert said in text
    return text.replace(said, f"{said}[],{said}", 1).encode()


@pytest.mark.parametrize("spaces", [False, True], ids=["compact", "spaces"])
@pytest.mark.parametrize("said", ["message", "timestamp", "id", "newer"])
@pytest.mark.fault(62, "a log event that says a key twice", "that event in quarantine, its neighbours are rows")
def test_a_log_event_that_says_a_key_twice_is_quarantined(said: str, spaces: bool) -> None:
    content = with_key_twice(document(event("a", newer=1), event("b", id="2")), said, spaces)
    first, second, closing = rows(content)
    assert (first["kind"], first["reason"], first["raw_ordinal"]) == ("quarantined", "key_twice", 0)
    assert (second["message"], closing["record_count"]) == ("b", 2)
    assert [e.key is None for e in counted_events(content)] == [True, False]


TWO = members(*many_documents(2))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (TWO[:-1], "truncated_gzip"),
        (TWO[:-30], "truncated_gzip"),
        (TWO + TWO[:2], "truncated_gzip"),
        (TWO[:60] + bytes([TWO[60] ^ 1]) + TWO[61:], "corrupt_gzip"),
        (TWO + b"junk", "trailing_bytes"),
        (TWO + bytes(16_384) + TWO, "trailing_bytes"),
        (TWO + body(*many_documents(1)), "trailing_bytes"),
        (body(*many_documents(1)) + TWO, "not_json"),
        (gzip.compress(TWO[:-1]), "truncated_gzip"),
        (gzip.compress(gzip.compress(gzip.compress(TWO))), "too_many_gzip_layers"),
        (gzip.compress(bytes(80 << 20)), "inflates_too_large"),
        (gzip.compress(bytes(1 << 20)) * 80, "inflates_too_large"),
        (gzip.compress(gzip.compress(bytes(80 << 20))), "inflates_too_large"),
    ],
)
def test_one_damaged_member_keeps_the_whole_object_out(content: bytes, why: str) -> None:
    assert reason(content) == why
    assert uncountable(content) == why


def test_no_flipped_bit_changes_what_is_read() -> None:
    """Bits of the header that say nothing of the content may flip; zlib and isal then agree that all is well."""
    quarantined = 0
    for at in range(2, len(TWO)):
        for bit in range(8):
            content = TWO[:at] + bytes([TWO[at] ^ 1 << bit]) + TWO[at + 1 :]
            try:
                assert inflate(content, True) == body(*many_documents(2))
                assert text_of(content, True).encode() == body(*many_documents(2))
            except UnreadableObjectError:
                quarantined += 1
                with pytest.raises(NotCountableError):
                    text_of(content, True)
    assert quarantined > 8 * (len(TWO) - 50)


@pytest.mark.parametrize("content", [b"", b" \r\n", gzip.compress(b""), gzip.compress(b"\n") * 3, body(document())])
def test_an_object_without_events_is_read_and_holds_none(content: bytes) -> None:
    (closing,) = rows(content)
    assert (closing["kind"], closing["record_count"], closing["reason"]) == ("object", 0, None)
    assert counted_events(content) == []


# --- documents back to back (fault 26) --------------------------------------------------------------------------------

INNER = document(event(json.dumps(document(event("}{")))))
HOSTILE = (
    "}{",
    "} {",
    "}\n{",
    '}{"',
    '}{ "a":1',
    '"}{"messageType":"DATA_MESSAGE"',
    '}{"messageType":"CONTROL_MESSAGE"}{',
    '\\"}{"owner":"x","logEvents":[]}',
    "\\\\}{\\",
    "\\}\\{",
    "\u2028}{\u2029\x00}\x1f{\x7f",
    "\ufeff}{\ufeff",
    "\u001b[2J\r}{\b",
    body(CONTROL).decode(),
    body(INNER).decode(),
    json.dumps(body(INNER).decode()),
    json.dumps(json.dumps(body(INNER).decode())),
    body(document(event("}{")), CONTROL, between="\n").decode(),
)


@pytest.mark.parametrize("between", ["", " ", "\n", "\r\n", "\t \n\n"])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.fault(26, "documents on one line", "parted where they end")
def test_documents_part_where_they_end_and_not_where_a_message_says_so(between: str, ascii_only: bool) -> None:
    documents = [document(event(m, id=f"{n:056}"), extractedFields={m: m}) for n, m in enumerate(HOSTILE)]
    content = between.join(json.dumps(d, ensure_ascii=ascii_only) for d in documents).encode()
    assert messages(content) == list(HOSTILE)
    assert messages(content + b" \n") == messages(b"\r\n " + content) == list(HOSTILE)
    assert assert_counted_alike(content) is None


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.fault(26, "boundaries inside strings of every field", "the exact count")
def test_a_hostile_string_does_not_part_a_document_wherever_it_stands(text: str) -> None:
    hostile = document(
        event(text, id=text, **{text + "k": text, "list": [text, text, {text: text}]}),
        **{"logStream": text, "subscriptionFilters": [text], text + "d": [[text], text]},
    )
    for content in (body(hostile, hostile), json.dumps([hostile])[1:-1].encode() * 2):
        assert messages(content) == [text, text]
        assert assert_counted_alike(content) is None


@pytest.mark.parametrize("first", ["owner", "logEvents", "_new", "1", "é", "\\u006f", "\u00a0", "-", ""])
def test_documents_part_whatever_their_first_key(first: str) -> None:
    delivered = document(event())
    reordered = json.dumps(delivered).replace("{", f'{{"{first}":[],', 1)
    if first in delivered:
        reordered = json.dumps({first: delivered[first], **delivered})
    assert messages((reordered + reordered).encode()) == ["hello", "hello"]
    assert assert_counted_alike((reordered + reordered).encode()) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (body({}), "message_extraction"),
        (b'{"level":"info"}\n{"level":"info"}', "message_extraction"),
        (b"START RequestId: 1\nEND RequestId: 1\n", "not_json"),
        (body(document(event())) + b'{"level":"info"}', "message_extraction"),
        (body({"attemptsMade": 4, "errorCode": "Lambda.FunctionError", "rawData": "H4sI"}), "firehose_failed_records"),
        (body([document(event())]), "json_array"),
        (body(document(event())) + body([document(event())]), "other_json"),
        (b"7", "other_json"),
        (b'"text"', "other_json"),
        (b"null", "other_json"),
        (body(document(event())) + b"null", "other_json"),
        (body(document(event()))[:-1], "not_json"),
        (body(document(event())) + b"}", "not_json"),
        (body(document(event()), document(event()), between=","), "not_json"),
        (body(document(event()), document(event()), between="\ufeff"), "not_json"),
        (body(document(event()), document(event()), between="\u2028"), "not_json"),
        (body(document(event()), document(event()), between="\f"), "not_json"),
        (body(document(event()), document(event()), between="\x1c"), "not_json"),
        (body(document(event("a\\qb"))).replace(b"\\\\q", b"\\q"), "not_json"),
        (body(document(event("XX"))).replace(b"XX", b"\t"), "not_json"),
        (body(document(event(), new="XX")).replace(b'"XX"', b"NaN"), "nan_in_json"),
        (body(document(event(new="XX"))).replace(b'"XX"', b"-Infinity"), "nan_in_json"),
        (body(document(logEvents=None)), "log_events_not_a_list"),
        (body(document(logEvents={"0": event()})), "log_events_not_a_list"),
        (body(document(logEvents="[]")), "log_events_not_a_list"),
        (body(document(new="XX")).replace(b'"XX"', b"[" * 50_000 + b"]" * 50_000), "not_json"),
        (body(document(event(new="XX"))).replace(b'"XX"', b'{"a":' * 50_000 + b"1" + b"}" * 50_000), "not_json"),
        (b"[" * 100_000, "not_json"),
    ],
)
def test_what_is_no_delivery_of_this_log_is_not_read_at_all(content: bytes, why: str) -> None:
    assert assert_counted_alike(content) == why
    assert assert_counted_alike(body(document(event())) + b"\n" + content) is not None


def test_what_stands_beside_the_events_is_bounded_since_every_row_repeats_it() -> None:
    assert reason(body(document(event(), new="x" * 20_000))) == "document_fields_too_large"
    assert reason(body(document(event(), logStream="x" * 20_000))) == "document_fields_too_large"
    assert len(only(body(document(event(new="x" * 20_000))))["otherfields"]) > 20_000


# --- characters (fault 27) --------------------------------------------------------------------------------------------


@pytest.mark.fault(27, "bytes that are no UTF-8 in a message", "replaced, flagged, a row")
def test_bytes_that_are_not_utf8_are_replaced_and_flagged_and_the_row_stays() -> None:
    content = body(document(event("XX"), event("fine", id="4"))).replace(b"XX", b"\xff\xfea\xed\xa0\x80")
    first, second, _ = rows(gzip.compress(content))
    assert (first["message"], first["flags"]) == ("\ufffd\ufffda\ufffd\ufffd\ufffd", "characters_replaced")
    assert (second["message"], second["flags"]) == ("fine", None)
    assert assert_counted_alike(content) is None


HALVES, REPLACED = rb"x\ud800y\\ud800\ud83d\ude00\udc00\ud800", "x\ufffdy\\ud800\U0001f600\ufffd\ufffd"


@pytest.mark.parametrize(
    "odd",
    [event("XX"), event(id="XX"), without(event("XX"), "id"), event(extractedFields={"XX": 1})],
    ids=["message", "id", "message without id", "extracted field"],
)
def test_half_a_surrogate_pair_costs_a_character_and_both_counts_know_the_event(odd: dict[str, Any]) -> None:
    content = body(document(odd, event("b", id="2"))).replace(b"XX", HALVES)
    first, second, closing = rows(content)
    assert REPLACED in (first["message"], first["eventid"], *json.loads(first["extractedfields"] or "{}"))
    assert (first["flags"], second["flags"], closing["record_count"]) == ("characters_replaced", None, 2)
    assert assert_counted_alike(content) is None


def test_half_a_surrogate_pair_in_a_name_of_the_document_costs_a_character() -> None:
    content = body(document(event(), logStream="XX", logGroup="XX", owner="XX")).replace(b"XX", HALVES)
    found = only(content)
    assert [found[column] for column in ("logaccountid", "loggroup", "logstream")] == [REPLACED] * 3
    assert assert_counted_alike(content) is None


def test_a_message_may_be_any_text_and_comes_back_as_it_was() -> None:
    every = [chr(n) for n in (*range(0x2100), 0x202E, 0xFEFF, 0xFFFD, 0xFFFF, 0x1F600, 0x10FFFF)]
    text = "".join(every)
    assert only(body(document(event(text))))["message"] == text
    assert only(json.dumps(document(event(text))).encode())["message"] == text


def test_a_deeply_nested_message_is_text_and_costs_nothing() -> None:
    deep = '{"sessionId":"x","sessionData":' + "[" * 100_000
    closed = deep + "]" * 100_000 + "}"
    content = body(document(event(deep), event(closed, id="2"), event("[" * 100_000, id="3")))
    assert messages(content) == [deep, closed, "[" * 100_000]
    assert [row["session"] for row in rows(content)[:-1]] == [None, None, None]
    assert assert_counted_alike(content) is None


# --- records (faults 31, 33, 36, 38) ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timestamp", "why"),
    [
        ("null", "eventtime_unreadable"),
        (f'"{NOON}"', "eventtime_unreadable"),
        ('"\\ud800"', "eventtime_unreadable"),
        (f"{NOON}.0", "eventtime_unreadable"),
        ("1.7935344e12", "eventtime_unreadable"),
        ("true", "eventtime_unreadable"),
        ("[1]", "eventtime_unreadable"),
        ("1e999", "eventtime_unreadable"),
        ("9" * 19, "eventtime_unreadable"),
        ("9" * 400, "eventtime_unreadable"),
        ("9" * 5_000, "eventtime_unreadable"),
        ("-" + "9" * 5_000, "eventtime_unreadable"),
        ("253402300800000", "eventtime_unreadable"),
        ("253402300799999", "eventtime_implausible"),
        ("-62135596800000", "eventtime_implausible"),
        ("-62135596800001", "eventtime_unreadable"),
        ("0", "eventtime_implausible"),
        ("-0", "eventtime_implausible"),
        ("-1", "eventtime_implausible"),
        (str(NOON // 1000), "eventtime_implausible"),
        ("1356998399999", "eventtime_implausible"),
        ("1793664000000", "eventtime_implausible"),
    ],
)
def test_a_record_without_a_believable_time_is_quarantined_and_its_neighbours_are_not(timestamp: str, why: str) -> None:
    content = body(document(event(timestamp="XX"), event(id="2"))).replace(b'"XX"', timestamp.encode())
    first, second, closing = rows(content)
    assert (first["kind"], first["reason"], first["raw_ordinal"]) == ("quarantined", why, 0)
    assert (second["kind"], second["eventid"], closing["record_count"]) == ("record", "2", 2)
    assert assert_counted_alike(content) is None


def test_a_record_that_has_no_time_at_all_is_quarantined() -> None:
    content = body(document(without(event(), "timestamp"), event()))
    assert [(row["kind"], row["reason"]) for row in rows(content)[:-1]] == [
        ("quarantined", "eventtime_missing"),
        ("record", None),
    ]
    assert assert_counted_alike(content) is None


@pytest.mark.parametrize("odd", [None, 1, "text", [], [event()], True])
def test_an_event_that_is_no_object_is_quarantined(odd: Any) -> None:
    content = body(document(odd, event()))
    assert [(row["kind"], row["reason"]) for row in rows(content)[:-1]] == [
        ("quarantined", "record_not_an_object"),
        ("record", None),
    ]
    assert assert_counted_alike(content) is None


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2026-11-01T23:59:59.999Z", 20261101),
        ("2026-11-02T00:00:00.000Z", 20261102),
        ("2026-10-31T23:59:59.999Z", 20261031),
        ("2024-02-29T00:00:00.001Z", 20240229),
        ("2026-10-25T01:30:00.000Z", 20261025),
    ],
)
@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
@pytest.mark.fault(36, "times around midnight", "the UTC day")
def test_the_day_is_the_utc_day_of_the_event(time: str, day: int, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    moment = datetime.fromisoformat(time)
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    content = body(document(event(timestamp=milliseconds)))
    found = only(content)
    assert (found["eventtime"], found["logcalendarday"]) == (moment, day)
    assert assert_counted_alike(content) is None


@pytest.mark.fault(33, "a control message", "counted, and excluded by name")
def test_a_control_message_is_counted_and_excluded_by_name() -> None:
    content = body(CONTROL, document(event()), {**CONTROL, "logEvents": []})
    other, closing = rows(content)
    assert (other["kind"], other["raw_ordinal"], closing["record_count"]) == ("record", 1, 2)
    assert closing["counts"] == [[DAY, None, 1], [DAY, "control_message", 1]]
    assert [e.is_excluded for e in counted_events(content)] == [True, False]
    assert assert_counted_alike(content) is None


@pytest.mark.parametrize("kind", ["DATA_MESSAGE", "control_message", "CONTROL_MESSAGE ", None, ["CONTROL_MESSAGE"]])
def test_only_what_says_so_exactly_is_a_control_message(kind: Any) -> None:
    content = body({**CONTROL, "messageType": kind}, without(CONTROL, "messageType"))
    assert rows(content)[-1]["counts"] == [[DAY, None, 2]]
    assert assert_counted_alike(content) is None


def test_an_exclusion_rule_holds_alike_for_both_counts() -> None:
    rules = f'[[exclude]]\nname = "noise"\nsource = "cloudwatch"\nlogaccountid = ["", "1"]\nloggroup = ["{LAMBDA}"]'
    odd = document(event(id="2"), owner=7)
    content = body(document(event(), owner="1"), odd, without(odd, "owner"), document(event(), owner="2"))
    kept, closing = rows(content, rules)
    assert (kept["logaccountid"], kept["raw_ordinal"]) == ("2", 3)
    assert closing["counts"] == [[DAY, None, 1], [DAY, "noise", 3]]
    owners = [e.fields["logaccountid"] for e in counted_events(content)]
    assert owners == [row["logaccountid"] for row in rows(content)[:-1]] == ["1", "", "", "2"]


@pytest.mark.parametrize("identifier", [None, "", 7, ["3"]])
def test_an_event_without_an_id_is_known_by_its_time_and_message(identifier: Any) -> None:
    plain = event(id=identifier) if identifier is not None else without(event(), "id")
    content = body(document(plain, {**plain, "message": "other"}, plain, {**plain, "timestamp": NOON + 1}))
    keys = [row["eventkey"] for row in rows(content)[:-1]]
    assert keys[2] == f"{keys[0]}#2", "said twice in one object, it is two events"
    assert len(set(keys)) == 4
    assert all(key.startswith(f"111122223333:{LAMBDA}:one:sha256:") for key in keys)
    assert assert_counted_alike(content) is None


def test_an_id_is_unique_within_its_stream_only() -> None:
    places = [{}, {"logStream": "two"}, {"logGroup": "g"}, {"owner": "444455556666"}]
    content = body(*(document(event(), **changes) for changes in places))
    assert len({row["eventkey"] for row in rows(content)[:-1]}) == 4
    assert assert_counted_alike(content) is None


@pytest.mark.parametrize("key", ["owner", "logGroup", "logStream"])
@pytest.mark.parametrize("value", [None, 111122223333, ["x"], {"a": "b"}])
def test_a_place_that_is_no_string_is_empty_and_not_lost(key: str, value: Any) -> None:
    content = body(document(event(), **{key: value}))
    column = {"owner": "logaccountid", "logGroup": "loggroup", "logStream": "logstream"}[key]
    found = only(content)
    assert (found[column], json.loads(found["otherfields"])) == ("", {key: value})
    assert only(body(without(document(event()), key)))[column] == ""
    assert assert_counted_alike(content) is None


def test_what_fits_no_column_stands_in_otherfields_as_it_was() -> None:
    delivered = document(
        event({"no": "text"}, new=[1, "2"], both=1), messageType="NEW_KIND", partition={"a": None}, both=2
    )
    found = only(body(delivered))
    assert found["message"] is None
    assert json.loads(found["otherfields"]) == {
        "message": {"no": "text"},
        "new": [1, "2"],
        "both": 1,
        "document.both": 2,
        "messageType": "NEW_KIND",
        "partition": {"a": None},
    }
    assert only(body(document(event())))["otherfields"] is None


def test_fields_are_the_delivered_bytes_and_the_order_of_keys_does_not_matter() -> None:
    text = '{"logEvents":[{"extractedFields":{"b" : 1.0E9},"message":"m","timestamp":1793534400000,"id":"1"}],'
    text += '"subscriptionFilters":[ "a","b" ],"logStream":"s","logGroup":"g","owner":"1","messageType":"DATA_MESSAGE"}'
    found = only(text.encode())
    assert (found["eventkey"], found["eventtime"]) == ("1:g:s:1", datetime(2026, 11, 1, 12, tzinfo=UTC))
    assert (found["extractedfields"], found["subscriptionfilters"]) == ('{"b" : 1.0E9}', '[ "a","b" ]')
    assert found["otherfields"] is None


@pytest.mark.fault(
    73, "documents of a subscription of the whole account", "`policyLevel` has its column, drift is quiet"
)
def test_the_level_of_a_subscription_has_its_column() -> None:
    found = only(body(document(event(), policyLevel="ACCOUNT_LEVEL_POLICY")))
    assert (found["policylevel"], found["otherfields"]) == ("ACCOUNT_LEVEL_POLICY", None)
    assert only(body(document(event())))["policylevel"] is None
    odd = only(body(document(event(), policyLevel=7)))
    assert (odd["policylevel"], odd["otherfields"]) == (None, '{"policyLevel":7}')
    assert "policyLevel" in decode.KNOWN_KEYS


def test_events_keep_their_position_in_the_document_and_in_the_object() -> None:
    content = members(document(event(), event()), CONTROL, document(event(), event()))
    positions = [(row["raw_ordinal"], row["eventordinal"]) for row in rows(content)[:-1]]
    assert positions == [(0, 0), (1, 1), (3, 0), (4, 1)]


# --- both counts, over all there is -----------------------------------------------------------------------------------


def test_the_recount_finds_the_events_that_the_job_finds_in_every_sample() -> None:
    seen: Counter[str | None] = Counter()
    for sample in generate("cloudwatch", events=3_000, truncated=1).objects():
        placement = place(SOURCE, "logs", sample.key)
        if isinstance(placement, Placement):
            seen[assert_counted_alike(sample.body, sample.key, day_number(placement.day))] += 1
    unreadable = {"corrupt_gzip", "truncated_gzip", "firehose_failed_records"}
    assert unreadable <= seen.keys()
    assert seen[None] > 100


_PIECES = (
    *(
        '"',
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "\n",
        "\r",
        "\t",
        "\x00",
        "\x1b[2J",
        "\x7f",
        "é",
        "\u2028",
        "\ufeff",
    ),
    *("\U0001f600", "\ufffd", "\ud800", "\udc00", "\\u0022", "\\ud800", "a", "null", "}{", '}{"', '"}', '{"id":"1"}'),
    *('{"messageType":"', '"CONTROL_MESSAGE"', '"logEvents":[', '{"sessionId":"x","sessionData":["y"]}', *HOSTILE),
)


def random_text(rng: Random) -> str:
    text = "".join(rng.choices(_PIECES, k=rng.randrange(12)))
    return json.dumps(document(event(text))) if rng.random() < 0.1 else text


def random_value(rng: Random) -> Any:
    text = random_text(rng)
    return rng.choice([text, text, text, text, None, 7, -1.5, True, [text, {text: [text]}], {text: text}])


def random_event(rng: Random) -> Any:
    if rng.random() < 0.03:
        return random_value(rng)
    made = event(random_text(rng), id=f"{rng.randrange(10**6):056}", timestamp=NOON + rng.randrange(-(10**9), 10**7))
    for key in ("id", "timestamp", "message", random_text(rng), "extractedFields"):
        if rng.random() < 0.08:
            made[key] = random_value(rng)
    keys = [key for key in made if rng.random() > 0.02]
    rng.shuffle(keys)
    return {key: made[key] for key in keys}


def random_document(rng: Random) -> Any:
    made = document(*(random_event(rng) for _ in range(rng.randrange(4))))
    for key in ("messageType", "owner", "logGroup", "logStream", "subscriptionFilters", f"x{random_text(rng)}"):
        if rng.random() < 0.05:
            made[key] = random_value(rng)
    if rng.random() < 0.1:
        made["messageType"] = "CONTROL_MESSAGE"
    keys = list(made)
    rng.shuffle(keys)
    return {key: made[key] for key in keys}


def random_object(rng: Random) -> tuple[bytes, int]:
    """(an object of hostile documents, the events in it)."""
    documents = [random_document(rng) for _ in range(rng.randrange(1, 8))]
    spaced = rng.choice([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])
    texts = [json.dumps(d, ensure_ascii=rng.random() < 0.5, separators=spaced) for d in documents]
    encoded = [text.encode(errors="surrogatepass") for text in texts]
    between = rng.choice([b"", b" ", b"\n", b"\r\n"])
    content = between.join(encoded)
    if rng.random() < 0.5:
        content = b"".join(gzip.compress(text + between, 1) for text in encoded)
    return content, sum(len(d["logEvents"]) for d in documents)


@pytest.mark.parametrize("seed", range(8))
def test_both_counts_agree_on_whatever_is_typed(seed: int) -> None:
    rng = Random(seed)
    for _ in range(100):
        content, count = random_object(rng)
        assert assert_counted_alike(content) is None
        assert rows(content)[-1]["record_count"] == count


@pytest.mark.long
def test_both_counts_agree_on_objects_damaged_anywhere() -> None:
    """Cut, doubled or with a character changed: mostly no delivery any more, and then for both."""
    rng, reasons = Random(1), set()
    whole = body(document(event("}{"), event('{"a":"b"}', id="2")), CONTROL, document(event("é\\")))
    for _ in range(1_500):
        at, end = rng.randrange(len(whole)), rng.randrange(len(whole))
        changed = bytes([rng.choice(b'{}[]",:\\ \n\x00\x0b\xff0a-')])
        content = rng.choice([whole[:at], whole[:at] + changed + whole[at + 1 :], whole[:at] + whole[end:]])
        reasons.add(assert_counted_alike(content))
    assert reasons >= {None, "not_json", "message_extraction"}


def test_no_content_of_a_log_stands_in_a_reason() -> None:
    canary = "canary7f3a"
    for content in (
        canary.encode(),
        body({canary: canary}),
        body({canary: canary, "rawData": canary}),
        body(document(canary, event(canary, timestamp=canary))),
        body(document(logEvents=canary)),
        body(document(event(canary)))[:-4],
        gzip.compress(body(document(event(canary))))[:-4],
    ):
        *found, closing = rows(content)
        reasons = [row["reason"] for row in (*found, closing) if row["kind"] != "record"]
        assert any(reasons)
        assert canary not in str(reasons)
        assert canary not in str(uncountable(content))


# --- which partition --------------------------------------------------------------------------------------------------

NAME = "stream-1-2026-11-01-12-00-00-0d3f"


@pytest.mark.parametrize(
    ("folder", "values"),
    [
        ("2026/11/01/12", ("-", "20261101", "12")),
        ("2026/11/01", ("-", "20261101", "-")),
        ("central/2026/11/01/12", ("central", "20261101", "12")),
        ("a/b c/größe/2024/02/29", ("a/b c/größe", "20240229", "-")),
        ("a+b=c%3D/2026/11/01/00", ("a+b=c%3D", "20261101", "00")),
        ("1001/2026/11/01/12", ("1001", "20261101", "12")),
        ("-a/2026/11/01/12", ("-a", "20261101", "12")),
        ("processing-failed/2026/11/01/12", ("processing-failed", "20261101", "12")),
    ],
)
def test_a_partition_is_its_delivery_prefix(folder: str, values: tuple[str, ...]) -> None:
    placement = place(SOURCE, "logs", f"{folder}/{NAME}")
    assert isinstance(placement, Placement), placement
    assert (placement.values, placement.location) == (values, f"s3://logs/{folder}/")
    assert day_number(placement.day) == int(values[1])


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (f"2026/13/45/12/{NAME}", "unknown_key"),
        (f"2026/02/29/{NAME}", "unknown_key"),
        (f"2026/11/1/12/{NAME}", "unknown_key"),
        (f"2026/11/01/12/30/{NAME}", "unknown_key"),
        (f"2026/11/{NAME}", "unknown_key"),
        (f"0000/00/00/{NAME}", "unknown_key"),
        (f"\u0662\u0660\u0662\u0666/\u0661\u0661/\u0660\u0661/{NAME}", "unknown_key"),
        (f"2026-11-01/12/{NAME}", "unknown_key"),
        (f"12026/11/01/12/{NAME}", "unknown_key"),
        (f"/2026/11/01/12/{NAME}", "unknown_key"),
        (f"-/2026/11/01/12/{NAME}", "unknown_key"),
        (f"2024/2026/11/01/12/{NAME}", "unknown_key"),
        (f"a/2026/11/01/2026/11/02/{NAME}", "unknown_key"),
        (f"a\nb/2026/11/01/12/{NAME}", "unknown_key"),
        (NAME, "unknown_key"),
        ("", "unknown_key"),
        (f"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/01/{NAME}.json.gz", "other_log"),
        (f"a/AWSLogs/o-abcd1234ef/111122223333/CloudTrail/eu-west-1/2026/11/01/{NAME}", "other_log"),
        ("2026/11/01/12/", "folder_marker"),
        ("2026/11/01/12_$folder$", "folder_marker"),
        ("2026/11/01/12/_temporary", "hidden"),
        (f".hidden/2026/11/01/12/{NAME}", "hidden"),
    ],
)
@pytest.mark.fault(9, "keys that are no delivery of the keystrokes' log", "ignored under a reason")
def test_what_is_no_delivery_is_ignored_under_its_reason(key: str, why: str) -> None:
    assert place(SOURCE, "logs", key) == Ignored(why)


class Listing:
    """A bucket that can only be listed, in pages of two, and that keeps what it was asked."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = sorted(keys)
        self.walked: list[str] = []

    def get_paginator(self, operation: str) -> "Listing":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str, Delimiter: str = "") -> Iterator[dict[str, Any]]:
        found = [key for key in self._keys if key.startswith(Prefix)]
        if Delimiter:
            self.walked.append(Prefix)
            below = {key[len(Prefix) :].partition("/") for key in found}
            folders = sorted({f"{Prefix}{first}/" for first, slash, _ in below if slash})
            yield from ({"CommonPrefixes": [{"Prefix": f} for f in page]} for page in _pages(folders))
            found = [f"{Prefix}{first}" for first, slash, _ in sorted(below) if first and not slash]
        modified = datetime(2026, 11, 1, tzinfo=UTC)
        entries = [{"Key": key, "Size": 1, "ETag": '"e"', "LastModified": modified} for key in found]
        yield from ({"Contents": page} if page else {} for page in _pages(entries))


def _pages(found: list[Any]) -> list[list[Any]]:
    return [found[at : at + 2] for at in range(0, len(found), 2)] or [[]]


PREFIXES = ("", "a/", "a/b/", "a/b/c/", "z/", "1001/", "processing-failed/", "größe x/")
FIRST, SECOND = date(2026, 11, 1), date(2026, 11, 2)


def test_objects_are_found_under_every_prefix_that_may_stand_before_the_day() -> None:
    folders = ("2026/11/01/12/", "2026/11/01/", "2026/11/02/00/", "2026/11/03/00/", "2025/11/01/12/")
    keys = {f"{prefix}{folder}{name}" for prefix in PREFIXES for folder in folders for name in "xyz"}
    noise = {"AWSLogs/1/CloudTrail/r/2026/11/01/x", "2026/11/01/12/", "manual/notes.txt", "a/2026/11/01/_x", "x"}
    bucket = Listing(keys | noise)
    found = [raw.key for raw in raw_objects(RawBucket(bucket, SOURCE, "logs"), [FIRST, SECOND])]
    assert sorted(found) == sorted(key for key in keys if "2026/11/01/" in key or "2026/11/02/" in key)
    assert not [prefix for prefix in bucket.walked if "2025/" in prefix or "/01/" in prefix or "AWSLogs/" in prefix]


def test_every_object_that_is_placed_is_listed_on_its_day_and_on_no_other() -> None:
    rng, parts = Random(3), ("2026", "11", "01", "02", "12", "a", "-", "1001", "2024", "AWSLogs", "_h", "")
    keys = {"/".join(rng.choices(parts, k=rng.randrange(7))) for _ in range(3_000)}
    keys |= {f"{key}/2026/11/0{rng.choice('12')}/{rng.choice(('', '12/'))}x" for key in keys}
    placed = {key: place(SOURCE, "logs", key) for key in keys}
    for day in (FIRST, SECOND):
        found = [raw.key for raw in raw_objects(RawBucket(Listing(keys), SOURCE, "logs"), [day])]
        wanted = [key for key, placement in placed.items() if isinstance(placement, Placement) and placement.day == day]
        assert sorted(found) == sorted(wanted)
        assert len(wanted) > 50


def test_a_partition_has_one_location() -> None:
    rng, parts = Random(4), ("2026", "11", "12", "a", "-", "", "year=", "dt=", "a2026")
    heads = {"".join(f"{part}/" for part in rng.choices(parts, k=rng.randrange(5))) for _ in range(2_000)}
    heads |= {f"{head}{end}" for head in heads for end in ("a", "dt=", "year=", "a-")}
    days = ("2026/11/01", "2026-11-01", "2026/month=11/day=01")
    hours = ("", "12/", "-/", "hour=12/")
    keys = {f"{head}{day}/{hour}x" for head in heads for day in days for hour in hours}
    locations: dict[tuple[str, ...], set[str]] = {}
    for key in keys:
        if isinstance(placement := place(SOURCE, "logs", key), Placement):
            locations.setdefault(placement.values, set()).add(placement.location)
    assert len(locations) > 20
    assert {len(found) for found in locations.values()} == {1}


# --- sessions ---------------------------------------------------------------------------------------------------------


def keystroke_message(session_id: Any, data: Any, **changes: Any) -> str:
    """A message of Session Manager's agent."""
    return json.dumps(
        {
            "eventVersion": "1.0",
            "eventTime": "2026-11-01T12:00:05Z",
            "awsRegion": "eu-west-1",
            "target": {"id": "i-0123456789abcdef0"},
            "userIdentity": {"arn": "arn:aws:sts::111122223333:assumed-role/Admin/ann"},
            "runAsUser": "ssm-user",
            "sessionId": session_id,
            "sessionData": data,
            **changes,
        }
    )


UNTOUCHED = "\u001b[2J\rls\b\x00 \u2028\u202e<b> {}\ufffd\ufeff  "


def views(spark: SparkSession, ansi: str, *documents: Any, **objects: bytes) -> dict[str, Row]:
    """Rows of readready by event id; the documents lie in one object, further objects are given by name."""
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    test_views.create_views(spark, SOURCE, {"m": body(*documents), **objects})
    found = spark.table("readready_as_view").collect()
    by_id = {row.eventid: row for row in found}
    assert len(by_id) == len(found), "one row an event"
    return by_id


def in_stream(stream: str, message: Any, identifier: str, group: str = SESSIONS, **changes: Any) -> dict[str, Any]:
    return document(event(message, id=identifier), logGroup=group, logStream=stream, **changes)


each_mode = pytest.mark.parametrize("ansi", ["false", "true"])


@each_mode
def test_a_streamed_session_is_that_of_its_stream_in_whatever_group(spark: SparkSession, ansi: str) -> None:
    found = views(
        spark,
        ansi,
        in_stream(ANN, keystroke_message(ANN, ["sh-5.2$ ls", UNTOUCHED, ""]), "ann"),
        in_stream(BOB, keystroke_message(BOB, ["x"]), "bob", group="own/group"),
        in_stream(ANN, keystroke_message(ANN, []), "empty"),
        in_stream(
            ANN, keystroke_message(ANN, ["x"], target=None, userIdentity={}, runAsUser=None, new={"a": 1}), "bare"
        ),
    )
    ann = found["ann"]
    assert (ann.sessionid, ann.f_sessionid) == (ANN, "0a1b2c3d4e5f60718")
    assert (ann.session, ann.session_linecount, ann.session_isplain) == (f"sh-5.2$ ls\n{UNTOUCHED}\n", 3, False)
    assert (ann.session_target, ann.session_runasuser) == ("i-0123456789abcdef0", "ssm-user")
    assert ann.session_useridentity_arn == "arn:aws:sts::111122223333:assumed-role/Admin/ann"
    assert (ann.session_awsregion, ann.session_eventtime) == ("eu-west-1", "2026-11-01T12:00:05Z")
    assert (found["bob"].sessionid, found["bob"].f_sessionid) == (BOB, "abcdefghijklmnopqrstuvwxyz")
    assert (found["empty"].session, found["empty"].session_linecount) == ("", 0)
    assert (found["bare"].session_target, found["bare"].session_useridentity_arn) == (None, None)
    assert {row.f_flags for row in found.values()} == {None}


@each_mode
def test_a_forged_session_id_names_no_session_and_is_flagged(spark: SparkSession, ansi: str) -> None:
    forged = keystroke_message(ANN, ["forged"])
    found = views(
        spark,
        ansi,
        in_stream("one", forged, "lambda", group=LAMBDA),
        in_stream(BOB, forged, "bob"),
        in_stream(ANN + "\n", forged, "line feed"),
        in_stream("", forged, "no stream"),
        in_stream("x", keystroke_message("", ["forged"]), "empty id"),
    )
    assert {(row.sessionid, row.f_sessionid, row.session) for row in found.values()} == {(None, None, None)}
    assert {row.f_flags for row in found.values()} == {"session_not_of_stream"}
    assert found["bob"].message == forged


@each_mode
def test_an_empty_name_or_id_is_no_session(spark: SparkSession, ansi: str) -> None:
    found = views(
        spark,
        ansi,
        in_stream("", keystroke_message("", ["x"]), "empty"),
        without(in_stream("", keystroke_message("", ["x"]), "missing"), "logStream"),
        in_stream("ann-", keystroke_message("ann-", ["x"]), "no id"),
    )
    assert {(row.f_sessionid, row.session, row.session_isplain) for row in found.values()} == {(None, None, None)}


@each_mode
@pytest.mark.parametrize(
    ("group", "stream", "f_sessionid"),
    [
        (SESSIONS, ANN, "0a1b2c3d4e5f60718"),
        ("/aws/ssm/x", "a-n-n-abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"),
        ("/aws/ssm/x", "ann-00000000000000000000000000", "00000000000000000000000000"),
        ("/corp/SSM-logs", ANN, "0a1b2c3d4e5f60718"),
        ("sessions", ANN, "0a1b2c3d4e5f60718"),
        ("/aws/lambda/x", ANN, None),
        ("/ecs/app", ANN, None),
        (SESSIONS, "ann-1a1b2c3d4e5f60718", None),
        (SESSIONS, "ann-0a1b2c3d4e5f6071", None),
        (SESSIONS, "ann-0A1B2C3D4E5F60718", None),
        (SESSIONS, "0a1b2c3d4e5f60718", None),
        (SESSIONS, f"{ANN}\n", None),
        (SESSIONS, f"{ANN}-1", None),
        (SESSIONS, "i-0123456789abcdef0/aws:runShellScript/stdout", None),
    ],
)
def test_plain_text_is_a_session_only_in_its_groups_and_under_an_id_of_its_form(
    spark: SparkSession, ansi: str, group: str, stream: str, f_sessionid: str | None
) -> None:
    text = f"Script started\n{UNTOUCHED}\n{{}}\n"
    row = views(spark, ansi, in_stream(stream, text, "1", group))["1"]
    assert (row.message, row.f_sessionid, row.f_flags) == (text, f_sessionid, None)
    assert (row.session, row.session_isplain) == ((text, True) if f_sessionid else (None, None))
    assert (row.sessionid, row.session_linecount) == ((stream, 4) if f_sessionid else (None, None))


@each_mode
def test_a_message_that_is_not_in_the_agents_form_is_flagged_and_stays_whole(spark: SparkSession, ansi: str) -> None:
    odd = {
        "null": keystroke_message(ANN, None),
        "number": keystroke_message(ANN, ["x", 7]),
        "null in it": keystroke_message(ANN, [None]),
        "text": keystroke_message(ANN, "x"),
        "no id": keystroke_message(None, ["x"]),
        "id is no text": keystroke_message([ANN], ["x"]),
        "cut": keystroke_message(ANN, ["x"])[:-5],
        "two": keystroke_message(ANN, ["x"]) * 2,
        "target": keystroke_message(ANN, ["x"], target="i-1"),
        "twice": keystroke_message(ANN, ["x"])[:-1] + ', "sessionData": ["y"]}',
        "twice in it": keystroke_message(ANN, ["x"]).replace(
            '"arn"', '"arn": "arn:aws:sts::1:assumed-role/A/b", "arn"'
        ),
    }
    found = views(spark, ansi, *(in_stream(ANN, message, name) for name, message in odd.items()))
    assert {name: row.message for name, row in found.items()} == odd
    assert {name: row.session for name, row in found.items()} == odd
    assert {row.f_flags for row in found.values()} == {"session_unreadable"}
    assert {(row.f_sessionid, row.session_isplain) for row in found.values()} == {("0a1b2c3d4e5f60718", True)}


@each_mode
def test_a_session_event_without_a_message_has_no_lines_in_either_mode(spark: SparkSession, ansi: str) -> None:
    row = views(spark, ansi, in_stream(ANN, {"no": "text"}, "1"))["1"]
    assert (row.f_sessionid, row.message, row.session, row.session_linecount) == ("0a1b2c3d4e5f60718", None, None, None)


@each_mode
def test_copies_are_dropped_by_account_group_stream_and_id(spark: SparkSession, ansi: str) -> None:
    one, changed = document(event("a", id="1")), document(event("b", id="1"))
    apart = [document(event(id="2")), document(event(id="3"), logStream="two"), document(event(id="4"), owner="4")]
    before = datetime(2026, 10, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    outside = document(event(id="out", timestamp=int(before.timestamp() * 1000)))
    found = views(spark, ansi, one, one, CONTROL, outside, *apart, a=body(changed), z=members(one))
    assert set(found) == {"1", "2", "3", "4"}, "the control message and the day before are not in it"
    assert found["1"].message == "b", "the first by key is kept"
    dropped = spark.table("duplicates_as_view").orderBy("dropped_key", "raw_ordinal").collect()
    assert [(r.dropped_key[-1], r.raw_ordinal, r.kept_key[-1], r.same_content) for r in dropped] == [
        ("m", 0, "a", False),
        ("m", 1, "a", False),
        ("z", 0, "a", False),
    ]


@each_mode
def test_the_same_id_in_other_places_is_another_event(spark: SparkSession, ansi: str) -> None:
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    places: list[dict[str, Any]] = [{}, {"logStream": "two"}, {"logGroup": "g"}, {"owner": "444455556666"}, {}]
    test_views.create_views(spark, SOURCE, {"x": body(*(document(event(), **changes) for changes in places))})
    assert spark.table("readready_as_view").count() == 4
    assert spark.table("duplicates_as_view").count() == 1
