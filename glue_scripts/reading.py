"""Objects to Arrow batches, in the executors: every object is accounted for, all of it or none of it is read.

A batch holds rows of three kinds. `record`: one decoded record that is kept, with its evidence. `quarantined`: a record
that cannot be a row, with the reason. `object`: one row an object, closing its account: `record_count` records were
found, `counts` says of which day and under which exclusion rule, or `reason` says why none could be.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import pyarrow as pa

from glue_scripts.fetching import FetchedObject, ObjectRef, fetch_all
from loglake_assets.s3.arrow_types import ARROW
from loglake_assets.s3.gzip_content import ContentLimits, UnreadableObjectError, inflate, utf8, without_lone_surrogates
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.identity import occurrence
from loglake_assets.sources.modules import load_decoder, load_quick_decoder
from loglake_assets.sources.placement import day_from_number, day_number, place
from loglake_assets.sources.reasons import NOT_JSON, form_of
from loglake_assets.sources.record import (
    NotThisLogError,
    PlainRecord,
    RecordError,
    microseconds_of,
    plain_microseconds,
)
from loglake_assets.sources.rules import Rules, load_rules

_OBJECT_FIELDS = (
    ("object_number", "int"),
    ("raw_bucket", "string"),
    ("raw_key", "string"),
    ("raw_etag", "string"),
    ("raw_versionid", "string"),
    ("raw_objectsha256", "string"),
    ("raw_lastmodified", "bigint"),
    ("prefix_day", "int"),
)
_ROW_FIELDS = (
    ("kind", "string"),
    ("raw_ordinal", "int"),
    ("record_sha256", "string"),
    ("logcalendarday", "int"),
    ("flags", "string"),
    ("reason", "string"),
    ("record_count", "int"),
    ("content_bytes", "bigint"),
    ("counts", "string"),
)
_BATCH_ROWS = 4_000
_BATCH_BYTES = 32 << 20
_CLOCK_TOLERANCE = timedelta(days=1)
_DAY = 86_400_000_000  # microseconds
_DECISIONS_REMEMBERED = 2_000  # what they are of is as long as whoever wrote the log made it

Row = tuple[Any, ...]
"""Values in the order of `decoded_fields`: timestamps as microseconds, text as str or as its UTF-8 bytes."""


def decoded_fields(source: LogSource) -> tuple[tuple[str, str], ...]:
    """(name, Hive type) of every column of the decoded rows: object, placement keys, account, the decoder's fields."""
    keys = tuple((c.name, c.type) for c in source.raw.partition_keys if c.name != "logcalendarday")
    return _OBJECT_FIELDS + keys + _ROW_FIELDS + tuple(load_decoder(source).FIELDS)


def decoded_schema(source: LogSource) -> pa.Schema:
    return pa.schema([pa.field(name, ARROW[kind]) for name, kind in decoded_fields(source)])


def records_of(
    source: LogSource, body: bytes, limits: ContentLimits = ContentLimits()
) -> tuple[bytes, list[Any], bool]:
    """(content, records as delivered, whether characters had to be replaced) of one object's bytes.

    Raises UnreadableObjectError or NotThisLogError with the reason: all of an object or none of it.
    """
    content, replaced = _content(source, body, limits)
    return _records(source, content, replaced)


def _content(source: LogSource, body: bytes, limits: ContentLimits) -> tuple[bytes, bool]:
    return utf8(inflate(body, source.several_gzip_members, limits))


def _records(source: LogSource, content: bytes, replaced: bool) -> tuple[bytes, list[Any], bool]:
    split = load_decoder(source).split
    if not content.strip():
        return content, [], False
    try:
        return content, split(content), replaced
    except NotThisLogError as error:
        repaired = without_lone_surrogates(content)
        if repaired == content:
            raise _say_better(error, content) from error
    try:
        return repaired, split(repaired), True
    except NotThisLogError as error:
        raise _say_better(error, repaired) from error


def _say_better(error: NotThisLogError, content: bytes) -> NotThisLogError:
    """Of content that no decoder can parse, what it is instead."""
    return NotThisLogError(form_of(content.decode())) if error.reason == NOT_JSON else error


@dataclass
class _Batch:
    """Rows being gathered; becomes one RecordBatch."""

    schema: pa.Schema
    rows: list[Row] = field(default_factory=list)
    content_bytes: int = 0

    @property
    def full(self) -> bool:
        return len(self.rows) >= _BATCH_ROWS or self.content_bytes >= _BATCH_BYTES

    def emptied(self) -> pa.RecordBatch:
        columns = [_column(values, f.type) for values, f in zip(zip(*self.rows, strict=True), self.schema, strict=True)]
        self.rows, self.content_bytes = [], 0
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _column(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)


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


@dataclass
class _Object:
    """One object while it is read: what all its rows say, and how many records of which day were left out by whom."""

    ref: ObjectRef
    columns: Row
    replaced: bool = False
    counts: Counter[tuple[int, str | None]] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    """How often each key of a record without an id has been met."""

    def counts_text(self) -> str:
        return json.dumps([[day, rule, n] for (day, rule), n in self.counts.items()])


