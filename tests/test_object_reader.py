"""Objects as they are met, good and bad, through the job's reader: every one accounted for, all of it or none of it."""

import bz2
import gzip
import importlib
import json
import lzma
import os
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from glue_scripts.day_views import DayViews
from glue_scripts.object_reader import ObjectReader, records_of
from glue_scripts.whole_objects import FetchedObject, ObjectRef
from loglake_assets.lake.checks.inflate import text_of
from loglake_assets.lake.checks.recount import Recount
from loglake_assets.lake.storage.raw_bucket import RawBucket
from loglake_assets.lake.storage.table import Table
from loglake_assets.s3.gzip_content import ContentLimits, UnreadableObjectError, inflate
from loglake_assets.sources import load_source, source_names
from loglake_assets.sources.cloudtrail import decode, recount
from loglake_assets.sources.counted_event import NotCountableError
from loglake_assets.sources.modules import PROTOCOLS
from loglake_assets.sources.record import NotThisLogError
from loglake_assets.sources.rules import load_rules
from tests.job_rows import job_rows

DAY = 20261101
KEY = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/01/x.json.gz"


def record(**changes: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "eventID": "0b0c3a8a-0000-4000-8000-000000000001",
        "eventTime": "2026-11-01T12:00:00Z",
        "eventName": "GetObject",
        "eventSource": "s3.amazonaws.com",
        "userIdentity": {"type": "AWSService", "invokedBy": "x.amazonaws.com"},
        **changes,
    }


def body(*records: Any) -> bytes:
    return json.dumps({"Records": list(records)}).encode()


def rows(content: bytes | None, limits: ContentLimits | None = None, rules: str | None = None) -> list[dict[str, Any]]:
    """What the reader makes of one object."""
    reader = ObjectReader("cloudtrail", "eu-west-1", rules, limits or ContentLimits())
    fetched = FetchedObject(ObjectRef(0, "logs", KEY, DAY), content, "etag", "v1", 1.0)
    return job_rows(reader, fetched)


def only(content: bytes) -> dict[str, Any]:
    found = rows(content)
    assert [row["kind"] for row in found] == ["record", "object"], found
    return found[0]


@pytest.mark.parametrize(
    "content",
    [
        body(record()),
        gzip.compress(body(record())),
        gzip.compress(gzip.compress(body(record()))),
        json.dumps({"Records": [record()]}, indent=2).encode(),
        gzip.compress(body(record())) + b"\0\0\0",
    ],
    ids=["plain", "gzip", "gzip of gzip", "pretty", "zero padding"],
)
@pytest.mark.fault(24, "plain text, gzip, gzip of gzip under one name", "read by content")
def test_content_decides_how_an_object_is_read_not_its_name(content: bytes) -> None:
    assert only(content)["eventname"] == "GetObject"


@pytest.mark.parametrize("content", [b"", gzip.compress(b""), b'{"Records":[]}', b'{"Records":null}', b"  \n"])
@pytest.mark.fault(33, "empty objects and empty lists", "no rows, closed as read")
def test_an_object_without_events_is_read_and_holds_none(content: bytes) -> None:
    (closing,) = rows(content)
    assert (closing["kind"], closing["record_count"], closing["reason"]) == ("object", 0, None)


