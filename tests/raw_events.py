"""The events of raw objects, read for the checker of invariants and for nothing else.

Neither the job's path (isal, msgspec, cuts between bytes) nor the coverage check's recount is used: bodies are inflated
and scanned here anew, so that a mistake of theirs is no mistake of the checker's. What a log's events are told apart by
is said once more, by source, at the end. What the lake refuses as a whole is restated here as `UnreadableError`.
"""

import hashlib
import json
import re
import string
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_MAGIC = b"\x1f\x8b"
_LAYERS = 3  # of gzip around gzip; a fourth is refused
_MOST_BYTES, _FREE_BYTES, _MOST_TIMES = 1 << 30, 64 << 20, 400  # inflated; beyond 64 MiB a ratio above 400 is a bomb
_STEP = 8 << 10  # bytes fed to zlib: what follows a member comes back as a copy of at most as many
_LARGEST_ENVELOPE = 1 << 14  # bytes of a log document beside its events, which every row would repeat
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"[ \t\r\n]*")


class UnreadableError(ValueError):
    """No event of the object can be had, so quarantine must list it. The text says why and holds no content."""


@dataclass(frozen=True, slots=True)
class RawEvent:
    """A record as delivered. `key` is its grain and None where it is no event; `moment` None where it has no time."""

    key: str | None
    moment: datetime | None
    fields: Mapping[str, str | None]
    is_excluded: bool = False


def raw_events(source_name: str, body: bytes, several_members: bool) -> list[RawEvent]:
    """The records of one object in their order. Raises UnreadableError."""
    text = _text(body, several_members)
    if not text.strip(string.whitespace):
        return []
    try:
        return list(_EVENTS[source_name](text))
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, UnreadableError) else type(error).__name__
        raise UnreadableError(reason) from None


def _text(body: bytes, several_members: bool) -> str:
    content, room = body, min(_MOST_BYTES, max(_FREE_BYTES, len(body) * _MOST_TIMES))
    for _ in range(_LAYERS):
        if content.startswith(_MAGIC):
            content = b"".join(_members(content, several_members, room))
    if content.startswith(_MAGIC):
        raise UnreadableError("gzip in gzip in gzip in gzip")
    return content.decode(errors="replace")


def _members(body: bytes, several_members: bool, room: int) -> Iterator[bytes]:
    """Pieces of content, member after member; zeros may follow the last one."""
    at, count = 0, 0
    while at < len(body) and (count == 0 or body[at : at + 2] == _MAGIC):
        if count and not several_members:
            raise UnreadableError("a second gzip member")
        stream, count = zlib.decompressobj(wbits=31), count + 1
        while not stream.eof:
            if at >= len(body):
                raise UnreadableError("the gzip ends early")
            piece = _feed(stream, body[at : at + _STEP], room)
            at, room = min(at + _STEP, len(body)) - len(stream.unused_data), room - len(piece)
            yield piece
    if body[at:].strip(b"\0"):
        raise UnreadableError("bytes behind the gzip")


def _feed(stream: Any, piece: bytes, room: int) -> bytes:
    try:
        content: bytes = stream.decompress(piece, room + 1)
    except zlib.error:
        raise UnreadableError("the gzip is corrupt") from None
    if len(content) > room:
        raise UnreadableError("it inflates beyond the cap")
    return content


def _refuse(name: str) -> None:
    raise UnreadableError(f"{name} is no JSON")


def _integer(digits: str) -> int | None:
    """No time has 20 digits, and from 4,300 on Python refuses to convert them."""
    return int(digits) if len(digits) < 20 else None


_JSON = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse)


def _whole(text: str) -> Any:
    """The one JSON value that is all of the text."""
    value, end = _JSON.raw_decode(text, _behind_spaces(text, 0))
    if _behind_spaces(text, end) < len(text):
        raise UnreadableError("text behind the document")
    return value


def _behind_spaces(text: str, at: int) -> int:
    match = _SPACES.match(text, at)
    assert match is not None, "the pattern matches the empty string"
    return match.end()


def _values(text: str, at: int) -> Iterator[tuple[str | None, int, int]]:
    """(key or None, start, end) of each value in the object or array that opens at `at` of a valid text."""
    has_keys, at = text[at] == "{", _behind_spaces(text, at + 1)
    while text[at] not in "]}":
        key = None
        if has_keys:
            key, end = _JSON.raw_decode(text, at)
            at = _behind_spaces(text, _behind_spaces(text, end) + 1)
        _, end = _JSON.raw_decode(text, at)
        yield key, at, end
        at = _behind_spaces(text, end)
        if text[at] == ",":
            at = _behind_spaces(text, at + 1)


def _string(value: Any) -> str | None:
    """A string that a table can hold: half of a surrogate pair becomes U+FFFD. None for anything else."""
    return _LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else None


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None


def _sha256(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()}"


_NO_EVENT = RawEvent(None, None, {})


def _cloudtrail(text: str) -> Iterator[RawEvent]:
    document = _whole(text)
    if not isinstance(document, dict) or "Records" not in document:
        raise UnreadableError("no Records")
    records = [] if document["Records"] is None else document["Records"]
    if not isinstance(records, list):
        raise UnreadableError("Records is no list")
    spans: list[tuple[int, int]] = []
    for ordinal, record in enumerate(records):
        if not isinstance(record, dict):
            yield _NO_EVENT
            continue
        key = _string(record.get("eventID"))
        if not key:
            spans = spans or _record_spans(text)
            key = _sha256(text[slice(*spans[ordinal])])
        yield RawEvent(key, _moment(record.get("eventTime")), _cloudtrail_fields(record))


