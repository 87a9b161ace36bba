"""Objects as they are met, good and bad, through the job's reader: every one accounted for, all of it or none of it."""

import gzip
import json
import os
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from glue_scripts.content import ContentLimits, UnreadableObjectError, inflated
from glue_scripts.fetching import FetchedObject, ObjectRef
from glue_scripts.reading import ObjectReader
from loglake_assets.sources import load_source
from loglake_assets.sources.cloudtrail import decode, recount
from loglake_assets.sources.recounting import NotCountableError

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
    return [row for batch in reader.batches([fetched]) for row in batch.to_pylist()]


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
        (body(record()) + body(record()), "not_json"),
        (b'{"Records":{}}', "records_not_a_list"),
        (b'{"digestStartTime":"x"}', "no_records"),
        (b"[1]", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"Records":[{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}]}", "not_json"),
        (gzip.compress(bytes(80 << 20)), "inflates_too_large"),
        (None, "gone_while_reading"),
    ],
)
@pytest.mark.fault(23, "gzip and JSON cut in several places", "the whole object in quarantine")
@pytest.mark.fault(25, "a second member in a CloudTrail object", "in quarantine as tampering")
@pytest.mark.fault(29, "a bomb of 80 MB, nesting of 100,000", "in quarantine")
def test_what_cannot_be_read_whole_is_not_read_at_all(content: bytes | None, reason: str) -> None:
    (closing,) = rows(content)
    assert (closing["kind"], closing["reason"], closing["raw_key"]) == ("object", reason, KEY)


@pytest.mark.fault(29, "more than the cap at a ratio of one", "refused")
def test_a_cap_on_inflated_bytes_holds_whatever_the_ratio() -> None:
    with pytest.raises(UnreadableObjectError, match="inflates_too_large"):
        inflated(gzip.compress(os.urandom(4096)), False, ContentLimits(inflated=1000))


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
    assert first["eventkey"] == second["eventkey"] == f"sha256:{first['record_sha256']}"
    assert third["eventkey"] != first["eventkey"]


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


def reassembled(row: dict[str, Any]) -> dict[str, Any]:
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
    from infra.local.samples import generate

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
            assert reassembled(row) == {k: v for k, v in original.items() if k not in nulls}
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
    assert Counter({(day, rule): n for day, rule, n in json.loads(closing["counts"])}) == {
        (DAY, "reads"): 2,
        (20261031, "reads"): 1,
        (DAY, "people"): 1,
        (DAY, None): 1,
    }
    assert closing["record_count"] == 5


def test_an_object_of_excluded_records_alone_is_closed_with_its_account() -> None:
    (closing,) = rows(body(record(), record(eventID="2")), rules=EXCLUDING)
    assert (closing["record_count"], json.loads(closing["counts"])) == (2, [[DAY, "reads", 2]])
    assert closing["content_bytes"] == len(body(record(), record(eventID="2")))


@pytest.mark.parametrize(
    "odd", [{"eventTime": "yesterday"}, {"eventTime": "2999-01-01T00:00:00Z"}, {"eventTime": "2026-11-01T12:00:00.5Z"}]
)
def test_a_rule_never_hides_a_record_that_cannot_be_a_row_and_an_odd_time_hides_no_rule(odd: dict[str, Any]) -> None:
    *first, closing = rows(body(record(**odd), record()), rules=EXCLUDING)
    excluded = sum(n for _, rule, n in json.loads(closing["counts"]) if rule)
    assert len(first) + excluded == closing["record_count"] == 2
    assert [row["kind"] for row in first] == (["quarantined"] if not odd["eventTime"].endswith(".5Z") else [])


def test_no_content_of_a_log_stands_in_an_error() -> None:
    canary = "canary-7f3a"
    for content in (f"{canary} not json".encode(), body({"eventTime": canary}), body(canary)):
        reasons = [row["reason"] for row in rows(content)]
        assert canary not in str(reasons)


def test_the_batches_stay_bounded() -> None:
    reader = ObjectReader("cloudtrail", "eu-west-1")
    content = body(*[record(eventID=str(n)) for n in range(9_000)])
    fetched = FetchedObject(ObjectRef(0, "logs", KEY, DAY), content, "e", None, 1.0)
    sizes = [batch.num_rows for batch in reader.batches([fetched])]
    assert sum(sizes) == 9_001
    assert max(sizes) <= 4_000
    assert load_source("cloudtrail").decoder