GOOD = gzip.compress(body(*[record(eventID=str(n), x=os.urandom(20).hex()) for n in range(50)]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (GOOD[:-20], "truncated_gzip"),
        (GOOD[:5], "truncated_gzip"),
        (GOOD[:-8] + b"\1\2\3\4" + GOOD[-4:], "corrupt_gzip"),
        (GOOD + gzip.compress(b"{}"), "trailing_gzip_member"),
        (GOOD + b"junk", "trailing_bytes"),
        (b"not json", "not_json"),
        (body(record())[:-3], "not_json"),
        (body(record()) + body(record()), "other_json"),
        (b'{"Records":{}}', "records_not_a_list"),
        (b'{"digestStartTime":"x"}', "no_records"),
        (b'{"Records":[{"eventID":"a"}],"records":[{"eventID":"b"}]}', "more_than_records"),
        (b'{"Extra": {"eventID":"c"}, "Records":[]}', "more_than_records"),
        (b"[1]", "json_array"),
        (b"[" * 100_000, "not_json"),
        (b'{"Records":[{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}]}", "not_json"),
        (gzip.compress(bytes(80 << 20)), "inflates_too_large"),
        (None, "gone_while_reading"),
    ],
)
@pytest.mark.fault(89, "several values, an array in the place of an object", "`other_json`, which text never is")
@pytest.mark.fault(23, "gzip and JSON cut in several places", "the whole object in quarantine")
@pytest.mark.fault(25, "a second member in a CloudTrail object", "in quarantine as tampering")
@pytest.mark.fault(29, "a bomb of 80 MB, nesting of 100,000", "in quarantine")
def test_what_cannot_be_read_whole_is_not_read_at_all(content: bytes | None, reason: str) -> None:
    (closing,) = rows(content)
    assert (closing["kind"], closing["reason"], closing["raw_key"]) == ("object", reason, KEY)


SAID_TWICE = {
    "plainly": (',"eventName":"Harmless"}', ""),
    "in escapes": (',"\\u0065ventName":"Harmless"}', ""),
    "a key that no column has": (',"new":1,"new":2}', ""),
    "a block": (',"userIdentity":{"type":"Root"}}', ""),
    "inside the identity": ("}", '"sourceIdentity":"somebody",'),
    "inside the addendum": (',"addendum":{"reason":"a","reason":"b"}}', ""),
}


def twice(end: str, within: str, spaces: bool) -> str:
    """A record's text that says a key twice: what is put at its end, or into its session context."""
    separators = (", ", ": ") if spaces else (",", ":")
    text = json.dumps(record(eventName="DeleteTrail", userIdentity=IDENTITY), separators=separators)
    first = '"sessionContext": {' if spaces else '"sessionContext":{'
    assert text.count(first) == 1
    return text.replace(first, first + within)[:-1] + end


def event_keys(content: bytes) -> list[str | None]:
    """Keys by the recount, which is another path; None is what can be no row."""
    return [event.key for event in recount.events(text_of(content, False))]


HARMLESS = """
[[exclude]]
name = "harmless"
source = "cloudtrail"
eventname = ["Harmless", "DeleteTrail"]
"""


@pytest.mark.parametrize("spaces", [False, True], ids=["compact", "spaces"])
@pytest.mark.parametrize(("end", "within"), SAID_TWICE.values(), ids=SAID_TWICE)
@pytest.mark.fault(62, "a record that says a key twice, in every spelling and under a rule", "the record in quarantine")
def test_what_a_record_says_first_does_not_vanish_behind_what_it_says_then(end: str, within: str, spaces: bool) -> None:
    good = json.dumps(record(eventID="good"))
    content = f'{{"Records":[{good},{twice(end, within, spaces)},{good}]}}'.encode()
    found = [(row["kind"], row["reason"]) for row in rows(content)]
    assert found == [("record", None), ("quarantined", "key_twice"), ("record", None), ("object", None)]
    assert event_keys(content) == ["good", None, "good"]
    assert [row["reason"] for row in rows(content, rules=HARMLESS)] == [None, "key_twice", None, None]


@pytest.mark.parametrize("again", ['"Records"', '"Rec\\u006frds"', ' "Records" '])
@pytest.mark.fault(
    62, "an object with the key Records twice", "the object in quarantine, and unreadable to the recount"
)
def test_an_object_that_says_records_twice_is_not_read_at_all(again: str) -> None:
    one, other = json.dumps(record()), json.dumps(record(eventID="other"))
    content = f'{{"Records":[{one}],{again}:[{other}]}}'.encode()
    (closing,) = rows(content)
    assert (closing["kind"], closing["reason"]) == ("object", "key_twice")
    with pytest.raises(NotCountableError, match="key_twice"):
        event_keys(content)


@pytest.mark.parametrize(
    "odd",
    [
        {"requestParameters": {"a": 1, "b": '"a":1,"a":2'}},
        {"userAgent": "\u2028/<>\u00e9", "errorMessage": 'said "eventName":"x","eventName":"y"'},
        {"userIdentity": {"type": "x", "new": {"type": "y", "type2": "z"}}},
        {"eventName": None, "apiVersion": None, "userIdentity": None, "additionalEventData": None},
    ],
)
@pytest.mark.parametrize("form", [{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_a_key_is_not_said_twice_by_what_looks_like_it(odd: dict[str, Any], form: dict[str, Any]) -> None:
    content = json.dumps({"Records": [record(**odd, other={"Records": [1]})], "other": "Records"}, **form).encode()
    assert [row["kind"] for row in rows(content)] == ["record", "object"]
    assert event_keys(content) == [record()["eventID"]]


def test_a_key_twice_in_a_block_that_no_column_is_made_of_stays_in_its_text() -> None:
    text = json.dumps(record())[:-1] + ',"requestParameters":{"a":1,"a":2}}'
    found = only(f'{{"Records":[{text}]}}'.encode())
    assert found["requestparameters"] == '{"a":1,"a":2}'


@pytest.mark.parametrize("constant", ["NaN", "-Infinity"])
@pytest.mark.fault(62, "a bare NaN in one record", "the object is unreadable to the job and to the recount alike")
def test_a_number_that_is_no_json_is_one_story(constant: str) -> None:
    content = body(record(), record(eventID="2", requestParameters={"value": "X"})).replace(b'"X"', constant.encode())
    (closing,) = rows(content)
    assert closing["reason"] == "nan_in_json"
    assert unreadable("cloudtrail", content) == "nan_in_json"


def unreadable(source: str, content: bytes) -> Any:
    """What the coverage check makes of an object: its events, or the reason for none."""
    made = Recount(
        RawBucket(None, load_source(source), ""),  # type: ignore[arg-type]
        Table("", None, ""),  # type: ignore[arg-type]
        load_rules(source, ""),
        lambda days: (),
        lambda day: None,  # type: ignore[arg-type, return-value]
        lambda *files: "",
    )
    return made._events(content)


PACKED = {
    "zip": b"PK\x03\x04\x14\x00\x00\x00",
    "snappy": b"\xff\x06\x00\x00sNaPpY\x01\x03\x01\x00",
    "zstd": b"\x28\xb5\x2f\xfd\x04\x00",
    "bzip2": bz2.compress(body(record())),
    "xz": lzma.compress(body(record())),
    "utf16": body(record()).decode().encode("utf-16"),
}


@pytest.mark.parametrize("log", source_names())
@pytest.mark.parametrize(("why", "content"), PACKED.items(), ids=PACKED)
@pytest.mark.fault(89, "ZIP, Snappy, Zstandard, bzip2, xz, UTF-16", "named as what they are, by job and recount")
def test_another_compression_or_encoding_is_named(log: str, why: str, content: bytes) -> None:
    for packed in (content, gzip.compress(content)):
        with pytest.raises(UnreadableObjectError, match=why):
            records_of(load_source(log), packed)
        assert unreadable(log, packed) == why


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_wide_characters_are_named_without_a_byte_order_mark_too(encoding: str) -> None:
    assert rows(body(record()).decode().encode(encoding))[0]["reason"] == "utf16"


@pytest.mark.parametrize("content", [body(record()), gzip.compress(b"\xef\xbb\xbf" + body(record()))])
@pytest.mark.fault(89, "a byte order mark", "passed over: the rows are there, and the recount has them")
def test_a_byte_order_mark_is_passed_over(content: bytes) -> None:
    marked = content if content[:2] == b"\x1f\x8b" else b"\xef\xbb\xbf" + content
    assert only(marked)["eventname"] == "GetObject"
    assert event_keys(marked) == [record()["eventID"]]


LINE = b'{"eventID":"a","eventTime":"2026-11-01T12:00:00Z"}'
INVOKED = b'{"requestId":"r","modelId":"m","timestamp":"2026-11-01T12:00:00Z"}'
FORMS = [
    ("cloudtrail", LINE + b"\n" + LINE + b"\n", "json_lines"),
    ("cloudtrail", LINE + LINE, "other_json"),
    ("cloudtrail", b"GET / 200\nGET /x 404\n", "not_json"),
    ("cloudtrail", b"[" + LINE + b"]", "json_array"),
    ("cloudtrail", LINE + b"\n" + LINE[:-1], "not_json"),
    ("bedrock", json.dumps(json.loads(INVOKED), indent=2).encode(), "pretty_printed"),
    ("bedrock", b"[" + INVOKED + b"]", "json_array"),
    ("bedrock", INVOKED + b"\nGET / 200\n", "not_json"),
    ("bedrock", INVOKED[:-1] + b',"new":NaN}', "nan_in_json"),
    ("cloudwatch", b"GET / 200\nGET /x 404\n", "not_json"),
]


@pytest.mark.parametrize(("log", "content", "why"), FORMS)
@pytest.mark.fault(
    89, "text, and JSON of other forms", "two reasons, and lines of JSON a third; both paths say the same"
)
def test_text_and_json_of_another_form_are_two_reasons(log: str, content: bytes, why: str) -> None:
    with pytest.raises(NotThisLogError, match=f"^{why}$"):
        records_of(load_source(log), content)
    assert unreadable(log, content) == why


@pytest.mark.fault(25, "white space and a second member in a CloudTrail object", "still tampering")
def test_white_space_behind_the_only_member_is_no_delimiter() -> None:
    for content in (GOOD + b"\n", GOOD + b"\n" + GOOD):
        assert rows(content)[0]["reason"] == "trailing_bytes"
        assert unreadable("cloudtrail", content) == "trailing_bytes"


@pytest.mark.fault(29, "more than the cap at a ratio of one", "refused")
def test_a_cap_on_inflated_bytes_holds_whatever_the_ratio() -> None:
    with pytest.raises(UnreadableObjectError, match="inflates_too_large"):
        inflate(gzip.compress(os.urandom(4096)), False, ContentLimits(inflated=1000))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"eventTime": None}, "eventtime_missing"),
        ({"eventTime": ""}, "eventtime_missing"),
        ({"eventTime": "yesterday"}, "eventtime_unreadable"),
        ({"eventTime": "2026-11-01T12:00:00"}, "eventtime_unreadable"),
        ({"eventTime": 1793534400}, "eventtime_unreadable"),
        ({"eventTime": "0001-01-01T00:00:00+01:00"}, "eventtime_unreadable"),
        ({"eventTime": "9999-12-31T23:59:59-01:00"}, "eventtime_unreadable"),
        ({"eventTime": "1970-01-01T00:00:00Z"}, "eventtime_implausible"),
        ({"eventTime": "2026-11-03T00:00:00Z"}, "eventtime_implausible"),
        ({"eventTime": "2999-01-01T00:00:00Z"}, "eventtime_implausible"),
    ],
)
@pytest.mark.fault(31, "records without or with an odd time", "in quarantine with a reason, the neighbours are rows")
@pytest.mark.fault(38, "event times of 1970 and of the future", "in quarantine as implausible")
def test_a_record_without_a_believable_time_is_quarantined_and_its_neighbours_are_not(
    changes: dict[str, Any], reason: str
) -> None:
    first, second, closing = rows(body(record(**changes), record()))
    assert (first["kind"], first["reason"], first["raw_ordinal"]) == ("quarantined", reason, 0)
    assert second["kind"] == "record"
    assert closing["record_count"] == 2


