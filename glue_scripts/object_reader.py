"""Objects to Arrow batches, in the tasks: every object is accounted for, all of it or none of it is read.

A batch holds decoded records that are kept, with their evidence, and the accounts of objects that were read to their
end: what was found in each, what of it is a row, what an exclusion rule left out, and what cannot be a row and why.
"""

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa

from glue_scripts.whole_objects import FetchedObject, ObjectRef
from loglake_assets.s3.arrow_types import ARROW
from loglake_assets.s3.gzip_content import ContentLimits, UnreadableObjectError, inflate, utf8, without_lone_surrogates
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.calendar_days import day_from_number, day_number
from loglake_assets.sources.identity import has_keys_of_bytes, occurrence
from loglake_assets.sources.modules import load_decoder, load_quick_decoder
from loglake_assets.sources.placement import place
from loglake_assets.sources.reasons import NOT_JSON, form_of
from loglake_assets.sources.record import (
    NotThisLogError,
    PlainRecords,
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
_RECORD_FIELDS = (
    ("raw_ordinal", "int"),
    ("record_sha256", "string"),
    ("logcalendarday", "int"),
    ("flags", "string"),
)
_BATCH_ROWS = 4_000
_ROWS_AT_ONCE = 500  # records that are decoded together, of one object or of several small ones
_BATCH_BYTES = 32 << 20
_BYTES_WAITING = 8 << 20  # of objects whose few records wait for those of others
_CLOCK_TOLERANCE = timedelta(days=1)
_DAY = 86_400_000_000  # microseconds
_DECISIONS_REMEMBERED = 2_000  # what they are of is as long as whoever wrote the log made it

Row = tuple[Any, ...]
"""Values in the order of fields: timestamps as microseconds, text as str or as its UTF-8 bytes."""


@dataclass(frozen=True)
class ObjectRead:
    """The account of one object: `record_count` records were found, or `reason` says why none could be.

    `counts` says of how many of them it is known of which day they are and which rule excludes them, as (day as
    yyyymmdd, rule or None, records); `quarantined` are the others, as (ordinal, reason).
    """

    ref: ObjectRef
    etag: str
    version_id: str | None
    last_modified_ms: int
    record_count: int
    content_bytes: int
    reason: str | None
    counts: tuple[tuple[int, str | None, int], ...]
    quarantined: tuple[tuple[int, str], ...]


class ReadBatch(NamedTuple):
    """Decoded records in the order of `decoded_fields`, and accounts of objects whose records are all given away."""

    records: pa.RecordBatch
    accounts: tuple[ObjectRead, ...]


def _object_fields(source: LogSource) -> tuple[tuple[str, str], ...]:
    keys = tuple((c.name, c.type) for c in source.raw.partition_keys if c.name != "logcalendarday")
    return _OBJECT_FIELDS + keys


def decoded_fields(source: LogSource) -> tuple[tuple[str, str], ...]:
    """(name, Hive type) of each column of the decoded records: object, placement keys, record, the decoder's fields."""
    return _object_fields(source) + _RECORD_FIELDS + tuple(load_decoder(source).FIELDS)


def decoded_schema(source: LogSource) -> pa.Schema:
    """The columns of `decoded_fields` in Arrow's types."""
    return _schema(decoded_fields(source))


def _schema(fields: Iterable[tuple[str, str]]) -> pa.Schema:
    return pa.schema([pa.field(name, ARROW[kind]) for name, kind in fields])


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
class _Rows:
    """Rows being gathered, by column: the place of each one's object, what is its own, and the decoder's fields."""

    fields: int
    places: list[int] = field(default_factory=list)
    ordinals: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    days: list[int] = field(default_factory=list)
    flags: list[str | None] = field(default_factory=list)
    values: list[list[Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.values = [[] for _ in range(self.fields)]

    @property
    def columns(self) -> list[list[Any]]:
        """In the order of what follows the object's columns."""
        return [self.ordinals, self.digests, self.days, self.flags, *self.values]


class _Batch:
    """Records being gathered; becomes one ReadBatch. What all records of an object say is held once."""

    def __init__(self, source: LogSource) -> None:
        self._of_object, self._schema = _schema(_object_fields(source)), decoded_schema(source)
        self._own = list(self._schema)[len(self._of_object) :]
        self._clear()

    def _clear(self) -> None:
        self._objects: list[Row] = []
        self._rows = _Rows(len(self._own) - len(_RECORD_FIELDS))
        self._content_bytes = 0
        self.accounts: list[ObjectRead] = []

    def _place(self, columns: Row) -> int:
        if not self._objects or self._objects[-1] is not columns:
            self._objects.append(columns)
        return len(self._objects) - 1

    def add(self, columns: Row, ordinal: int, digest: str, day: int, flags: str | None, values: Row, size: int) -> None:
        """One record: what its object says of it, its own values, and the bytes it stands for."""
        one: list[list[Any]] = [[ordinal], [digest], [day], [flags], *([value] for value in values)]
        self.extend([(columns, 1)], one, size)

    def extend(self, objects: Iterable[tuple[Row, int]], own: Sequence[Sequence[Any]], size: int) -> None:
        """Records by column: ordinal, digest, day, flags and the decoder's fields. `objects` says how many of which."""
        for columns, count in objects:
            self._rows.places += [self._place(columns)] * count
        for gathered, more in zip(self._rows.columns, own, strict=True):
            gathered += more
        self._content_bytes += size

    @property
    def is_full(self) -> bool:
        return len(self._rows.places) > _BATCH_ROWS - _ROWS_AT_ONCE or self._content_bytes >= _BATCH_BYTES

    @property
    def is_empty(self) -> bool:
        return not self._rows.places and not self.accounts

    def take(self) -> ReadBatch:
        """What was gathered; the batch is empty afterwards."""
        found = ReadBatch(self._records(), tuple(self.accounts))
        self._clear()
        return found

    def _records(self) -> pa.RecordBatch:
        if not self._rows.places:
            return pa.RecordBatch.from_pylist([], self._schema)
        of_objects = map(_column, zip(*self._objects, strict=True), self._of_object)
        places = pa.array(self._rows.places, pa.int32())
        own = map(_column, self._rows.columns, self._own)
        return pa.RecordBatch.from_arrays([*(column.take(places) for column in of_objects), *own], schema=self._schema)


def _column(values: Sequence[Any], field: pa.Field) -> pa.Array:
    if values[0] is None and values.count(None) == len(values):  # where the first is text, counting asks each text
        return pa.nulls(len(values), field.type)
    if pa.types.is_timestamp(field.type):
        return pa.array(values, pa.int64()).cast(field.type)
    return pa.array(values, field.type)


@dataclass(frozen=True)
class ObjectReader:
    """Reads a slice of the object list. Picklable: it goes to the executors and makes its client there."""

    source_name: str
    region: str
    rules_text: str | None = None
    limits: ContentLimits = field(default_factory=ContentLimits)

    def batches(self, objects: Iterable[FetchedObject]) -> Iterator[ReadBatch]:
        """Decoded records and accounts of the objects, in batches of bounded rows and bytes."""
        source = load_source(self.source_name)
        accountant = _Accountant(source, load_rules(self.source_name, self.rules_text), self.limits)
        batch = _Batch(source)
        for _ in accountant.read(objects, batch):
            if batch.is_full:
                yield batch.take()
        if not batch.is_empty:
            yield batch.take()


@dataclass
class _Object:
    """One object while it is read: what all its rows say, and what became of its records."""

    fetched: FetchedObject
    """Without its body."""
    columns: Row
    replaced: bool = False
    record_count: int = 0
    content_bytes: int = 0
    reason: str | None = None
    counts: Counter[tuple[int, str | None]] = field(default_factory=Counter)
    quarantined: list[tuple[int, str]] = field(default_factory=list)
    keys: Counter[str] = field(default_factory=Counter)
    """How often each key of a record without an id has been met."""

    @property
    def prefix_day(self) -> int:
        return self.fetched.ref.prefix_day

    def account(self) -> ObjectRead:
        """The object's account, when all its records have been given away."""
        return ObjectRead(
            ref=self.fetched.ref,
            etag=self.fetched.etag,
            version_id=self.fetched.version_id,
            last_modified_ms=_milliseconds(self.fetched),
            record_count=self.record_count,
            content_bytes=self.content_bytes,
            reason=self.reason,
            counts=tuple(sorted(((day, rule, n) for (day, rule), n in self.counts.items()), key=_by_day_and_rule)),
            quarantined=tuple(self.quarantined),
        )


def _by_day_and_rule(count: tuple[int, str | None, int]) -> tuple[int, str]:
    return count[0], count[1] or ""


def _milliseconds(fetched: FetchedObject) -> int:
    return int(fetched.last_modified * 1000)


class _Piece(NamedTuple):
    """Records of one object that are decoded together; `is_quick` where the quick decoder may be asked."""

    read: _Object
    ordinals: Sequence[int]
    raws: Sequence[Any]
    is_quick: bool


@dataclass
class _Waiting:
    """Pieces to be decoded together, so that five records an object cost what five hundred do, each."""

    pieces: list[_Piece] = field(default_factory=list)
    objects: list[_Object] = field(default_factory=list)
    """Those that are read to their end, whose accounts are given when their pieces are decoded."""
    rows: int = 0
    content_bytes: int = 0

    def add(self, piece: _Piece) -> None:
        if not self.pieces or self.pieces[-1].read is not piece.read:
            self.content_bytes += piece.read.content_bytes
        self.pieces.append(piece)
        self.rows += len(piece.raws)

    @property
    def is_full(self) -> bool:
        return self.rows >= _ROWS_AT_ONCE or self.content_bytes >= _BYTES_WAITING


class _Accountant:
    """Turns objects into rows and keeps the account of each."""

    def __init__(self, source: LogSource, rules: Rules, limits: ContentLimits) -> None:
        self.source = source
        self._rules = rules
        self._limits = limits
        self._decoder = load_decoder(source)
        self._key_names = [c.name for c in source.raw.partition_keys]
        self._names = [name for name, _ in self._decoder.FIELDS]
        self._key = self._names.index("eventkey")
        self._times = [n for n, (_, kind) in enumerate(self._decoder.FIELDS) if kind == "timestamp"]
        self._earliest = microseconds_of(datetime.combine(source.earliest_event, datetime.min.time(), UTC))
        self._asked = sorted(rules.exclude_fields)
        quick = load_quick_decoder(source)
        self._plain = quick.plain_records if quick else None
        self._heads = quick.head_reader(self._asked) if quick and self._asked else None
        self._repeats = quick.repeats if quick else None
        self._excluded_by = lru_cache(_DECISIONS_REMEMBERED)(self._decide)

    def read(self, objects: Iterable[FetchedObject], batch: _Batch) -> Iterator[None]:
        """Add the records that are kept to the batch, some at a time, and the account of each object behind them."""
        waiting = _Waiting()
        for fetched in objects:
            read = _Object(replace(fetched, body=None), self._object_columns(fetched))
            for piece in self._pieces(fetched, read):
                waiting.add(piece)
                if waiting.is_full:
                    self._decode_all(waiting, batch)
                    waiting = _Waiting()
                    yield
            waiting.objects.append(read)
            if not waiting.pieces:
                self._decode_all(waiting, batch)
                waiting = _Waiting()
        self._decode_all(waiting, batch)

    def _pieces(self, fetched: FetchedObject, read: _Object) -> Iterator[_Piece]:
        """The records of an object that are to be decoded; of the others `read` keeps the account."""
        records = list[Any]()
        try:
            content, read.replaced = self._content(fetched)
            count, ordinals = self._keep(content, read, fetched.ref.prefix_day) or (0, None)
            if ordinals is None or ordinals:
                content, records, read.replaced = _records(self.source, content, read.replaced)
                count = len(records)
        except (UnreadableObjectError, NotThisLogError) as error:
            read.reason = error.reason
            read.counts.clear()
            return
        read.record_count, read.content_bytes = count, len(content)
        is_quick = self._plain is not None and not read.replaced and (ordinals is not None or not self._asked)
        for some in _runs(range(count) if ordinals is None else ordinals, records):
            yield _Piece(read, some, [records[ordinal] for ordinal in some], is_quick)

    def _decode_all(self, waiting: _Waiting, batch: _Batch) -> None:
        """Add the rows of what waits, by the quick decoder where it knows them, and the accounts of whole objects."""
        quick = [piece for piece in waiting.pieces if piece.is_quick]
        places = self._add_plain(quick, batch) if quick else frozenset()
        first = 0
        for piece in waiting.pieces:
            for n, (raw, ordinal) in enumerate(zip(piece.raws, piece.ordinals, strict=True), first):
                if not piece.is_quick or n not in places:
                    self._add_any(raw, ordinal, piece.read, batch)
            first += len(piece.raws) if piece.is_quick else 0
        batch.accounts += [read.account() for read in waiting.objects]

    def _add_plain(self, pieces: Sequence[_Piece], batch: _Batch) -> Collection[int]:
        """Add those records that the quick decoder knows, and that no rule excludes; their places in all pieces."""
        raws = [raw for piece in pieces for raw in piece.raws]
        found = self._plain(raws)  # type: ignore[misc]  # asked for only where there is one
        parts = list(_parts(pieces, found))
        if not all(self._is_plausible(m, p.read.prefix_day) for p, of in parts for m in (min(of), max(of))):
            return frozenset()
        if has_keys_of_bytes(found.columns[self._key]):
            return frozenset()
        days = [_day_of(moment // _DAY) for moment in found.microseconds]
        at = 0
        for piece, moments in parts:
            piece.read.counts.update((day, None) for day in days[at : at + len(moments)])
            at += len(moments)
        ordinals = [ordinal for piece in pieces for ordinal in piece.ordinals]
        if len(found.places) < len(raws):
            raws = [raws[place] for place in found.places]
            ordinals = [ordinals[place] for place in found.places]
        digests = [hashlib.sha256(raw).hexdigest() for raw in raws]
        size = sum(len(memoryview(raw)) for raw in raws)
        objects = [(piece.read.columns, len(moments)) for piece, moments in parts]
        batch.extend(objects, [ordinals, digests, days, [None] * len(raws), *found.columns], size)
        return frozenset(found.places)

    def _add_any(self, raw: Any, ordinal: int, read: _Object, batch: _Batch) -> None:
        """Add one record by its source's decoder, or say in the account why it is not added."""
        try:
            values, moment, rule = self._decode(raw)
            if not self._is_plausible(moment, read.prefix_day):
                raise RecordError("eventtime_implausible")
        except RecordError as error:
            read.quarantined.append((ordinal, error.reason))
            return
        day = _day_of(moment // _DAY)
        read.counts[day, rule] += 1
        if rule:
            return
        flags = "characters_replaced" if read.replaced and b"\xef\xbf\xbd" in bytes(raw) else None
        if isinstance(values[self._key], str):
            values[self._key] = occurrence(values[self._key], read.keys)
        digest = hashlib.sha256(raw).hexdigest()
        batch.add(read.columns, ordinal, digest, day, flags, tuple(values), len(memoryview(raw)))

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
            _milliseconds(fetched),
            ref.prefix_day,
            *(keys.get(name) for name in self._key_names if name != "logcalendarday"),
        )

    def _keep(self, content: bytes, read: _Object, prefix_day: int) -> tuple[int, list[int]] | None:
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
            if moment is None or not self._is_plausible(moment, prefix_day):
                kept.append(ordinal)
            else:
                read.counts[_day_of(moment // _DAY), rule] += 1
        if read.counts and self._repeats and self._repeats(content):
            read.counts.clear()
            return None
        return len(heads), kept

    def _decide(self, *fields: str | None) -> str | None:
        return self._rules.exclusion(dict(zip(self._asked, fields, strict=True)))

    def _decode(self, raw: Any) -> tuple[list[Any], int, str | None]:
        """(values, microseconds, the rule that excludes it) of one record. Raises RecordError."""
        record = self._decoder.decode(raw)
        values: list[Any] = [record.fields.get(name) for name in self._names]
        for n in self._times:
            values[n] = values[n] and microseconds_of(values[n])
        moment = microseconds_of(record.time)
        if record.excluded_by or not self._asked:
            return values, moment, record.excluded_by
        return values, moment, self._excluded_by(*(record.fields.get(name) for name in self._asked))

    def _is_plausible(self, moment: int, prefix_day: int) -> bool:
        """No event is from before the log existed, nor from after its own delivery; such are kept apart."""
        return self._earliest <= moment < _latest_delivery_day(prefix_day)


def _parts(pieces: Sequence[_Piece], found: PlainRecords) -> Iterator[tuple[_Piece, Sequence[int]]]:
    """The pieces that hold plain records, each with the moments of its own."""
    first, at = 0, 0
    for piece in pieces:
        first += len(piece.raws)
        end = bisect_left(found.places, first, at)
        if end > at:
            yield piece, found.microseconds[at:end]
        at = end


def _runs(ordinals: Sequence[int], records: Sequence[Any]) -> Iterator[Sequence[int]]:
    """The ordinals, as many at a time as are decoded together: few where their records are large."""
    first, size = 0, 0
    for end, ordinal in enumerate(ordinals, 1):
        size += len(memoryview(records[ordinal]))
        if end - first >= _ROWS_AT_ONCE or size >= _BATCH_BYTES:
            yield ordinals[first:end]
            first, size = end, 0
    if first < len(ordinals):
        yield ordinals[first:]


@lru_cache
def _latest_delivery_day(prefix_day: int) -> int:
    end = datetime.combine(day_from_number(prefix_day), datetime.min.time(), UTC) + timedelta(days=1)
    return microseconds_of(end + _CLOCK_TOLERANCE)


@lru_cache
def _day_of(days: int) -> int:
    """The day number of so many days from 1970."""
    return day_number(date(1970, 1, 1) + timedelta(days=days))
