"""The skeleton of a new source's folder, as `dg scaffold defs` writes it: a log of one JSON object a line.

It loads and validates as it stands; what it says of keys, ids and columns is there to be changed.
"""


def skeleton_files(name: str) -> dict[str, str]:
    """File name and text of each file of a new source named `name`."""
    files = {
        "__init__.py": _DECLARATION,
        "decode.py": _DECODE,
        "recount.py": _RECOUNT,
        "10_identified_as_view.sql": _IDENTIFIED,
        "20_duplicates_as_view.sql": _DUPLICATES,
        "30_readready_as_view.sql": _READREADY,
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
            Column("f_eventkey", "string", "sha256 and digest of the record; use the id of the log if it has one"),
            Column("eventtime", "timestamp", "UTC"),
            Column("logaccountid", "string"),
            Column("logregion", "string"),
            Column("record", "string", "JSON text, as delivered"),
            Column("f_flags", "string"),
        ),
        evidence=(
            Column("raw_bucket", "string"),
            Column("raw_key", "string"),
            Column("raw_etag", "string"),
            Column("raw_versionid", "string"),
            Column("raw_objectsha256", "string"),
            Column("raw_ordinal", "int"),
            Column("f_run", "string"),
        ),
    ),
    views=("10_identified_as_view.sql", "20_duplicates_as_view.sql", "30_readready_as_view.sql"),
    decoder="loglake_assets.sources.NAME.decode",
    recount="loglake_assets.sources.NAME.recount",
)
'''

_DECODE = '''"""One record from its bytes to fields. Imported by the Glue job only."""

import hashlib
from datetime import UTC, datetime

import msgspec

from loglake_assets.sources.decoding import DecodedRecord, NotThisLogError, RecordError

FIELDS = (("eventkey", "string"), ("eventtime", "timestamp"), ("record", "string"))
KNOWN_KEYS = frozenset(("eventTime",))  # top-level keys that have a column
_RECORD = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)


def split(document: bytes) -> list[bytes]:
    """The records of one object: one JSON object a line."""
    lines = [line for line in document.split(b"\\n") if line.strip()]
    if lines and not lines[0].lstrip().startswith(b"{"):
        raise NotThisLogError("not_json_lines")
    return lines


def decode(raw: bytes) -> DecodedRecord:
    """One record as fields. Raises RecordError with the reason it cannot be a row."""
    try:
        time = datetime.fromisoformat(_STRING.decode(_RECORD.decode(raw)["eventTime"])).astimezone(UTC)
    except KeyError as error:
        raise RecordError("eventtime_missing") from error
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        raise RecordError("eventtime_unreadable") from error
    digest = hashlib.sha256(raw).hexdigest()
    fields = {"eventkey": f"sha256:{digest}", "eventtime": time, "record": raw.decode()}
    return DecodedRecord(fields, time, digest)
'''

_RECOUNT = '''"""The events of one object, counted by another path than the decoder's. Standard library only."""

import hashlib
import json
from collections.abc import Iterator

from loglake_assets.sources.recounting import CountedEvent, NotCountableError


def events(text: str) -> Iterator[CountedEvent]:
    """Each record of an object's text. Raises NotCountableError when the text is no delivery of this log."""
    for line in filter(str.strip, text.split("\\n")):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise NotCountableError("not_json_lines") from error
        time = record.get("eventTime") if isinstance(record, dict) else None
        yield CountedEvent(f"sha256:{hashlib.sha256(line.encode()).hexdigest()}", time, {})
'''

_IDENTIFIED = """-- The records of the window.
SELECT r.*
FROM records_as_view r
CROSS JOIN mybounds_as_view b
WHERE r.logcalendarday BETWEEN b.floor_as_int AND b.ceiling_as_int
"""

_DUPLICATES = """-- Copies of an event in other objects: the one stored first is kept, the others are listed.
SELECT
  object_number,
  raw_ordinal,
  eventkey,
  raw_bucket AS dropped_bucket,
  raw_key AS dropped_key,
  kept_bucket,
  kept_key,
  kept_ordinal,
  true AS same_content,
  logcalendarday
FROM (
  SELECT
    *,
    row_number() OVER copies AS copy,
    first_value(raw_bucket) OVER copies AS kept_bucket,
    first_value(raw_key) OVER copies AS kept_key,
    first_value(raw_ordinal) OVER copies AS kept_ordinal
  FROM identified_as_view
  WINDOW copies AS (PARTITION BY logcalendarday, eventkey ORDER BY raw_lastmodified, raw_key, raw_bucket, raw_ordinal)
)
WHERE copy > 1
"""

_READREADY = """-- The table's contract: these columns, these types, one row an event.
SELECT
  eventkey AS f_eventkey,
  eventtime,
  logaccountid,
  logregion,
  record,
  flags AS f_flags,
  raw_bucket,
  raw_key,
  raw_etag,
  raw_versionid,
  raw_objectsha256,
  raw_ordinal,
  f_run,
  logcalendarday
FROM identified_as_view i
LEFT ANTI JOIN duplicates_as_view d
  ON i.object_number = d.object_number AND i.raw_ordinal = d.raw_ordinal
"""

_DEFS = """type: loglake_assets.components.log_source.LogSourceComponent

attributes:
  source: NAME
"""