@pytest.mark.parametrize("odd", [None, 1, "text", []])
def test_a_record_that_is_no_object_is_quarantined(odd: Any) -> None:
    first, _ = rows(body(odd))
    assert (first["kind"], first["reason"]) == ("quarantined", "record_not_an_object")


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2026-11-01T23:59:59Z", 20261101),
        ("2026-11-01T23:59:59.999Z", 20261101),
        ("2026-11-02T01:30:00+02:00", 20261101),
        ("2024-02-29T00:00:00Z", 20240229),
        ("2026-10-31T23:59:59Z", 20261031),
    ],
)
@pytest.mark.fault(36, "the last millisecond, a leap day, a host in New York", "the UTC day")
def test_the_day_is_the_utc_day_of_the_event(time: str, day: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    found = only(body(record(eventTime=time)))
    assert found["logcalendarday"] == day
    assert found["eventtime"] == datetime.fromisoformat(time).astimezone(UTC)


@pytest.mark.fault(27, "two bytes that are no UTF-8", "replaced, flagged, a row")
def test_bytes_that_are_not_utf8_are_replaced_and_flagged_and_the_row_stays() -> None:
    content = body(record(userAgent="XX"), record(eventID="2")).replace(b"XX", b"\xff\xfe")
    first, second, _ = rows(content)
    assert first["useragent"] == "\ufffd\ufffd"
    assert first["flags"] == "characters_replaced"
    assert second["flags"] is None


def test_half_a_surrogate_pair_costs_a_character_and_not_the_object() -> None:
    content = rb'{"Records":[%s,%s]}' % (
        json.dumps(record(userAgent="a")).encode().replace(b'"a"', rb'"x\ud800y\\ud800\ud83d\ude00"'),
        json.dumps(record(eventID="2")).encode(),
    )
    first, second, _ = rows(content)
    assert first["useragent"] == "x\ufffdy\\ud800\U0001f600"
    assert (first["flags"], second["flags"]) == ("characters_replaced", None)


def test_a_record_of_256_kb_is_a_row() -> None:
    assert len(only(body(record(requestParameters={"x": "y" * 256_000})))["requestparameters"]) > 256_000


def test_nested_blocks_stay_the_delivered_bytes() -> None:
    text = '{"Records":[{"eventTime":"2026-11-01T12:00:00Z","requestParameters":{"b" : 1.68890570862E9, "a":null}}]}'
    assert only(text.encode())["requestparameters"] == '{"b" : 1.68890570862E9, "a":null}'


def test_an_event_of_a_version_without_an_id_is_known_by_its_bytes() -> None:
    plain = record()
    del plain["eventID"]
    first, second, third, _ = rows(body(plain, plain, {**plain, "eventName": "Other"}))
    assert first["eventid"] is None
    assert first["eventkey"] == f"sha256:{first['record_sha256']}"
    assert second["eventkey"] == f"sha256:{first['record_sha256']}#2", (
        "the same bytes twice in an object are two records"
    )
    assert third["eventkey"] == f"sha256:{third['record_sha256']}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("readOnly", "true"),
        ("errorCode", {"a": 1}),
        ("eventSource", 7),
        ("somethingNew", {"nested": [1, "2"]}),
        ("anotherNew", None),
    ],
)
@pytest.mark.fault(30, "new fields and fields of another type", "kept in otherfields as delivered")
def test_what_fits_no_column_stands_in_otherfields_as_it_was(key: str, value: Any) -> None:
    assert json.loads(only(body(record(**{key: value})))["otherfields"]) == {key: value}


