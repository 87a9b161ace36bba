"""The three tasks that make ORC of raw objects: read a slice, find the copies, write a part of a day.

A task is a picklable value over Arrow that knows no engine. What a task hands on are (partition, bytes); a runner
brings the bytes of one partition together, wherever they were made, and gives them to the next task.
"""

import ctypes
import gc
import io
import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from glue_scripts.day_views import DAY, KEYS, ROW_ID, DayViews, find_copies, row_ids
from glue_scripts.object_reader import ObjectRead, ObjectReader, ReadBatch
from glue_scripts.orc_files import PartOfDay, orc_body, portions, put_orc
from glue_scripts.sql_on_arrow import OnlySparkError
from glue_scripts.whole_objects import ObjectRef, fetch_all, s3_client
from loglake_assets.lake.storage.keys import duplicates_prefix, run_prefix
from loglake_assets.lake.versions.row_hash import row_hashes
from loglake_assets.lake.versions.stored_rows import orc_schema, stored_file
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.companions import DUPLICATE_COLUMNS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Ids = np.ndarray[Any, np.dtype[np.int64]]
ACCOUNTS = 0
"""The partition of what is said about objects."""
_CONTAINERS_BETWEEN_COLLECTIONS = 100_000
_BYTES_HELD = 24 << 20  # of decoded records, before they become rows
_GZIP_A_PART = 12 << 20
_GZIP_A_COPIES_TASK = 32 << 20
_LAST_RESORTS = ("raw_bucket", "raw_key", "raw_ordinal")  # so that no two rows are equal
_DUPLICATES_BY = ("dropped_key", "raw_ordinal", "dropped_bucket", "eventkey")


