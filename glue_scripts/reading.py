"""Objects to Arrow batches, in the executors: every object is accounted for, all of it or none of it is read.

A batch holds rows of three kinds. `record`: one decoded record with its evidence. `quarantined`: a record that cannot
be a row, with the reason. `object`: one row an object, closing its account: `record_count` records were found, or
`reason` says why none could be.
"""

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from glue_scripts.content import ContentLimits, UnreadableObjectError, inflated, utf8, without_lone_surrogates
from glue_scripts.fetching import FetchedObject, ObjectRef, fetch_all
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.decoding import DecodedRecord, NotThisLogError, RecordError
from loglake_assets.sources.placement import day_from_number, day_number, place
from loglake_assets.sources.rules import Rules, load_rules

_ARROW = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
_ACCOUNT_FIELDS = (
    ("kind", "string"),
    ("object_number", "int"),
    ("raw_bucket", "string"),
    ("raw_key", "string"),
    ("raw_etag", "string"),
    ("raw_versionid", "string"),
    ("raw_lastmodified", "bigint"),
    ("raw_ordinal", "int"),
    ("raw_sha256", "string"),
    ("prefix_day", "int"),
    ("logcalendarday", "int"),
    ("excluded_by", "string"),
    ("reason", "string"),
    ("record_count", "int"),
    ("content_bytes", "bigint"),
    ("flags", "string"),
)
_BATCH_ROWS = 4_000
_BATCH_BYTES = 32 << 20
_CLOCK_TOLERANCE = timedelta(days=1)


def decoded_fields(source: LogSource) -> tuple[tuple[str, str], ...]:
    """(name, Hive type) of every column of the decoded rows: account, placement keys, then the decoder's fields."""
    keys = tuple((c.name, c.type) for c in source.raw.partition_keys if c.name != "logcalendarday")
    return _ACCOUNT_FIELDS + keys + tuple(importlib.import_module(source.decoder).FIELDS)


def decoded_schema(source: LogSource) -> pa.Schema:
    return pa.schema([pa.field(name, _ARROW[kind]) for name, kind in decoded_fields(source)])


def records_of(
    source: LogSource, body: bytes, limits: ContentLimits = ContentLimits()
) -> tuple[bytes, list[Any], bool]:
    """(content, records as delivered, whether characters had to be replaced) of one object's bytes.

    Raises UnreadableObjectError or NotThisLogError with the reason: all of an object or none of it.
    """
    split = importlib.import_module(source.decoder).split
    content = inflated(body, source.several_gzip_members, limits)
    if not content.strip():
        return content, [], False
    content, replaced = utf8(content)
    try:
        return content, split(content), replaced
    except NotThisLogError:
        repaired = without_lone_surrogates(content)
        if repaired == content:
            raise
        return repaired, split(repaired), True


@dataclass
class _Batch:
    """Columns being filled; becomes one RecordBatch."""

    schema: pa.Schema
    rows: list[dict[str, Any]] = field(default_factory=list)
    content_bytes: int = 0

    @property
    def full(self) -> bool:
        return len(self.rows) >= _BATCH_ROWS or self.content_bytes >= _BATCH_BYTES

    def emptied(self) -> pa.RecordBatch:
        columns = [pa.array([row.get(f.name) for row in self.rows], f.type) for f in self.schema]
        self.rows, self.content_bytes = [], 0
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