@pytest.mark.fault(30, "one path as number, text, list and object", "kept as JSON text")
def test_the_same_path_may_be_anything() -> None:
    for value in (1, "1", [1], {"a": 1}, True):
        found = only(body(record(requestParameters={"x": value}, resources=value)))
        assert json.loads(found["requestparameters"]) == {"x": value}
        assert json.loads(found["resources"]) == value


IDENTITY = {
    "type": "AssumedRole",
    "arn": "arn:aws:sts::111122223333:assumed-role/Admin/alice",
    "sessionContext": {
        "sourceIdentity": "alice",
        "sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/Admin", "userName": "Admin"},
        "attributes": {"mfaAuthenticated": "true", "creationDate": "2026-11-01T11:00:00Z"},
    },
    "onBehalfOf": {"userId": "u", "identityStoreArn": "arn:aws:identitystore::1:x"},
    "inScopeOf": {"sourceArn": "arn:aws:lambda:x"},
    "invokedByDelegate": {"accountId": "444455556666"},
}


def test_every_identity_scalar_has_its_column_and_the_block_stays_whole() -> None:
    found = only(body(record(userIdentity=IDENTITY, addendum={"reason": "DELIVERY_DELAY", "originalEventID": "o"})))
    assert found["useridentity_sourceidentity"] == "alice"
    assert found["useridentity_issuerarn"] == "arn:aws:iam::111122223333:role/Admin"
    assert found["useridentity_mfaauthenticated"] == "true"
    assert found["useridentity_onbehalfof_userid"] == "u"
    assert found["useridentity_inscopeof_sourcearn"] == "arn:aws:lambda:x"
    assert found["useridentity_invokedbydelegate_accountid"] == "444455556666"
    assert (found["addendum_reason"], found["addendum_originaleventid"]) == ("DELIVERY_DELAY", "o")
    assert json.loads(found["useridentity"]) == IDENTITY


