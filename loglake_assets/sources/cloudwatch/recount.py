"""The events of one Firehose object, counted by another path than the Glue job's. Standard library only.

The job cuts bytes between documents and parses the pieces; this scans the text with the json module, document after
document, and looks at nothing but where each one ends.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from loglake_assets.sources.counted_event import CountedEvent, KeyTwice, NotCountableError, json_decoder

_WHITESPACE = " \t\r\n"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _integer(digits: str) -> int | None:
    """None for what is no time in milliseconds, and what Python refuses to convert from 4,300 digits on."""
    return int(digits) if len(digits) < 20 else None


_SCANNER = json_decoder(parse_int=_integer)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def events(text: str) -> Iterator[CountedEvent]:
    """Each log event of an object's text. Raises NotCountableError when the text is no such delivery."""
    counted: list[CountedEvent] = []  # all or nothing, as the job reads it
    for document in _documents(text):
        if not isinstance(document, dict):
            raise NotCountableError("not_json")
        if isinstance(document, KeyTwice):
            raise NotCountableError("key_twice")
        if "logEvents" not in document:
            raise NotCountableError("firehose_failed_records" if "rawData" in document else "message_extraction")
        if not isinstance(document["logEvents"], list):
            raise NotCountableError("log_events_not_a_list")
        counted.extend(_count(document, event) for event in document["logEvents"])
    yield from counted


def _documents(text: str) -> Iterator[Any]:
    position = 0
    while position < len(text):
        if text[position] in _WHITESPACE:
            position += 1
            continue
        try:
            document, position = _SCANNER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise NotCountableError("not_json") from error
        yield document


def _count(document: dict[str, Any], event: Any) -> CountedEvent:
    if not isinstance(event, dict) or isinstance(event, KeyTwice):
        return CountedEvent(None, None, {})
    place: dict[str, str | None] = {name: _string(document.get(key)) or "" for name, key in _PLACE.items()}
    is_control = document.get("messageType") == "CONTROL_MESSAGE"
    identifier = _string(event.get("id")) or _without_id(event)
    key = ":".join([*(str(part) for part in place.values()), identifier])
    return CountedEvent(key, _time(event.get("timestamp")), place, is_control)


def _without_id(event: dict[str, Any]) -> str:
    text = f"{event.get('timestamp')}\n{_string(event.get('message')) or ''}"
    return "sha256:" + hashlib.sha256(text.encode(errors="replace")).hexdigest()


_PLACE = {"logaccountid": "owner", "loggroup": "logGroup", "logstream": "logStream"}


def _string(value: Any) -> str | None:
    """Half of a surrogate pair is U+FFFD, as no table can hold it."""
    return _LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else None


def _time(milliseconds: Any) -> str | None:
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool):
        return None
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat()
    except OverflowError:
        return None
