"""One CloudWatch log event from its bytes to typed fields. Needs msgspec, so the Glue job only imports it.

An object is a row of JSON documents with nothing, a space or a line feed between them. Keystrokes hold `}{` and whole
documents, so the cut is made where no JSON string can be: behind a `}` and before a `{` that is followed by `"` and
what begins a key. Inside a string a quote is escaped, so there `{` is followed by a backslash; a string that ends in
`}{` is followed by a comma, a colon, a bracket or white space, and no key that is met begins with one of these.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from loglake_assets.sources.firehose import documents
from loglake_assets.sources.record import DecodedRecord, NotThisLogError, RecordError
from loglake_assets.sources.repetition import KEY_TWICE, says_a_key_twice

CONTROL_MESSAGE = "control_message"

FIELDS: tuple[tuple[str, str], ...] = (
    ("eventkey", "string"),
    ("eventid", "string"),
    ("eventtime", "timestamp"),
    ("logaccountid", "string"),
    ("loggroup", "string"),
    ("logstream", "string"),
    ("subscriptionfilters", "string"),
    ("policylevel", "string"),
    ("eventordinal", "int"),
    ("message", "string"),
    ("extractedfields", "string"),
    ("sessionid", "string"),
    ("session", "string"),
    ("session_linecount", "int"),
    ("session_target", "string"),
    ("session_runasuser", "string"),
    ("session_useridentity_arn", "string"),
    ("session_awsregion", "string"),
    ("session_eventtime", "string"),
    ("otherfields", "string"),
)
"""(name, Hive type) of what `decode` yields: the columns of the view `records_as_view`."""

KNOWN_KEYS = frozenset(
    (
        *("messageType", "owner", "logGroup", "logStream", "subscriptionFilters", "policyLevel", "logEvents"),
        *("id", "timestamp", "message", "extractedFields"),
    )
)
"""Keys of document and event that have a column. One of them in `otherfields` has a value that fits none."""

_LARGEST_ENVELOPE = 1 << 14  # bytes of a document beside its events: each row repeats them; real names make 3,000
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_INTEGER = msgspec.json.Decoder(int)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNREADABLE = (msgspec.DecodeError, RecursionError)


class _Target(msgspec.Struct):
    id: str | None = None


class _Identity(msgspec.Struct):
    arn: str | None = None


class _SessionMessage(msgspec.Struct):
    """What Session Manager's agent writes as the message of a streamed event."""

    sessionId: str
    sessionData: list[str]
    target: _Target | None = None
    userIdentity: _Identity | None = None
    runAsUser: str | None = None
    awsRegion: str | None = None
    eventTime: str | None = None


_SESSION = msgspec.json.Decoder(_SessionMessage)
_APART_IN_SESSION: dict[str, dict[str, str]] = {"target": {}, "userIdentity": {}}


class Document:
    """What every event of a document inherits from it."""

    def __init__(self, fields: dict[str, msgspec.Raw]) -> None:
        message_type = _text(fields.get("messageType"))
        if message_type in ("DATA_MESSAGE", "CONTROL_MESSAGE"):
            del fields["messageType"]
        self.is_control = message_type == "CONTROL_MESSAGE"
        self.owner, self.group, self.stream = (_take(fields, key) for key in ("owner", "logGroup", "logStream"))
        filters = fields.pop("subscriptionFilters", None)
        self.filters = bytes(filters).decode() if filters is not None else None
        self.policy_level = _take(fields, "policyLevel") or None
        self.others = fields


class LogEvent(bytes):
    """One log event as delivered, and the document it came in."""

    document: Document
    position: int


def split(content: bytes) -> list[LogEvent]:
    """The log events of one object's content. Raises NotThisLogError with the reason when it is no such delivery."""
    return [event for text in documents(content) for event in _events(text)]


def _events(text: bytes) -> list[LogEvent]:
    try:
        fields = _OBJECT.decode(text)
    except _UNREADABLE as error:
        raise NotThisLogError("not_json") from error
    if says_a_key_twice(text, fields):
        raise NotThisLogError(KEY_TWICE)
    if "logEvents" not in fields:
        raise NotThisLogError("firehose_failed_records" if "rawData" in fields else "message_extraction")
    try:
        events = _LIST.decode(fields.pop("logEvents"))
    except _UNREADABLE as error:
        raise NotThisLogError("log_events_not_a_list") from error
    if sum(len(key) + len(memoryview(raw)) for key, raw in fields.items()) > _LARGEST_ENVELOPE:
        raise NotThisLogError("document_fields_too_large")
    document = Document(fields)
    return [_log_event(raw, document, position) for position, raw in enumerate(events)]


