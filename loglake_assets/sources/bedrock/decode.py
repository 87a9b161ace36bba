"""One model invocation from its bytes to typed fields, losing nothing. Needs msgspec, so the Glue job only imports it.

What a body holds depends on the model: the parts that are known (messages, answers, tools) get columns, and the body is
kept whole beside them, byte for byte.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from loglake_assets.sources.bedrock import tools
from loglake_assets.sources.decoding import DecodedRecord, NotThisLogError, RecordError

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_ANY = msgspec.json.Decoder(Any)
_UNREADABLE = (msgspec.DecodeError, RecursionError)

_TEXT = {  # JSON key: column
    "requestId": "requestid",
    "operation": "operation",
    "modelId": "modelid",
    "accountId": "accountid",
    "errorCode": "errorcode",
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
        *("timestamp", *_TEXT, "identity.arn", "requestMetadata", "region", *_UNREMARKABLE),
        *(f"input.{key}" for key in (*_OF_INPUT, "inputBodyJson")),
        *(f"output.{key}" for key in (*_OF_OUTPUT, "outputBodyJson")),
    )
)
"""Keys that have a column. One of them in `otherfields` has a value that fits none."""


class Line(bytes):
    """One line as delivered, and the object it spells."""

    fields: dict[str, msgspec.Raw]


def split(content: bytes) -> list[Line]:
    """The records of one object: one JSON object a line. Raises NotThisLogError when a line is none."""
    return [_line(text) for text in content.split(b"\n") if text.strip()]


def _line(text: bytes) -> Line:
    line = Line(text)
    try:
        line.fields = _OBJECT.decode(text)
    except _UNREADABLE as error:
        raise NotThisLogError("not_json") from error
    return line


def decode(line: Line) -> DecodedRecord:
    """One record as fields. Raises RecordError with the reason it cannot be a row."""
    record, digest = dict(line.fields), hashlib.sha256(line).hexdigest()
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
    request = fields.get("requestid") or f"sha256:{digest}"
    fields["eventkey"] = f"{fields.get('accountid') or ''}:{request}:{spelled}"
    for key, usual in _UNREMARKABLE.items():
        if key in record and bytes(record[key]) == usual:
            del record[key]
    if _text(record.get("region")) is not None:
        del record["region"]  # the delivery prefix says it
    if record:
        fields["otherfields"] = msgspec.json.encode(record).decode()
    return DecodedRecord(fields, time, digest)


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
    for key, column in (("messages", "input_messages"), ("system", "input_system")):
        if key in parts:
            fields[column] = bytes(parts[key]).decode()
    read = tools.read_bodies(request, answer, fields.get("useridentity_arn"))
    fields.update({name: value for name, value in read.items() if value is not None})
    if fields.get("output_bodyjson") and read["output_content"] is None and read["input_toolnames"]:
        fields["body_flag"] = "answer_not_understood"  # tools were offered, and whether any was asked for is not known


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
        return json.loads(spelled, parse_int=_number, parse_float=_number)
    except (ValueError, RecursionError):
        return None


def _number(text: str) -> int | float | str:
    try:
        value: int | float = float(text) if any(c in text for c in ".eE") else int(text)
    except ValueError:
        return text
    return text if value in (float("inf"), float("-inf")) else value


def _text(raw: msgspec.Raw | None) -> str | None:
    value = _value(raw)
    return value if isinstance(value, str) else None