@dataclass(frozen=True)
class Plan:
    """What one run builds, and into how many tasks it falls: `parts` of each day, `copies` for copies of all events."""

    source_name: str
    days: tuple[date, ...]
    run_id: str
    region: str
    bucket: str
    compression: str
    parts: tuple[int, ...]
    copies: int

    @classmethod
    def of(cls, refs: Iterable[ObjectRef], **values: Any) -> "Plan":
        """The plan for these objects, on which alone it depends which rows are in which part.

        What was delivered before or after the window's days is taken for the first or the last of them.
        """
        size_of_day, days = Counter[int](), [day_number(day) for day in values["days"]]
        for ref in refs:
            size_of_day[min(max(ref.prefix_day, days[0]), days[-1])] += ref.size
        parts = (max(1, size_of_day[day] // _GZIP_A_PART) for day in days)
        return cls(**values, parts=tuple(parts), copies=max(1, size_of_day.total() // _GZIP_A_COPIES_TASK))

    @property
    def source(self) -> LogSource:
        return load_source(self.source_name)

    @property
    def day_numbers(self) -> pa.Array:
        return pa.array([day_number(day) for day in self.days], pa.int32())

    @property
    def copy_partitions(self) -> range:
        return range(1, 1 + self.copies)

    @property
    def day_partitions(self) -> range:
        return range(1 + self.copies, self.partitions)

    @property
    def partitions(self) -> int:
        return 1 + self.copies + sum(self.parts)

    def partition_of(self, day: int, number: int) -> int:
        """Where rows of a day go; `number` spreads them over the day's parts."""
        at = [day_number(d) for d in self.days].index(day)
        return 1 + self.copies + sum(self.parts[:at]) + number % self.parts[at]

    def part_of(self, partition: int) -> tuple[int, int]:
        """(day, part of the day) of one of `day_partitions`."""
        part, at = partition - 1 - self.copies, 0
        while part >= self.parts[at]:
            part, at = part - self.parts[at], at + 1
        return day_number(self.days[at]), part

    @property
    def prefix(self) -> str:
        """Where the run's rows go."""
        return run_prefix(self.source.readready.name, self.run_id)

    def client(self) -> "S3Client":
        """An S3 client of the process that a task runs in."""
        return s3_client(self.region)


@dataclass(frozen=True)
class SliceAccount:
    """What one slice of objects held; `refusal` says why only Spark SQL can build the window."""

    objects: tuple[ObjectRead, ...] = ()
    refusal: str | None = None


@dataclass(frozen=True)
class ReadSlice:
    """Objects to rows by part of their day, keys of all records by event, and the account of each object."""

    plan: Plan

    def __call__(self, number: int, refs: Sequence[ObjectRef]) -> Iterator[tuple[int, bytes]]:
        """(partition, Arrow IPC) for all that the slice holds, and (ACCOUNTS, SliceAccount). Raises FetchError."""
        prepare_process()
        plan, source = self.plan, self.plan.source
        views = DayViews(source, plan.days[0], plan.days[-1], plan.run_id)
        reader = ObjectReader(source.name, plan.region)
        accounts: list[ObjectRead] = []
        read = reader.batches(fetch_all(plan.client(), refs))
        for flush, records in enumerate(portions(self._of_days(read, accounts), _BYTES_HELD)):
            try:
                rows, keys = views.rows_and_keys(records)
            except OnlySparkError as error:
                yield ACCOUNTS, pickle.dumps(SliceAccount(refusal=str(error)))
                return
            del records
            yield from self._by_event(keys)
            yield from self._by_day(rows, number + flush)
        yield ACCOUNTS, pickle.dumps(SliceAccount(tuple(accounts)))

    def _of_days(self, read: Iterable[ReadBatch], accounts: list[ObjectRead]) -> Iterator[pa.Table]:
        """The records that are of the plan's days; the accounts of their objects are added to `accounts`."""
        for batch in read:
            accounts += batch.accounts
            is_of_days = pc.is_in(batch.records.column(DAY), self.plan.day_numbers)
            whole = pc.all(is_of_days).as_py() is not False
            yield pa.Table.from_batches([batch.records if whole else batch.records.filter(is_of_days)])

    def _by_event(self, keys: pa.Table) -> Iterator[tuple[int, bytes]]:
        if not len(keys):
            return
        if self.plan.copies == 1:
            yield self.plan.copy_partitions[0], ipc(keys)
            return
        events = keys.select([DAY, "eventkey"]).combine_chunks().to_batches()
        buckets = pa.array(np.concatenate([row_hashes(batch) for batch in events]) % self.plan.copies)
        for n in self.plan.copy_partitions:
            found = keys.filter(pc.equal(buckets, n - 1))
            if len(found):
                yield n, ipc(found)

    def _by_day(self, rows: pa.Table, number: int) -> Iterator[tuple[int, bytes]]:
        days = pc.unique(rows[DAY]).to_pylist()
        for day in sorted(days):
            found = rows if len(days) == 1 else rows.filter(pc.equal(rows[DAY], day))
            yield self.plan.partition_of(day, number), ipc(found)


@dataclass(frozen=True)
class Copies:
    """What one task found: the ids of records to drop, and how many of which object and day."""

    row_ids: Ids
    counts: tuple[tuple[int, int, int], ...]
    """(object number, day, copies dropped)"""


@dataclass(frozen=True)
class FindCopies:
    """Which records are copies of events that others have brought; they are written as a table of their own."""

    plan: Plan

    def __call__(self, partition: int, payloads: Iterable[bytes]) -> Iterator[Copies]:
        """What is dropped of the partition's events. Raises CopiesError."""
        prepare_process()
        tables = [table_of(payload) for payload in payloads]
        found = find_copies(pa.concat_tables(tables)) if tables else KEYS.empty_table()
        if not len(found):
            return
        write_duplicates(self.plan, partition, found)
        counts = found.group_by(["object_number", DAY]).aggregate([([], "count_all")])
        yield Copies(
            row_ids(found).to_numpy(),
            tuple(zip(*(counts[name].to_pylist() for name in ("object_number", DAY, "count_all")), strict=True)),
        )


@dataclass(frozen=True)
class WritePart:
    """The rows of one part of a day without the copies, as ORC files, read back from storage."""

    plan: Plan
    dropped: Ids
    """Ids of the records that are copies, in ascending order."""

    def __call__(self, partition: int, payloads: Iterable[bytes]) -> Iterator[PartOfDay]:
        prepare_process()
        day, part = self.plan.part_of(partition)
        tables = map(self._without_copies, payloads)  # not by a comprehension, which would hold one while it waits
        yield from write_day(self.plan, day, f"part-{part:05d}", tables)

    def _without_copies(self, payload: bytes) -> pa.Table:
        rows = table_of(payload)
        if not len(self.dropped):
            return rows
        ids = rows[ROW_ID].to_numpy()
        nearest = np.searchsorted(self.dropped, ids).clip(max=len(self.dropped) - 1)
        is_copy = self.dropped[nearest] == ids  # isin would sort all that is dropped for every payload
        return rows.filter(pa.array(~is_copy)) if is_copy.any() else rows


def write_day(plan: Plan, day: int, name: str, tables: Iterable[pa.Table]) -> Iterator[PartOfDay]:
    """Rows of one day as files below the run's prefix, whose names begin with `name`, each read back from storage."""
    source, s3 = plan.source, plan.client()
    schema, sort_by = orc_schema(source.readready.all_columns), (*source.readready.sort_by, *_LAST_RESORTS)
    number = -1  # not by enumerate, which would hold the rows while they are read back
    for rows in portions(filter(len, tables)):
        number += 1
        key = f"{plan.prefix}{DAY}={day}/{name}-{number:03d}.{plan.compression}.orc"
        put_orc(s3, plan.bucket, key, orc_body(rows, schema, sort_by, plan.compression))
        del rows
        release_memory()
        yield PartOfDay(day, *stored_file(s3, source, plan.bucket, key))


def write_duplicates(plan: Plan, number: int, copies: pa.Table) -> None:
    """The dropped copies with both object keys, as a table of their own beside the rows, a directory a day."""
    schema, s3 = orc_schema(DUPLICATE_COLUMNS), plan.client()
    prefix = duplicates_prefix(plan.source.readready.name, plan.run_id)
    for day in pc.unique(copies[DAY]).to_pylist():
        rows = copies.filter(pc.equal(copies[DAY], day))
        key = f"{prefix}{DAY}={day}/part-{number:05d}.{plan.compression}.orc"
        put_orc(s3, plan.bucket, key, orc_body(rows, schema, _DUPLICATES_BY, plan.compression))


def read_accounts(partition: int, payloads: Iterable[bytes]) -> Iterator[SliceAccount]:
    """What the tasks of the first round said about their objects."""
    yield from map(pickle.loads, payloads)


def prepare_process() -> None:
    """Set how the process of a task uses memory; calling it again changes nothing.

    Arrow's default, mimalloc, gives pages back at once, and getting them again took a fifth of a build's CPU. Records
    are tuples without cycles: looking for cycles after every 700 of them, as Python does, took a quarter of a read's.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
    gc.set_threshold(_CONTAINERS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])


def release_memory() -> None:
    """Give the system back what a file has used. The C library keeps what ORC's writer frees, some 75 MB a file."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it; other C libraries give back by themselves
    if trim:
        trim(0)


def ids_in_order(copies: Iterable[Copies]) -> Ids:
    """The ids of all records to drop, as WritePart takes them."""
    return np.sort(np.concatenate([np.zeros(0, np.int64), *(found.row_ids for found in copies)]))


def ipc(table: pa.Table) -> bytes:
    """A table as bytes of Arrow's stream format, compressed by LZ4."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def table_of(payload: bytes) -> pa.Table:
    """The table of `ipc`'s bytes."""
    return pa.ipc.open_stream(io.BytesIO(payload)).read_all()