def _log_event(raw: msgspec.Raw, document: Document, position: int) -> LogEvent:
    event = LogEvent(raw)
    event.document, event.position = document, position
    return event


def decode(event: LogEvent) -> DecodedRecord:
    """One log event as fields. Raises RecordError with the reason it cannot be a row."""
    try:
        own = _OBJECT.decode(event)
    except _UNREADABLE as error:
        raise RecordError("record_not_an_object") from error
    if says_a_key_twice(event, own):
        raise RecordError(KEY_TWICE)
    document, digest = event.document, hashlib.sha256(event).hexdigest()
    moment = _moment(own.pop("timestamp", None))
    if document.is_control:
        return DecodedRecord({"eventkey": f"sha256:{digest}"}, moment, digest, CONTROL_MESSAGE)
    if identifier := _text(own.get("id")):
        del own["id"]
    fields: dict[str, Any] = {
        "eventid": identifier,
        "eventtime": moment,
        "logaccountid": document.owner,
        "loggroup": document.group,
        "logstream": document.stream,
        "subscriptionfilters": document.filters,
        "policylevel": document.policy_level,
        "eventordinal": event.position,
    }
    message = _text(own.get("message"))
    identity = identifier or without_id(round((moment - _EPOCH) / timedelta(milliseconds=1)), message)
    fields["eventkey"] = f"{document.owner}:{document.group}:{document.stream}:{identity}"
    if message is not None:
        del own["message"]
        fields["message"] = message
        if message.startswith("{") and '"sessionData"' in message:
            fields.update(_session(message))
    if (extracted := own.pop("extractedFields", None)) is not None:
        fields["extractedfields"] = bytes(extracted).decode()
    if others := {**_apart(document.others, own), **own}:
        fields["otherfields"] = msgspec.json.encode(others).decode()
    return DecodedRecord(fields, moment, digest)


def without_id(milliseconds: int, message: str | None) -> str:
    """What stands for the id of an event that has none: equal for copies of it."""
    return "sha256:" + hashlib.sha256(f"{milliseconds}\n{message or ''}".encode()).hexdigest()


def _apart(of_document: dict[str, msgspec.Raw], of_event: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """The document's further fields; one that the event has as well gets a name of its own, so that neither is lost."""
    return {f"document.{key}" if key in of_event else key: raw for key, raw in of_document.items()}


def _moment(raw: msgspec.Raw | None) -> datetime:
    if raw is None:
        raise RecordError("eventtime_missing")
    try:
        return _EPOCH + timedelta(milliseconds=_INTEGER.decode(raw))
    except (msgspec.DecodeError, OverflowError) as error:
        raise RecordError("eventtime_unreadable") from error


def _session(message: str) -> dict[str, Any]:
    """The session's fields of a message that Session Manager streamed; none where it is not in that form.

    One that says a key twice is not: its lines would be those of one value, and the other's would be shown nowhere.
    """
    try:
        session = _SESSION.decode(message)
        if says_a_key_twice(message.encode(), _OBJECT.decode(message), _APART_IN_SESSION):
            return {}
    except (*_UNREADABLE, UnicodeEncodeError):
        return {}
    return {
        "sessionid": session.sessionId,
        "session": "\n".join(session.sessionData),
        "session_linecount": len(session.sessionData),
        "session_target": session.target.id if session.target else None,
        "session_runasuser": session.runAsUser,
        "session_useridentity_arn": session.userIdentity.arn if session.userIdentity else None,
        "session_awsregion": session.awsRegion,
        "session_eventtime": session.eventTime,
    }


def _take(fields: dict[str, msgspec.Raw], key: str) -> str:
    """The string under a key, which leaves `fields`; empty where there is anything else, which stays in them."""
    if (text := _text(fields.get(key))) is None:
        return ""
    del fields[key]
    return text


def _text(raw: msgspec.Raw | None) -> str | None:
    """The string that raw JSON spells, or None when it is anything else."""
    if raw is None:
        return None
    try:
        return _STRING.decode(raw)
    except msgspec.DecodeError:
        return None