@dataclass(frozen=True)
class ObjectReader:
    """Reads a slice of the object list. Picklable: it goes to the executors and makes its client there."""

    source_name: str
    region: str
    rules_text: str | None = None
    limits: ContentLimits = field(default_factory=ContentLimits)
    in_flight: int = 16

    def __call__(self, slices: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """mapInArrow's function: batches of (number, bucket, key, prefix_day) to batches of decoded rows."""
        import boto3

        s3 = boto3.client("s3", region_name=self.region)
        refs = (ObjectRef(**row) for batch in slices for row in batch.to_pylist())
        yield from self.batches(fetch_all(s3, refs, self.in_flight))

    def batches(self, objects: Iterable[FetchedObject]) -> Iterator[pa.RecordBatch]:
        """Decoded rows of the objects, in batches of bounded rows and bytes."""
        account = _Accountant(load_source(self.source_name), load_rules(self.source_name, self.rules_text), self.limits)
        batch = _Batch(decoded_schema(account.source))
        for fetched in objects:
            for row, size in account.rows(fetched):
                batch.rows.append(row)
                batch.content_bytes += size
                if batch.full:
                    yield batch.emptied()
        if batch.rows:
            yield batch.emptied()


class _Accountant:
    """Turns one object into its rows, ending with the row that closes its account."""

    def __init__(self, source: LogSource, rules: Rules, limits: ContentLimits) -> None:
        self.source = source
        self._rules = rules
        self._limits = limits
        self._decoder = importlib.import_module(source.decoder)
        self._key_names = [c.name for c in source.raw.partition_keys]

    def rows(self, fetched: FetchedObject) -> Iterator[tuple[dict[str, Any], int]]:
        """(row, bytes it stands for) of each record, then of the object itself."""
        evidence = self._evidence(fetched)
        try:
            content, records, replaced = self._records(fetched)
        except (UnreadableObjectError, NotThisLogError) as error:
            yield {**evidence, "kind": "object", "reason": error.reason, "record_count": 0}, 0
            return
        for ordinal, raw in enumerate(records):
            row = self._row(raw, fetched.ref, replaced)
            yield {**evidence, **row, "raw_ordinal": ordinal}, len(memoryview(raw))
        yield {**evidence, "kind": "object", "record_count": len(records), "content_bytes": len(content)}, 0

    def _records(self, fetched: FetchedObject) -> tuple[bytes, list[Any], bool]:
        if fetched.body is None:
            raise UnreadableObjectError("gone_while_reading")
        return records_of(self.source, fetched.body, self._limits)

    def _evidence(self, fetched: FetchedObject) -> dict[str, Any]:
        ref = fetched.ref
        placement = place(self.source, ref.bucket, ref.key)
        values = dict(zip(self._key_names, getattr(placement, "values", ()), strict=False))
        values.pop("logcalendarday", None)
        return {
            "object_number": ref.number,
            "raw_bucket": ref.bucket,
            "raw_key": ref.key,
            "raw_etag": fetched.etag,
            "raw_versionid": fetched.version_id,
            "raw_lastmodified": int(fetched.last_modified * 1000),
            "prefix_day": ref.prefix_day,
            **values,
        }

    def _row(self, raw: Any, ref: ObjectRef, replaced: bool) -> dict[str, Any]:
        try:
            record: DecodedRecord = self._decoder.decode(raw)
            self._refuse_implausible(record.time, ref.prefix_day)
        except RecordError as error:
            return {"kind": "quarantined", "reason": error.reason}
        return {
            **record.fields,
            "kind": "record",
            "logcalendarday": day_number(record.time.date()),
            "raw_sha256": record.sha256,
            "excluded_by": record.excluded_by or self._excluded_by(record),
            "flags": "characters_replaced" if replaced and b"\xef\xbf\xbd" in bytes(raw) else None,
        }

    def _excluded_by(self, record: DecodedRecord) -> str | None:
        return self._rules.excluded_by(record.fields) if self._rules.exclude else None

    def _refuse_implausible(self, moment: datetime, prefix_day: int) -> None:
        """An event from before the log existed, or from after its own delivery, is kept apart under its reason."""
        earliest = datetime.combine(self.source.earliest_event, datetime.min.time(), UTC)
        delivered_by = _end_of(day_from_number(prefix_day)) + _CLOCK_TOLERANCE
        if not earliest <= moment < delivered_by:
            raise RecordError("eventtime_implausible")


def _end_of(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
