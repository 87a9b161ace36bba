"""The forms in which S3's news arrive."""

import json
from typing import Any

import pytest

from loglake_assets.sources.notifications import NotANotificationError, ObjectCreated, created_objects


def s3_event(key: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventVersion": "2.4",
                "eventSource": "aws:s3",
                "eventTime": "2026-11-01T00:00:01.000Z",
                "eventName": name,
                "s3": {
                    "bucket": {"name": "logs"},
                    "object": {"key": key, "size": 1, "sequencer": "0055AED6DCD90281E5"},
                },
            }
        ]
    }


def keys(event: Any) -> list[str]:
    return [created.key for created in created_objects(event)]


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a/b.json.gz", "a/b.json.gz"),
        ("a+b/c%2Bd.json", "a b/c+d.json"),
        ("day%3D1/x", "day=1/x"),
        ("gr%C3%B6%C3%9Fe/x", "größe/x"),
        ("a%253D/x", "a%3D/x"),
    ],
)
@pytest.mark.fault(10, "keys as S3 encodes them", "decoded once")
def test_keys_of_s3_come_url_encoded_and_are_decoded(encoded: str, key: str) -> None:
    assert list(created_objects(s3_event(encoded))) == [ObjectCreated("logs", key, "2026-11-01T00:00:01.000Z")]


def test_an_event_wrapped_by_sns_is_unwrapped() -> None:
    assert keys({"Records": [{"Sns": {"Message": json.dumps(s3_event("a+b"))}}]}) == ["a b"]
    assert keys({"Type": "Notification", "Message": json.dumps(s3_event("a+b"))}) == ["a b"]
    assert keys({"Records": [{"body": json.dumps({"Message": json.dumps(s3_event("a+b"))})}]}) == ["a b"]


def test_an_eventbridge_event_names_its_key_decoded() -> None:
    detail = {"bucket": {"name": "logs"}, "object": {"key": "a+b c"}}
    assert keys({"detail-type": "Object Created", "detail": detail, "time": "2026-11-01T00:00:01Z"}) == ["a+b c"]
    assert keys({"detail-type": "Object Deleted", "detail": detail}) == []


OWN = {"s3Bucket": "logs", "s3ObjectKey": ["AWSLogs/a+b%2B.json.gz", "AWSLogs/c.json.gz"]}


@pytest.mark.fault(90, "what a trail publishes to its own topic", "the objects that it names, their keys as they are")
def test_what_a_trail_itself_publishes_names_its_objects() -> None:
    wanted = OWN["s3ObjectKey"]
    assert keys(OWN) == wanted
    assert keys({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(OWN)}}]}) == wanted
    assert keys({"Records": [{"body": json.dumps({"Message": json.dumps(OWN)})}]}) == wanted
    assert keys({**OWN, "s3ObjectKey": "one"}) == ["one"]


def test_the_sentence_that_a_trail_sends_to_a_new_topic_tells_of_no_object() -> None:
    for text in ("CloudTrail validation message.", "CloudTrail validation message"):
        assert keys({"Records": [{"Sns": {"Message": text}}]}) == keys({"Message": text}) == []


@pytest.mark.fault(90, "one record of several is no notification", "the objects of the others are told of first")
def test_what_can_be_read_of_a_notification_is_read_before_the_rest_is_refused() -> None:
    odd = {"Records": [*s3_event("a")["Records"], {"new": 1}, *s3_event("b")["Records"]]}
    told: list[str] = []
    with pytest.raises(NotANotificationError, match="none of s3, Sns, body"):
        told.extend(created.key for created in created_objects(odd))
    assert told == ["a", "b"]


def test_a_test_event_and_a_removal_tell_of_no_object() -> None:
    assert keys({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "logs"}) == []
    assert keys(s3_event("a", "ObjectRemoved:Delete")) == []
    assert keys({"Records": []}) == []


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        "text",
        {},
        {"Records": ["x"]},
        {"Records": [{}]},
        {"Message": "{"},
        {"detail": {}},
        {"Records": [{"s3": {}}]},
        {"Records": "x"},
        {"Records": [{"Sns": "x"}]},
        {"s3ObjectKey": ["a"]},
        {"s3Bucket": "logs", "s3ObjectKey": None},
        {"s3Bucket": "logs", "s3ObjectKey": [1]},
        {"Message": "any sentence"},
    ],
)
def test_what_is_no_notification_is_said_to_be_none(odd: Any) -> None:
    with pytest.raises(NotANotificationError):
        keys(odd)