@pytest.mark.parametrize("identity", [{"type": "AWSService", "invokedBy": "x"}, {"accountId": "1"}, "text", 5, []])
def test_an_odd_identity_loses_nothing(identity: Any) -> None:
    assert json.loads(only(body(record(userIdentity=identity)))["useridentity"]) == identity


def reassemble(row: dict[str, Any]) -> dict[str, Any]:
    """The record a row came from, from the row alone."""
    found: dict[str, Any] = json.loads(row["otherfields"] or "{}")
    for key, column in (decode.TEXT | decode.BOOLEAN).items():
        if row[column] is not None:
            found[key] = row[column]
    for key, column in decode.JSON.items():
        if row[column] is not None:
            found[key] = json.loads(row[column])
    found.setdefault("eventTime", f"{row['eventtime']:%Y-%m-%dT%H:%M:%SZ}")
    return found


def sample_contents() -> list[bytes]:
    from loglake_assets.sources.sample_deliveries import generate

    contents = []
    for sample in generate("cloudtrail", events=3_000, days=1).objects():
        if sample.kind == "log" and "/CloudTrail/" in sample.key and sample.body[:2] == b"\x1f\x8b":
            contents.append(sample.body)
    return contents


def test_a_row_misses_nothing_of_its_record() -> None:
    compared = 0
    for content in sample_contents():
        try:
            records = json.loads(gzip.decompress(content))["Records"]
        except OSError:
            continue
        for row in (r for r in rows(content) if r["kind"] == "record"):
            original = records[row["raw_ordinal"]]
            nulls = {k for k, v in original.items() if v is None and k in decode.KNOWN_KEYS}
            assert reassemble(row) == {k: v for k, v in original.items() if k not in nulls}
            compared += 1
    assert compared > 2_000


