"""Why an object or a record is not loaded: what it is instead, and what a person can do. Standard library only.

Job and recount come each by its own way to the conclusion that they cannot read a content. Only then is it asked here
what it is, so nothing here can make them agree on a content that one of them can read.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from types import MappingProxyType

from loglake_assets.sources.calendar_days import days_argument

NOT_JSON = "not_json"
"""What a decoder and a recount say of content that they cannot parse; `form_of` says it better."""

_DELIVERER = "Ask who wrote it: set its compression to GZIP or none, and have the object delivered again."
_BUILD = "`{loglake} build {source} {days}`"
_DAMAGED = "Restore it from the bucket's versions or have it delivered again, then `{loglake} requeue {source} {days}`."
_PRODUCER = "The record stays in its raw object. Where its producer can be mended, do so; else it is left as it is."

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "truncated_gzip": f"Its gzip ends too soon, as when an upload is cut. {_DAMAGED}",
        "corrupt_gzip": f"Its gzip is damaged: a checksum or a code in it is wrong. {_DAMAGED}",
        "trailing_gzip_member": "Something was appended to what was delivered, which is tampering or a tool that "
        "glues files: find out who wrote the object, and restore the version before.",
        "trailing_bytes": "Bytes follow what was delivered, which is tampering or a tool that glues files: find out "
        "who wrote the object, and restore the version before.",
        "inflates_too_large": "It inflates to more than the job reads of one object, as a bomb does: look at who "
        "wrote it before anything opens it.",
        "too_many_gzip_layers": "It is gzip in gzip in gzip in gzip: have it delivered with one compression.",
        "gone_while_reading": "It was removed between listing and reading: find out by whom, restore it, "
        f"then {_BUILD}.",
        "archived": f"It lies in an archive class of S3, which gives nothing at once: restore it, then {_BUILD}.",
        "key_unavailable": f"The key that it is encrypted with is disabled or deleted: enable it, then {_BUILD}.",
        "zip": f"It is a ZIP file. {_DELIVERER}",
        "snappy": f"It is compressed with Snappy. {_DELIVERER}",
        "zstd": f"It is compressed with Zstandard. {_DELIVERER}",
        "bzip2": f"It is compressed with bzip2. {_DELIVERER}",
        "xz": f"It is compressed with xz. {_DELIVERER}",
        "utf16": "It is text in UTF-16 or UTF-32, and logs are UTF-8: it was written again by a tool that should not.",
        NOT_JSON: "It is no JSON: plain text, JSON that is cut off or damaged, or a compression without a mark of "
        "its own, such as Hadoop-compatible Snappy. Look at its first bytes; if the deliverer sends text, its "
        "setting is wrong.",
        "nan_in_json": "It holds NaN or Infinity, which are no JSON: whoever wrote it must write null or text instead.",
        "json_lines": "Each of its lines is a JSON value, and this log is not delivered so, or one of them is no "
        "object: it was written again by a tool, or lies in the wrong bucket.",
        "json_array": "It is one JSON array, and this log is not delivered so: it was written again by a tool, or lies "
        "in the wrong bucket.",
        "pretty_printed": "It is JSON over several lines, as a person reads it, and this log is not delivered so: it "
        "was written again by a tool.",
        "other_json": "It is JSON, and not in the form of this log's deliveries, such as several values on one line. "
        "It was written again by a tool, or lies in the wrong bucket.",
        "message_not_json": f"The message of a log event is no JSON, so it is no invocation. {_PRODUCER}",
        "nested_too_deep": "The record nests deeper than any writer of this log does: look at who wrote it.",
        "not_json_lines": "It is not one JSON object a line: it was written again by a tool, or lies in the wrong "
        "bucket.",
        "key_twice": "A key is said twice, and readers would keep one of two values: no deliverer writes so. Find "
        "out who wrote it; the raw object shows both.",
        "more_than_records": "Beside Records it has other lists or objects, which may hold events that are in no row. "
        "AWS delivers none: look who wrote it, and deliver its events under Records.",
        "no_records": "It is JSON without the key Records: another kind of file under this log's keys.",
        "records_not_a_list": "Its Records are no list: it was written again by a tool, or forged.",
        "log_events_not_a_list": "Its logEvents are no list: it was written again by a tool, or forged.",
        "message_extraction": "The stream delivers messages alone, so account, log group and time are lost: switch "
        "off message extraction and transformation in Firehose.",
        "firehose_failed_records": "It lists records that Firehose could not transform: mend the transformation, "
        "and send what stands in rawData again.",
        "document_fields_too_large": "A document says more beside its events than any delivery does, and every row "
        "would repeat it: look at who wrote it.",
        "record_not_an_object": f"In a list of records stands something that is no JSON object. {_PRODUCER}",
        "eventtime_missing": f"The record has no time, so it belongs to no day. {_PRODUCER}",
        "eventtime_unreadable": f"The record's time is none with a time zone, so it belongs to no day. {_PRODUCER}",
        "eventtime_implausible": "The record's time is before there was such a log, or more than a day after its "
        "own delivery: a clock is wrong, or the time is forged.",
        "not_a_model_invocation": f"The record names neither a request nor a model. {_PRODUCER}",
    }
)
"""One piece of advice for each reason, with places for source and days; a source's own reasons stand here as well."""

_UNKNOWN = "Nothing is known of this reason here: read the decoder of the log for what it means."
_SPACE = re.compile(r"[ \t\r\n]*")
_LOOKED_AT = 16 << 20  # characters of a content that is parsed once more to say what it is


def advice(reason: str, program: str, source: str, first: date, last: date) -> str:
    """What a reason means and what to do about it, for a source by name and the days that are concerned.

    `program` is how a command for the lake begins.
    """
    return ADVICE.get(reason, _UNKNOWN).format(loglake=program, source=source, days=days_argument(first, last))


def form_of(text: str) -> str:
    """The reason why text that was to be a delivery is none: `not_json`, or which JSON it is instead."""
    if len(text) > _LOOKED_AT:
        return NOT_JSON
    constants: list[str] = []
    decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=constants.append)
    form = _form(text, decoder)
    return "nan_in_json" if constants and form != NOT_JSON else form


def _form(text: str, decoder: json.JSONDecoder) -> str:
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        if len(lines) > 1:
            for line in lines:
                decoder.decode(line)
            return "json_lines"
    except (ValueError, RecursionError):
        pass
    try:
        values = list(_values(text, decoder))
    except (ValueError, RecursionError):
        return NOT_JSON
    if len(values) == 1 and isinstance(values[0], list):
        return "json_array"
    if values and len(lines) > 1 and all(isinstance(value, dict) for value in values):
        return "pretty_printed"
    return "other_json" if values else NOT_JSON


def _values(text: str, decoder: json.JSONDecoder) -> Iterator[object]:
    """The JSON values that stand one after another. Raises ValueError where anything else does."""
    position = _past_space(text, 0)
    while position < len(text):
        value, end = decoder.raw_decode(text, position)
        yield value
        position = _past_space(text, end)


def _past_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position
