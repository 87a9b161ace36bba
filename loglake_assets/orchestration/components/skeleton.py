"""The skeleton of a new source's folder, as `dg scaffold defs` writes it: a log of one JSON object a line.

It loads and validates as it stands; what it says of keys, ids and columns is there to be changed.
"""

import keyword
import re
from pathlib import Path

from loglake_assets import sources

_NAME = re.compile(r"[a-z][a-z0-9]{1,19}")


class SourceNameError(ValueError):
    """The name cannot be that of a source; the message says what a name must be."""


def refuse_unusable_name(name: str) -> None:
    """Raises SourceNameError where a bucket, a stack, a table or a Python package could not carry the name."""
    taken = {path.stem for path in Path(sources.__file__).parent.glob("*.py")}
    if not _NAME.fullmatch(name):
        raise SourceNameError(
            f"{name!r} cannot be the name of a log source. It becomes part of a bucket, of stacks, of tables and of a "
            "Python package, so it is 2 to 20 lower-case letters and digits, a letter first, such as 'vpcflow'."
        )
    if name in taken or keyword.iskeyword(name):
        what = "a module beside the sources" if name in taken else "a word of Python"
        raise SourceNameError(
            f"{name!r} cannot be the name of a log source: it is {what}. Choose another, such as '{name}log'."
        )


def skeleton_files(name: str) -> dict[str, str]:
    """File name and text of each file of a new source named `name`. Raises SourceNameError."""
    refuse_unusable_name(name)
    files = {
        "__init__.py": _DECLARATION,
        "decode.py": _DECODE,
        "recount.py": _RECOUNT,
        "10_identified_as_view.sql": _IDENTIFIED,
        "defs.yaml": _DEFS,
    }
    return {f: text.replace("NAME", name) for f, text in files.items()}


_DECLARATION = '''"""NAME: say what the log is and who delivers it."""

from loglake_assets.sources.model import Column, KeyPattern, LogSource, RawTable, ReadreadyTable

SOURCE = LogSource(
    name="NAME",
    title="NAME",
    description="Say which question it answers.",
    key_pattern=KeyPattern(
        r"^(?P<prefix>(?P<logprefix>AWSLogs)/(?P<logaccountid>\\d{12})/NAME/(?P<logregion>[a-z0-9-]+)/"
        r"(?P<year>\\d{4})/(?P<month>\\d{2})/(?P<dayofmonth>\\d{2}))/[^/]+$"
    ),
    raw=RawTable(
        name="from_NAME_raw",
        columns=(Column("line", "string"),),
        partition_keys=(
            Column("logprefix", "string"),
            Column("logaccountid", "string"),
            Column("logregion", "string"),
            Column("logcalendarday", "int", "UTC day of delivery, yyyymmdd"),
        ),
        serde="org.apache.hadoop.hive.serde2.RegexSerDe",
        serde_parameters=(("input.regex", "(.*)"),),
        input_format="org.apache.hadoop.mapred.TextInputFormat",
        output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
    readready=ReadreadyTable(
        name="from_NAME_readready",
        grain=("f_eventkey",),
        sort_by=("eventtime",),
        columns=(
            Column(
                "f_eventkey",
                "string",
                "digest of the object and position; use the id of the log if it has one",
                sql="eventkey",
            ),
            Column("eventtime", "timestamp", "UTC"),
            Column("logaccountid", "string"),
            Column("logregion", "string"),
            Column("record", "string", "JSON text, as delivered"),
            Column("f_flags", "string", sql="flags"),
        ),
    ),
    views=("10_identified_as_view.sql",),
    decoder="loglake_assets.sources.NAME.decode",
    recount="loglake_assets.sources.NAME.recount",
)
'''

_DECODE = '''"""One record from its bytes to fields. Imported by the Glue job only."""

import hashlib
from datetime import UTC, datetime

import msgspec

from loglake_assets.sources.record import DecodedRecord, NotThisLogError, RecordError
from loglake_assets.sources.identity import identities
from loglake_assets.sources.repetition import KEY_TWICE, says_a_key_twice

FIELDS = (("eventkey", "string"), ("eventtime", "timestamp"), ("record", "string"))
KNOWN_KEYS = frozenset(("eventTime",))  # top-level keys that have a column
_RECORD = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)


class Line(bytes):
    """One record as delivered, and what names it."""

    identity: str


def split(content: bytes) -> list[Line]:
    """The records of one object: one JSON object a line."""
    lines = [Line(line) for line in content.split(b"\\n") if line.strip()]
    if lines and not lines[0].lstrip().startswith(b"{"):
        raise NotThisLogError("not_json_lines")
    for line, identity in zip(lines, identities(content), strict=False):
        line.identity = identity
    return lines


def decode(line: Line) -> DecodedRecord:
    """One record as fields. Raises RecordError with the reason it cannot be a row."""
    try:
        record = _RECORD.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RecordError("record_not_an_object") from error
    if says_a_key_twice(line, record):
        raise RecordError(KEY_TWICE)
    time = _time(record)
    fields = {"eventkey": line.identity, "eventtime": time, "record": line.decode()}
    return DecodedRecord(fields, time, hashlib.sha256(line).hexdigest())


def _time(record: dict[str, msgspec.Raw]) -> datetime:
    if "eventTime" not in record:
        raise RecordError("eventtime_missing")
    try:
        time = datetime.fromisoformat(_STRING.decode(record["eventTime"]))
        moment = time.astimezone(UTC)
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        raise RecordError("eventtime_unreadable") from error
    if time.tzinfo is None:
        raise RecordError("eventtime_unreadable")
    return moment
'''

_RECOUNT = '''"""The events of one object, counted by another path than the decoder's. Standard library only."""

import string
from collections.abc import Iterator

from loglake_assets.sources.identity import identities
from loglake_assets.sources.counted_event import CountedEvent, KeyTwice, NotCountableError, json_decoder

_DECODER = json_decoder(parse_int=float)


def events(text: str) -> Iterator[CountedEvent]:
    """Each record of an object's text. Raises NotCountableError when the text is no delivery of this log."""
    lines = [line for line in text.split("\\n") if line.strip(string.whitespace)]
    if lines and not lines[0].lstrip(string.whitespace).startswith("{"):
        raise NotCountableError("not_json_lines")
    for line, identity in zip(lines, identities(text.encode()), strict=False):
        yield _count(line, identity)


def _count(line: str, identity: str) -> CountedEvent:
    try:
        record = _DECODER.decode(line)
    except (ValueError, RecursionError):
        return CountedEvent(None, None, {})
    if not isinstance(record, dict) or isinstance(record, KeyTwice):
        return CountedEvent(None, None, {})
    time = record.get("eventTime")
    return CountedEvent(identity, time if isinstance(time, str) else None, {})
'''

_IDENTIFIED = """-- The records of the window.
SELECT r.*
FROM records_as_view r
CROSS JOIN mybounds_as_view b
WHERE r.logcalendarday BETWEEN b.floor_as_int AND b.ceiling_as_int
"""

_DEFS = """type: loglake_assets.orchestration.components.LogSourceComponent

attributes:
  source: NAME
"""