def test_the_recount_finds_the_events_that_the_job_finds() -> None:
    for content in sample_contents():
        found = rows(content)
        try:
            counted = [e.key for e in recount.events(gzip.decompress(content).decode(errors="replace"))]
        except (NotCountableError, OSError):
            assert found[-1]["reason"]
            continue
        keys = [r["eventkey"] for r in found if r["kind"] == "record"]
        assert not Counter(keys) - Counter(counted)
        assert len(counted) == found[-1]["record_count"]


EXCLUDING = """
[[exclude]]
name = "reads"
source = "cloudtrail"
eventname = ["GetObject"]
[[exclude]]
name = "people"
source = "cloudtrail"
useridentity_sourceidentity = ["alice"]
"""


def test_an_excluded_record_is_no_row_and_counted_by_day_under_its_rule() -> None:
    before = record(eventTime="2026-10-31T23:59:59Z")
    content = body(
        record(), record(eventName="PutObject"), before, record(), record(eventName="X", userIdentity=IDENTITY)
    )
    kept, closing = rows(content, rules=EXCLUDING)
    assert (kept["eventname"], kept["raw_ordinal"]) == ("PutObject", 1)
    assert Counter({(day, rule): n for day, rule, n in closing["counts"]}) == {
        (DAY, "reads"): 2,
        (20261031, "reads"): 1,
        (DAY, "people"): 1,
        (DAY, None): 1,
    }
    assert closing["record_count"] == 5


def test_an_object_of_excluded_records_alone_is_closed_with_its_account() -> None:
    (closing,) = rows(body(record(), record(eventID="2")), rules=EXCLUDING)
    assert (closing["record_count"], closing["counts"]) == (2, [[DAY, "reads", 2]])
    assert closing["content_bytes"] == len(body(record(), record(eventID="2")))


@pytest.mark.parametrize(
    "odd", [{"eventTime": "yesterday"}, {"eventTime": "2999-01-01T00:00:00Z"}, {"eventTime": "2026-11-01T12:00:00.5Z"}]
)
def test_a_rule_never_hides_a_record_that_cannot_be_a_row_and_an_odd_time_hides_no_rule(odd: dict[str, Any]) -> None:
    *first, closing = rows(body(record(**odd), record()), rules=EXCLUDING)
    excluded = sum(n for _, rule, n in closing["counts"] if rule)
    assert len(first) + excluded == closing["record_count"] == 2
    assert [row["kind"] for row in first] == (["quarantined"] if not odd["eventTime"].endswith(".5Z") else [])


def test_no_content_of_a_log_stands_in_an_error() -> None:
    canary = "canary-7f3a"
    for content in (f"{canary} not json".encode(), body({"eventTime": canary}), body(canary)):
        reasons = [row["reason"] for row in rows(content)]
        assert canary not in str(reasons)


ODD_NEIGHBOURS: list[bytes | None] = [
    body(record(eventID="a1"), record(eventID="a2", eventTime="1970-01-01T00:00:00Z"), record(eventID="a3")),
    body(record(eventID="b1", futureDetails={"x": 1}), record(eventID="b2", eventTime="2026-10-31T23:59:59Z")),
    body(record(eventID="c1").copy() | {"eventID": None}, record(), record(eventTime="soon")),
    body(record(eventID="d1", sourceIPAddress="\ud800"), record(eventID="d2")),
    b"not json",
    None,
    body(),
    body(*[record(eventID=f"e{n}") for n in range(1_203)]),
    body(record(eventID="f1"), record(eventID="f2", eventName="Decrypt")),
]