def _record_spans(text: str) -> list[tuple[int, int]]:
    starts = [start for key, start, _ in _values(text, _behind_spaces(text, 0)) if key == "Records"]
    return [(start, end) for _, start, end in _values(text, starts[-1])]


def _cloudtrail_fields(record: dict[str, Any]) -> dict[str, str | None]:
    names = ("eventName", "eventSource", "eventCategory", "awsRegion", "recipientAccountId")
    fields = {name.lower(): _string(record.get(name)) for name in names}
    session: Any = record
    for step in ("userIdentity", "sessionContext", "sourceIdentity"):
        session = session.get(step) if isinstance(session, dict) else None
    return {**fields, "useridentity_sourceidentity": _string(session)}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _cloudwatch(text: str) -> Iterator[RawEvent]:
    at = _behind_spaces(text, 0)
    while at < len(text):
        document, end = _JSON.raw_decode(text, at)
        if not isinstance(document, dict) or not isinstance(document.get("logEvents"), list):
            raise UnreadableError("no logEvents")
        events = document.pop("logEvents")
        if len(json.dumps(document, ensure_ascii=False, separators=(",", ":"))) > _LARGEST_ENVELOPE:
            raise UnreadableError("the document is too large beside its events")
        yield from (_log_event(document, event) for event in events)
        at = _behind_spaces(text, end)


def _log_event(document: dict[str, Any], event: Any) -> RawEvent:
    if not isinstance(event, dict):
        return _NO_EVENT
    owner, group, stream = (_string(document.get(name)) or "" for name in ("owner", "logGroup", "logStream"))
    milliseconds, moment = event.get("timestamp"), None
    if isinstance(milliseconds, int) and not isinstance(milliseconds, bool) and abs(milliseconds) < 1 << 47:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    identity = _string(event.get("id")) or _sha256(f"{milliseconds}\n{_string(event.get('message')) or ''}")
    fields = {"logaccountid": owner, "loggroup": group, "logstream": stream}
    return RawEvent(
        f"{owner}:{group}:{stream}:{identity}", moment, fields, document.get("messageType") == "CONTROL_MESSAGE"
    )


def _bedrock(text: str) -> Iterator[RawEvent]:
    for line in text.split("\n"):
        at, spans = _behind_spaces(line, 0), []
        while at < len(line):
            document, end = _JSON.raw_decode(line, at)
            if not isinstance(document, dict):
                raise UnreadableError("a line with anything but JSON objects")
            spans.append((document, line[at:end]))
            at = _behind_spaces(line, end)
        for document, spelled in spans:
            if "logEvents" not in document:
                yield _invocation_or_none(spelled if len(spans) > 1 else line)
            elif _doubles(spelled) or not isinstance(document["logEvents"], list):
                raise UnreadableError("no document of a subscription")
            else:
                is_control = document.get("messageType") == "CONTROL_MESSAGE"
                yield from (_logged_invocation(event, is_control) for event in document["logEvents"])


def _logged_invocation(event: Any, is_control: bool) -> RawEvent:
    message = event.get("message") if isinstance(event, dict) else None
    message = message if isinstance(message, str) else ""
    if is_control:
        return RawEvent(_sha256(message), _of_milliseconds(event), {}, True)
    try:
        return _invocation_or_none(message)
    except (ValueError, RecursionError):
        return _NO_EVENT


def _of_milliseconds(event: Any) -> datetime | None:
    milliseconds = event.get("timestamp") if isinstance(event, dict) else None
    is_known = isinstance(milliseconds, int) and not isinstance(milliseconds, bool) and abs(milliseconds) < 1 << 47
    return _EPOCH + timedelta(milliseconds=milliseconds) if is_known else None


def _invocation_or_none(text: str) -> RawEvent:
    record = _whole(text)
    is_invocation = isinstance(record, dict) and {"requestId", "modelId"} & record.keys() and not _doubles(text)
    return _invocation(record, text) if is_invocation else _NO_EVENT


def _doubles(text: str) -> bool:
    """Whether an object of a valid text has a key twice: each object's keys are looked at where they stand."""
    at = _behind_spaces(text, 0)
    if text[at] not in "{[":
        return False
    parts = list(_values(text, at))
    keys = [key for key, _, _ in parts if key is not None]
    return len(set(keys)) < len(keys) or any(_doubles(text[start:end]) for _, start, end in parts)


def _invocation(record: dict[str, Any], line: str) -> RawEvent:
    names = ("modelId", "operation", "accountId", "errorCode")
    fields = {name.lower(): _string(record.get(name)) for name in names}
    spelled = _string(record.get("timestamp"))
    request = _string(record.get("requestId")) or _sha256(line)
    return RawEvent(f"{fields['accountid'] or ''}:{request}:{spelled or ''}", _moment(spelled), fields)


_EVENTS: dict[str, Callable[[str], Iterator[RawEvent]]] = {
    "cloudtrail": _cloudtrail,
    "cloudwatch": _cloudwatch,
    "bedrock": _bedrock,
}
