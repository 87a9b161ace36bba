"""The events of one CloudTrail object, counted by another path than the Glue job's. Standard library only.

The coverage check must not repeat the writer's number, so it shares no decoding with it: this is the json module's
scanner over text, where the job uses msgspec over bytes.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

from loglake_assets.sources.counted_event import CountedEvent, KeyTwice, NotCountableError, json_decoder

_WHITESPACE = " \t\r\n"
_SCANNER = json_decoder(parse_int=float)  # no integer is asked for
_TAKEN_APART: tuple[tuple[str, ...], ...] = (
    ("userIdentity",),
    *(("userIdentity", block) for block in ("sessionContext", "onBehalfOf", "inScopeOf", "invokedByDelegate")),
    *(("userIdentity", "sessionContext", block) for block in ("attributes", "webIdFederationData", "sessionIssuer")),
    ("addendum",),
)
"""Blocks of a record of which columns are made; of the others the text is kept, with whatever is in it twice."""


def events(text: str) -> Iterator[CountedEvent]:
    """Each record of an object's text. Raises NotCountableError when the text is no CloudTrail delivery."""
    try:
        document = _SCANNER.decode(text)
    except (ValueError, RecursionError) as error:
        raise NotCountableError("not_json") from error
    if not isinstance(document, dict):
        raise NotCountableError("not_json")
    if isinstance(document, KeyTwice):
        raise NotCountableError("key_twice")
    if "Records" not in document:
        raise NotCountableError("no_records")
    if any(isinstance(value, list | dict) for name, value in document.items() if name != "Records"):
        raise NotCountableError("more_than_records")
    records = document["Records"]
    if not isinstance(records, list | None):
        raise NotCountableError("records_not_a_list")
    slices = None
    for ordinal, record in enumerate(records or ()):
        if isinstance(record, dict) and not _has_id(record):
            slices = slices or list(_record_texts(text))
            yield _count(record, slices[ordinal])
        else:
            yield _count(record, "")


def _count(record: Any, text: str) -> CountedEvent:
    if not isinstance(record, dict) or _says_a_key_twice(record):
        return CountedEvent(None, None, {})
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
    key = record["eventID"] if _has_id(record) else f"sha256:{digest}"
    time = record.get("eventTime")
    return CountedEvent(key, time if isinstance(time, str) else None, _fields(record))


def _says_a_key_twice(record: dict[str, Any]) -> bool:
    return isinstance(record, KeyTwice) or any(isinstance(_block(record, p), KeyTwice) for p in _TAKEN_APART)


def _block(record: dict[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = record
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _has_id(record: dict[str, Any]) -> bool:
    return isinstance(record.get("eventID"), str) and bool(record["eventID"])


def _fields(record: dict[str, Any]) -> dict[str, str | None]:
    identity = record.get("userIdentity") or {}
    session = (identity.get("sessionContext") or {}) if isinstance(identity, dict) else {}
    found = {
        "eventname": record.get("eventName"),
        "eventsource": record.get("eventSource"),
        "recipientaccountid": record.get("recipientAccountId"),
        "awsregion": record.get("awsRegion"),
        "eventcategory": record.get("eventCategory"),
        "useridentity_sourceidentity": session.get("sourceIdentity") if isinstance(session, dict) else None,
    }
    return {name: value if isinstance(value, str) else None for name, value in found.items()}


def _record_texts(text: str) -> Iterator[str]:
    """Each record's own text, cut out of the Records array: what identifies a record that has no id."""
    position = text.index("[", text.index('"Records"')) + 1
    while True:
        while text[position] in _WHITESPACE + ",":
            position += 1
        if text[position] == "]":
            return
        _, end = _SCANNER.raw_decode(text, position)
        yield text[position:end]
        position = end
