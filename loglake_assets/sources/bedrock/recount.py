"""The records of one object, counted by another path than the Glue job's. Standard library only."""

import hashlib
from collections.abc import Iterator
from typing import Any

from loglake_assets.sources.recounting import CountedEvent, NotCountableError, json_decoder

_DECODER = json_decoder(parse_int=str)  # of no number the value is asked; one may have thousands of digits
_FIELDS = {"modelid": "modelId", "operation": "operation", "accountid": "accountId", "errorcode": "errorCode"}


def events(text: str) -> Iterator[CountedEvent]:
    """Each record of an object's text. Raises NotCountableError when a line is no JSON object."""
    yield from [_counted(line) for line in text.split("\n") if line.strip()]  # all or nothing, as the job reads it


def _counted(line: str) -> CountedEvent:
    try:
        record = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        raise NotCountableError("not_json") from error
    if not isinstance(record, dict):
        raise NotCountableError("not_json")
    if "requestId" not in record and "modelId" not in record:
        return CountedEvent(None, None, {})
    fields = {column: _string(record.get(key)) for column, key in _FIELDS.items()}
    time = _string(record.get("timestamp"))
    digest = hashlib.sha256(line.encode(errors="replace")).hexdigest()
    request = _string(record.get("requestId")) or f"sha256:{digest}"
    return CountedEvent(f"{fields['accountid'] or ''}:{request}:{time or ''}", time, fields)


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None