VERSIONS = (None, "", "v1")


def objects_of_two_days(count: int) -> list[FetchedObject]:
    times = ("2026-11-01T10:00:00Z", "2026-11-02T10:00:00Z")
    return [
        FetchedObject(
            ObjectRef(n, "logs", KEY.replace("x", f"x{n}"), DAY + n % 2),
            body(record(eventID=f"e{n}", eventTime=times[n % 2])),
            f"etag{n}",
            VERSIONS[n % 3],
            1793600000.0,
        )
        for n in range(count)
    ]


def test_a_view_reads_what_objects_say_of_their_records_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever objects a batch is of, and also where some of them have no version id."""
    view = (
        "SELECT r.*, concat_ws(' ', coalesce(r.raw_versionid, 'none'), r.raw_key) AS f_sessionid "
        "FROM records_as_view r WHERE r.eventid <> 'e7'"
    )
    monkeypatch.setattr("glue_scripts.day_views.own_statements", lambda _: (("identified_as_view", view),))
    source, objects = load_source("cloudtrail"), objects_of_two_days(9_000)
    batches = [batch.records for batch in ObjectReader(source.name, "eu-west-1").batches(objects)]
    assert len(batches) > 2
    views = DayViews(source, date(2026, 11, 1), date(2026, 11, 2), "r")
    for some in (batches, batches[::-1]):
        rows, _ = views.rows_and_keys(pa.Table.from_batches(some))
        found = {row["eventid"]: row for row in rows.select(["eventid", "f_sessionid", "raw_versionid"]).to_pylist()}
        assert len(found) == len(objects) - 1
        for n, one in enumerate(objects):
            if n != 7:
                text = "none" if one.version_id is None else one.version_id
                wanted = {"eventid": f"e{n}", "f_sessionid": f"{text} {one.ref.key}", "raw_versionid": one.version_id}
                assert found[f"e{n}"] == wanted


@pytest.mark.parametrize("rules", [None, '[[exclude]]\nname = "d"\nsource = "cloudtrail"\neventname = ["Decrypt"]\n'])
@pytest.mark.parametrize("order", [1, -1])
def test_objects_that_are_read_together_give_what_each_gives_alone(rules: str | None, order: int) -> None:
    """Records of several objects are decoded together: an odd one costs its neighbours nothing."""
    objects = [
        FetchedObject(
            ObjectRef(n, "logs", KEY.replace("x", f"x{n}"), DAY + n % 2), content, f"e{n}", VERSIONS[n % 3], float(n)
        )
        for n, content in enumerate(ODD_NEIGHBOURS * 3)
    ][::order]

    def read(some: list[FetchedObject]) -> tuple[list[str], list[Any]]:
        batches = list(ObjectReader("cloudtrail", "eu-west-1", rules, ContentLimits()).batches(some))
        found = [json.dumps(row, default=str) for batch in batches for row in batch.records.to_pylist()]
        return sorted(found), [account for batch in batches for account in batch.accounts]

    together = read(objects)
    alone = [read([one]) for one in objects]
    assert together[0] == sorted(row for found, _ in alone for row in found)
    assert together[1] == [account for _, accounts in alone for account in accounts]
    assert len(together[0]) > 3_600
    assert sum(len(account.quarantined) for account in together[1]) >= 6


def test_the_batches_stay_bounded() -> None:
    reader = ObjectReader("cloudtrail", "eu-west-1")
    content = body(*[record(eventID=str(n)) for n in range(9_000)])
    fetched = FetchedObject(ObjectRef(0, "logs", KEY, DAY), content, "e", None, 1.0)
    sizes = [batch.records.num_rows for batch in reader.batches([fetched])]
    assert sum(sizes) == 9_000
    assert max(sizes) <= 4_000
    assert load_source("cloudtrail").decoder


@pytest.mark.parametrize("name", source_names())
def test_every_module_that_a_source_declares_can_do_what_its_kind_must(name: str) -> None:
    source = load_source(name)
    declared = {field: getattr(source, field) for field in PROTOCOLS if getattr(source, field)}
    assert declared.keys() >= {"decoder", "recount"}
    for field, module in declared.items():
        assert isinstance(importlib.import_module(module), PROTOCOLS[field]), module