class _Accountant:
    """Turns one object into its rows, ending with the row that closes its account."""

    def __init__(self, source: LogSource, rules: Rules, limits: ContentLimits) -> None:
        self.source = source
        self._rules = rules
        self._limits = limits
        self._decoder = load_decoder(source)
        self._key_names = [c.name for c in source.raw.partition_keys]
        self._names = [name for name, _ in self._decoder.FIELDS]
        self._key = self._names.index("eventkey")
        self._times = [n for n, (_, kind) in enumerate(self._decoder.FIELDS) if kind == "timestamp"]
        self._nothing = (None,) * len(self._names)
        self._earliest = microseconds_of(datetime.combine(source.earliest_event, datetime.min.time(), UTC))
        self._asked = sorted(rules.exclude_fields)
        quick = load_quick_decoder(source)
        self._plain = quick.plain if quick else None
        self._heads = quick.head_reader(self._asked) if quick and self._asked else None
        self._repeats = quick.repeats if quick else None
        self._excluded_by = lru_cache(_DECISIONS_REMEMBERED)(self._decide)

    def rows(self, fetched: FetchedObject) -> Iterator[tuple[Row, int]]:
        """(row, bytes it stands for) of each record that is kept or quarantined, then of the object itself."""
        read = _Object(fetched.ref, self._object_columns(fetched))
        try:
            content, read.replaced = self._content(fetched)
            count, ordinals = self._keep(content, read) or (0, None)
            if ordinals is None or ordinals:
                content, records, read.replaced = _records(self.source, content, read.replaced)
                count = len(records)
        except (UnreadableObjectError, NotThisLogError) as error:
            yield self._row(read, "object", reason=error.reason, record_count=0), 0
            return
        for ordinal in range(count) if ordinals is None else ordinals:
            raw = records[ordinal]
            row = self._record(raw, ordinal, read)
            if row is not None:
                yield row, len(memoryview(raw))
        yield self._row(read, "object", record_count=count, content_bytes=len(content), counts=read.counts_text()), 0

    def _content(self, fetched: FetchedObject) -> tuple[bytes, bool]:
        if fetched.body is None:
            raise UnreadableObjectError(fetched.reason)
        return _content(self.source, fetched.body, self._limits)

    def _object_columns(self, fetched: FetchedObject) -> Row:
        ref = fetched.ref
        placement = place(self.source, ref.bucket, ref.key)
        keys = dict(zip(self._key_names, getattr(placement, "values", ()), strict=False))
        return (
            ref.number,
            ref.bucket,
            ref.key,
            fetched.etag,
            fetched.version_id,
            None if fetched.body is None else hashlib.sha256(fetched.body).hexdigest(),
            int(fetched.last_modified * 1000),
            ref.prefix_day,
            *(keys.get(name) for name in self._key_names if name != "logcalendarday"),
        )

    def _row(self, read: _Object, kind: str, values: Row = (), **account: Any) -> Row:
        own = {"kind": kind, **account}
        return (*read.columns, *(own.get(name) for name, _ in _ROW_FIELDS), *(values or self._nothing))

    def _keep(self, content: bytes, read: _Object) -> tuple[int, list[int]] | None:
        """(records there are, ordinals of those not excluded), the others counted; None where all must be decoded.

        Rules look at a few fields, which one pass finds without a record being cut out or decoded. Where a record says
        a key twice, none is left out unseen.
        """
        heads = self._heads(content) if self._heads else None
        if heads is None:
            return None
        kept = []
        for ordinal, (time, *fields) in enumerate(heads):
            rule = self._excluded_by(*fields)
            moment = plain_microseconds(time) if rule and time else None
            if moment is None or not self._is_plausible(moment, read.ref.prefix_day):
                kept.append(ordinal)
            else:
                read.counts[_day_of(moment // _DAY), rule] += 1
        if read.counts and self._repeats and self._repeats(content):
            read.counts.clear()
            return None
        return len(heads), kept

    def _decide(self, *fields: str | None) -> str | None:
        return self._rules.excluded_by(dict(zip(self._asked, fields, strict=True)))

    def _record(self, raw: Any, ordinal: int, read: _Object) -> Row | None:
        """The row of one record, or None where it is excluded, which is counted."""
        digest = hashlib.sha256(raw).hexdigest()
        try:
            (values, moment), rule = self._decode(raw)
            if not self._is_plausible(moment, read.ref.prefix_day):
                raise RecordError("eventtime_implausible")
        except RecordError as error:
            return self._row(read, "quarantined", raw_ordinal=ordinal, reason=error.reason)
        day = _day_of(moment // _DAY)
        read.counts[day, rule] += 1
        if rule:
            return None
        flags = "characters_replaced" if read.replaced and b"\xef\xbf\xbd" in bytes(raw) else None
        key = values[self._key]
        if isinstance(key, str) and (named := occurrence(key, read.keys)) != key:
            values = (*values[: self._key], named, *values[self._key + 1 :])
        return (*read.columns, "record", ordinal, digest, day, flags, None, None, None, None, *values)

    def _decode(self, raw: Any) -> tuple[PlainRecord, str | None]:
        """The record, and the rule that excludes it. Raises RecordError."""
        found = self._plain(raw) if self._plain else None
        if found is None:
            record = self._decoder.decode(raw)
            values: list[Any] = [record.fields.get(name) for name in self._names]
            for n in self._times:
                values[n] = values[n] and microseconds_of(values[n])
            found = PlainRecord(tuple(values), microseconds_of(record.time))
            if record.excluded_by:
                return found, record.excluded_by
        if not self._asked:
            return found, None
        asked = dict(zip(self._names, found.values, strict=True))
        return found, self._excluded_by(*(asked[name] for name in self._asked))

    def _is_plausible(self, moment: int, prefix_day: int) -> bool:
        """No event is from before the log existed, nor from after its own delivery; such are kept apart."""
        return self._earliest <= moment < _latest_delivery_day(prefix_day)


@lru_cache
def _latest_delivery_day(prefix_day: int) -> int:
    end = datetime.combine(day_from_number(prefix_day), datetime.min.time(), UTC) + timedelta(days=1)
    return microseconds_of(end + _CLOCK_TOLERANCE)


@lru_cache
def _day_of(days: int) -> int:
    """The day number of so many days from 1970."""
    return day_number(date(1970, 1, 1) + timedelta(days=days))
