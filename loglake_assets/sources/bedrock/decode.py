"""One model invocation from its bytes to typed fields, losing nothing. Needs msgspec, so the Glue job only imports it.

An object holds one record a line; or, where invocations are logged to CloudWatch Logs and come by a subscription, its
documents, of whose log events each has a record as its message. A record is the same bytes by both ways.

What a body holds depends on the model: the parts that are known (messages, answers, tools) get columns, and the body is
kept whole beside them, byte for byte.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from loglake_assets.s3.gzip_content import without_lone_surrogates
from loglake_assets.sources.bedrock import tools
from loglake_assets.sources.bedrock.answers import number
from loglake_assets.sources.firehose import documents
from loglake_assets.sources.reasons import NOT_JSON
from loglake_assets.sources.record import DecodedRecord, NotThisLogError, RecordError
from loglake_assets.sources.repetition import KEY_TWICE, says_a_key_twice_anywhere

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_INTEGER = msgspec.json.Decoder(int)
_ANY = msgspec.json.Decoder(Any)
_UNREADABLE = (msgspec.DecodeError, RecursionError)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CONTROL_MESSAGE = "control_message"

_TEXT = {  # JSON key: column
    "requestId": "requestid",
    "operation": "operation",
    "modelId": "modelid",
    "accountId": "accountid",
    "errorCode": "errorcode",
    "inferenceRegion": "inferenceregion",
    "region": "region",
}
_OF_INPUT = {
    "inputContentType": ("input_contenttype", str),
    "inputBodyS3Path": ("input_bodys3path", str),
    "inputTokenCount": ("input_inputtokencount", int),
    "cacheReadInputTokenCount": ("input_cachereadtokencount", int),
    "cacheWriteInputTokenCount": ("input_cachewritetokencount", int),
}
_OF_OUTPUT = {
    "outputContentType": ("output_contenttype", str),
    "outputBodyS3Path": ("output_bodys3path", str),
    "outputTokenCount": ("output_outputtokencount", int),
}
_UNREMARKABLE = {"schemaType": b'"ModelInvocationLog"', "schemaVersion": b'"1.0"'}  # said by every record
_LARGEST_COUNT = 1 << 62

FIELDS: tuple[tuple[str, str], ...] = (
    ("eventkey", "string"),
    ("request_time", "timestamp"),
    *((column, "string") for column in _TEXT.values()),
    ("useridentity_arn", "string"),
    ("requestmetadata", "string"),
    *((c, "string" if kind is str else "bigint") for c, kind in (*_OF_INPUT.values(), *_OF_OUTPUT.values())),
    ("input_bodyjson", "string"),
    ("input_messages", "string"),
    ("input_system", "string"),
    ("input_toolnames", "string"),
    ("conversation", "string"),
    ("output_bodyjson", "string"),
    ("output_content", "string"),
    ("stopreason", "string"),
    ("tool_calls", "string"),
    ("tool_call_count", "int"),
    ("tool_history", "string"),
    ("tool_results", "string"),
    ("body_flag", "string"),
    ("otherfields", "string"),
)
"""(name, Hive type) of what `decode` yields: the columns of the view `records_as_view`."""


KNOWN_KEYS = frozenset(
    (
        *("timestamp", *_TEXT, "identity.arn", "requestMetadata", *_UNREMARKABLE),
        *(f"input.{key}" for key in (*_OF_INPUT, "inputBodyJson")),
        *(f"output.{key}" for key in (*_OF_OUTPUT, "outputBodyJson")),
    )
)
"""Keys that have a column. One of them in `otherfields` has a value that fits none."""


class Line(bytes):
    """One record as delivered, and the object it spells: None for a log event whose message spells none."""

    fields: dict[str, msgspec.Raw] | None
    is_repaired: bool = False
    """Whether characters that no text can hold were replaced in it."""
    control_time: msgspec.Raw | None = None
    """Of a control message, which CloudWatch Logs sends beside log events, its time in milliseconds."""


def split(content: bytes) -> list[Line]:
    """The records of one object. Raises NotThisLogError with the reason when it is no such delivery."""
    try:
        return [record for line in content.split(b"\n") if line.strip(b" \t\r") for record in _records(line)]
    except _UNREADABLE as error:
        raise NotThisLogError(NOT_JSON) from error


def _records(line: bytes) -> list[Line]:
    """The records of one line, which is one JSON object, or several back to back where no delimiter is set."""
    try:
        return _records_of(line, _OBJECT.decode(line))
    except _UNREADABLE:
        pieces = documents(line)
        if len(pieces) == 1:
            raise
        return [record for piece in map(bytes.strip, pieces) for record in _records_of(piece, _OBJECT.decode(piece))]


def _records_of(text: bytes, fields: dict[str, msgspec.Raw]) -> list[Line]:
    if "logEvents" not in fields:
        if "rawData" in fields:
            raise NotThisLogError("firehose_failed_records")
        line = Line(text)
        line.fields = fields
        return [line]
    if says_a_key_twice_anywhere(text):
        raise NotThisLogError(KEY_TWICE)
    try:
        events = _LIST.decode(fields["logEvents"])
    except _UNREADABLE as error:
        raise NotThisLogError("log_events_not_a_list") from error
    is_control = _text(fields.get("messageType")) == "CONTROL_MESSAGE"
    return [_of_log_event(_parts(event), is_control) for event in events]


def _of_log_event(event: dict[str, msgspec.Raw], is_control: bool) -> Line:
    message = (_text(event.get("message")) or "").encode()
    whole = without_lone_surrogates(message)
    line = Line(whole)
    line.is_repaired = whole != message
    line.fields = _parts(whole) or None
    if is_control:
        line.control_time = event.get("timestamp", msgspec.Raw(b"null"))
    return line


def decode(line: Line) -> DecodedRecord:
    """One record as fields. Raises RecordError with the reason it cannot be a row."""
    digest = hashlib.sha256(line).hexdigest()
    if line.control_time is not None:
        return DecodedRecord({"eventkey": f"sha256:{digest}"}, _moment(line.control_time), digest, CONTROL_MESSAGE)
    if line.fields is None:
        raise RecordError("message_not_json")
    try:
        return _decode(line, dict(line.fields), digest)
    except RecursionError as error:
        raise RecordError("nested_too_deep") from error


def _decode(line: Line, record: dict[str, msgspec.Raw], digest: str) -> DecodedRecord:
    if says_a_key_twice_anywhere(line):
        raise RecordError(KEY_TWICE)
    time, spelled = _time(record)
    if "requestId" not in record and "modelId" not in record:
        raise RecordError("not_a_model_invocation")
    fields: dict[str, Any] = {"request_time": time}
    for key, column in _TEXT.items():
        _take(record, key, column, str, fields)
    _take_identity(record, fields)
    if (metadata := record.pop("requestMetadata", None)) is not None and bytes(metadata) != b"null":
        fields["requestmetadata"] = bytes(metadata).decode()
    _take_side(record, "input", _OF_INPUT, "inputBodyJson", "input_bodyjson", fields)
    _take_side(record, "output", _OF_OUTPUT, "outputBodyJson", "output_bodyjson", fields)
    _read_bodies(fields)
    if line.is_repaired:
        fields["body_flag"] = ",".join(filter(None, ("characters_replaced", fields.get("body_flag"))))
    request = fields.get("requestid") or f"sha256:{digest}"
    fields["eventkey"] = f"{fields.get('accountid') or ''}:{request}:{spelled}"
    for key, usual in _UNREMARKABLE.items():
        if key in record and bytes(record[key]) == usual:
            del record[key]
    if record:
        fields["otherfields"] = msgspec.json.encode(record).decode()
    return DecodedRecord(fields, time, digest)


def _moment(milliseconds: msgspec.Raw) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=_INTEGER.decode(milliseconds))
    except (msgspec.DecodeError, OverflowError) as error:
        raise RecordError("eventtime_unreadable") from error


def _time(record: dict[str, msgspec.Raw]) -> tuple[datetime, str]:
    raw = record.pop("timestamp", None)
    if raw is None or bytes(raw) in (b'""', b"null"):
        raise RecordError("eventtime_missing")
    text = _text(raw)
    try:
        moment = datetime.fromisoformat(text or "")
        if moment.tzinfo is None:
            raise RecordError("eventtime_unreadable")
        return moment.astimezone(UTC), text or ""
    except (ValueError, OverflowError) as error:
        raise RecordError("eventtime_unreadable") from error


def _take_identity(record: dict[str, msgspec.Raw], fields: dict[str, Any]) -> None:
    identity = _parts(record.get("identity"))
    _take(identity, "arn", "useridentity_arn", str, fields)
    if not identity and "useridentity_arn" in fields:
        del record["identity"]


def _take_side(
    record: dict[str, msgspec.Raw],
    side: str,
    columns: dict[str, tuple[str, type]],
    body_key: str,
    body_column: str,
    fields: dict[str, Any],
) -> None:
    """The scalars and the body of input or output; what fits no column stays under its key and so in `otherfields`."""
    raw = record.get(side)
    if raw is None or bytes(raw) == b"null":
        record.pop(side, None)
        return
    parts = _parts(raw)
    if not parts and bytes(raw).strip() != b"{}":
        return
    for key, (column, kind) in columns.items():
        _take(parts, key, column, kind, fields)
    if (body := parts.pop(body_key, None)) is not None:
        fields[body_column] = bytes(body).decode()
    if parts:
        record[side] = msgspec.Raw(msgspec.json.encode(parts))
    else:
        del record[side]


def _read_bodies(fields: dict[str, Any]) -> None:
    request, answer = _value(fields.get("input_bodyjson")), _value(fields.get("output_bodyjson"))
    parts = _parts(fields["input_bodyjson"].encode()) if isinstance(request, dict) else {}
    for column, keys in (("input_messages", ("messages", "input")), ("input_system", ("system", "instructions"))):
        if key := next((key for key in keys if key in parts), None):
            fields[column] = bytes(parts[key]).decode()
    read = tools.read_bodies(request, answer, fields.get("useridentity_arn"))
    fields.update({name: value for name, value in read.items() if value is not None})


def _take(record: dict[str, msgspec.Raw], key: str, column: str, kind: type, fields: dict[str, Any]) -> None:
    value = _value(record[key]) if key in record else None
    if isinstance(value, kind) and not isinstance(value, bool) and not _is_no_count(value):
        fields[column] = value
        del record[key]
    elif key in record and bytes(record[key]) == b"null":
        del record[key]


def _is_no_count(value: object) -> bool:
    """Whether an int is none that a bigint column can hold."""
    return isinstance(value, int) and not 0 <= value < _LARGEST_COUNT


def _parts(raw: msgspec.Raw | bytes | None) -> dict[str, msgspec.Raw]:
    try:
        return _OBJECT.decode(raw) if raw is not None else {}
    except _UNREADABLE:
        return {}


def _value(text: msgspec.Raw | str | None) -> Any:
    """What JSON spells. A number that no type holds must not hide what stands beside it: it is kept as its text."""
    if text is None:
        return None
    try:
        return _ANY.decode(text)
    except _UNREADABLE:
        pass
    try:
        spelled = text if isinstance(text, str) else bytes(text).decode()
        return json.loads(spelled, parse_int=number, parse_float=number)
    except (ValueError, RecursionError):
        return None


def _text(raw: msgspec.Raw | None) -> str | None:
    value = _value(raw)
    return value if isinstance(value, str) else None
