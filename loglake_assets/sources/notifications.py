"""S3 notifications in the forms met in the wild, as (bucket, key) pairs. Standard library only.

Direct from S3, wrapped by SNS, as an EventBridge event, the TestEvent that S3 sends when notifications are set up, and
what a trail itself publishes to a topic of its own: a bucket and the keys of the files that it delivered there.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

_SENTENCE = re.compile(r"[A-Za-z]+ validation message\.?")


class NotANotificationError(ValueError):
    """The payload is none of the known forms. Sending it again cannot help; it belongs in quarantine."""


@dataclass(frozen=True)
class ObjectCreated:
    """One object that arrived: the key decoded, as stored in S3; `time` as the notification spells it."""

    bucket: str
    key: str
    time: str | None = None


def created_objects(event: Any) -> Iterator[ObjectCreated]:
    """The objects a notification tells of; none for a TestEvent or a deletion.

    Raises NotANotificationError, after the objects of all the records that can be read.
    """
    if not isinstance(event, Mapping):
        raise NotANotificationError(f"expected a JSON object, got {type(event).__name__}")
    if event.get("Event") == "s3:TestEvent":
        return
    if "detail" in event:
        yield from _from_eventbridge(event)
    elif "Records" in event:
        yield from _from_records(event["Records"])
    elif "s3ObjectKey" in event:
        yield from _from_deliverer(event)
    elif "Message" in event:  # SNS delivered to SQS without raw delivery
        yield from _from_message(event["Message"])
    else:
        raise NotANotificationError("it has none of Records, detail, s3ObjectKey, Message, Event")


def _from_records(records: Any) -> Iterator[ObjectCreated]:
    if not isinstance(records, list | None):
        raise NotANotificationError(f"its Records are {type(records).__name__}, not a list")
    fault: NotANotificationError | None = None
    for record in records or ():
        try:
            yield from _from_record(record)
        except NotANotificationError as error:
            fault = fault or error
    if fault:
        raise fault


def _from_deliverer(event: Mapping[str, Any]) -> Iterator[ObjectCreated]:
    """Keys come decoded; one may stand without a list."""
    bucket, keys = event.get("s3Bucket"), event["s3ObjectKey"]
    keys = [keys] if isinstance(keys, str) else keys
    if not isinstance(bucket, str) or not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise NotANotificationError("s3Bucket and s3ObjectKey are not a bucket and its keys")
    yield from (ObjectCreated(bucket, key) for key in keys)


def _from_message(text: Any) -> Iterator[ObjectCreated]:
    """A topic's message. A trail sends a sentence when it is given a topic, which tells of no object."""
    if isinstance(text, str) and _SENTENCE.fullmatch(text):
        return
    yield from created_objects(_parse(text))


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
        yield from _from_message(record["Sns"].get("Message") if isinstance(record["Sns"], Mapping) else None)
    elif "s3" in record:
        yield from _from_s3(record)
    elif "body" in record:  # SQS in front of the Lambda
        yield from created_objects(_parse(record["body"]))
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


def _parse(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise NotANotificationError("an inner message is not JSON") from error
