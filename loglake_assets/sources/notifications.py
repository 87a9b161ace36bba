"""S3 notifications in the forms met in the wild, as (bucket, key) pairs. Standard library only.

Direct from S3, wrapped by SNS, as an EventBridge event, and the TestEvent that S3 sends when notifications are set up.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus


class NotANotificationError(ValueError):
    """The payload is none of the known forms. Sending it again cannot help; it belongs in quarantine."""


@dataclass(frozen=True)
class ObjectCreated:
    """One object that arrived: the key decoded, as stored in S3; `time` as the notification spells it."""

    bucket: str
    key: str
    time: str | None = None


def objects_created(event: Any) -> Iterator[ObjectCreated]:
    """The objects a notification tells of; none for a TestEvent or a deletion. Raises NotANotificationError."""
    if not isinstance(event, Mapping):
        raise NotANotificationError(f"expected a JSON object, got {type(event).__name__}")
    if event.get("Event") == "s3:TestEvent":
        return
    if "detail" in event:
        yield from _from_eventbridge(event)
    elif "Records" in event:
        for record in event["Records"] or ():
            yield from _from_record(record)
    elif "Message" in event:  # SNS delivered to SQS without raw delivery
        yield from objects_created(_parsed(event["Message"]))
    else:
        raise NotANotificationError("it has none of Records, detail, Message, Event")


def _from_eventbridge(event: Mapping[str, Any]) -> Iterator[ObjectCreated]:
    if event.get("detail-type", "Object Created") != "Object Created":
        return
    try:
        detail = event["detail"]
        yield ObjectCreated(detail["bucket"]["name"], detail["object"]["key"], event.get("time"))  # keys come decoded
    except (KeyError, TypeError) as error:
        raise NotANotificationError(f"the EventBridge detail lacks {error}") from error


def _from_record(record: Any) -> Iterator[ObjectCreated]:
    if not isinstance(record, Mapping):
        raise NotANotificationError(f"a record is {type(record).__name__}, not an object")
    if "Sns" in record:
        yield from objects_created(_parsed(record["Sns"].get("Message")))
    elif "s3" in record:
        yield from _from_s3(record)
    elif "body" in record:  # SQS in front of the Lambda
        yield from objects_created(_parsed(record["body"]))
    else:
        raise NotANotificationError("a record has none of s3, Sns, body")


def _from_s3(record: Mapping[str, Any]) -> Iterator[ObjectCreated]:
    if not str(record.get("eventName", "ObjectCreated:")).removeprefix("s3:").startswith("ObjectCreated:"):
        return
    try:
        bucket, key = record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]
    except (KeyError, TypeError) as error:
        raise NotANotificationError(f"the s3 block lacks {error}") from error
    yield ObjectCreated(bucket, unquote_plus(key), record.get("eventTime"))


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise NotANotificationError("an inner message is not JSON") from error
