"""The records of one object, counted by another path than the Glue job's. Standard library only.

The job cuts bytes and parses the pieces; this scans each line with the json module, document after document.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from loglake_assets.sources.counted_event import CountedEvent, NotCountableError

_FIELDS = {"modelid": "modelId", "operation": "operation", "accountid": "accountId", "errorcode": "errorCode"}
_WHITESPACE = " \t\r\n"
_NO_RECORD = CountedEvent(None, None, {})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def events(text: str) -> Iterator[CountedEvent]:
    """Each record of an object's text. Raises NotCountableError when a line holds anything but JSON objects."""
    counted: list[CountedEvent] = []  # all or nothing, as the job reads it
    for line in text.split("\n"):
        documents = list(_documents(line))
        for document in documents:
            if "logEvents" in document.fields:
                counted.extend(_log_events(document))
            else:
                counted.append(_count(document if len(documents) > 1 else replace(document, text=line)))
    yield from counted


@dataclass(frozen=True)
class _Document:
    """One JSON object of a line; whether it, or any object in it, has a key twice."""

    fields: dict[str, Any]
    text: str
    has_key_twice: bool


def _scan(text: str, at: int) -> tuple[Any, int, bool]:
    """(value, where it ends, whether an object in it has a key twice). Raises ValueError or RecursionError."""
    doubled: list[int] = []

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            doubled.append(len(pairs))
        return found

    scanner = json.JSONDecoder(object_pairs_hook=object_of, parse_int=str, parse_constant=_no_number)
    value, end = scanner.raw_decode(text, at)
    return value, end, bool(doubled)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _documents(line: str) -> Iterator[_Document]:
    at = _behind_spaces(line, 0)
    while at < len(line):
        try:
            found, end, has_key_twice = _scan(line, at)
        except (ValueError, RecursionError) as error:
            raise NotCountableError("not_json") from error
        if not isinstance(found, dict):
            raise NotCountableError("not_json")
        yield _Document(found, line[at:end], has_key_twice)
        at = _behind_spaces(line, end)


def _behind_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at] in _WHITESPACE:
        at += 1
    return at


def _log_events(document: _Document) -> list[CountedEvent]:
    """The records that are messages of a document of a CloudWatch Logs subscription."""
    events = document.fields["logEvents"]
    if document.has_key_twice:
        raise NotCountableError("key_twice")
    if not isinstance(events, list):
        raise NotCountableError("log_events_not_a_list")
    is_control = document.fields.get("messageType") == "CONTROL_MESSAGE"
    return [_log_event(event if isinstance(event, dict) else {}, is_control) for event in events]


def _log_event(event: dict[str, Any], is_control: bool) -> CountedEvent:
    message = _string(event.get("message")) or ""
    if is_control:
        digest = hashlib.sha256(message.encode(errors="replace")).hexdigest()
        return CountedEvent(f"sha256:{digest}", _time(event.get("timestamp")), {}, True)
    try:
        found, end, has_key_twice = _scan(message, _behind_spaces(message, 0))
    except (ValueError, RecursionError):
        return _NO_RECORD
    if _behind_spaces(message, end) < len(message) or not isinstance(found, dict):
        return _NO_RECORD
    return _count(_Document(found, message, has_key_twice))


def _count(document: _Document) -> CountedEvent:
    record = document.fields
    if document.has_key_twice or not {"requestId", "modelId"} & record.keys():
        return _NO_RECORD
    fields = {column: _string(record.get(key)) for column, key in _FIELDS.items()}
    time = _string(record.get("timestamp"))
    digest = hashlib.sha256(document.text.encode(errors="replace")).hexdigest()
    request = _string(record.get("requestId")) or f"sha256:{digest}"
    return CountedEvent(f"{fields['accountid'] or ''}:{request}:{time or ''}", time, fields)


def _time(milliseconds: Any) -> str | None:
    """`milliseconds` as the scanner leaves it: its digits."""
    try:
        return (_EPOCH + timedelta(milliseconds=int(milliseconds))).isoformat()
    except (TypeError, ValueError, OverflowError):
        return None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None
