"""Rows to ORC files in the run's own directory: sorted, put once under a name that a repeated task gives again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.orc as orc

from loglake_assets.lake.versions.manifests import put_of_run
from loglake_assets.lake.versions.stored_rows import ROWS_A_BATCH, WrittenFile, content_hash

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ORC_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "dictionary_key_size_threshold": 0.8,
        "row_index_stride": 5_000,  # rows that a reader takes or leaves together: half of ORC's own
    }
)
"""Of Arrow's ORC writer: docs/decisions/0020-one-build.md."""
_STRATEGIES = {"zlib": "compression", "zstd": "speed"}
_BYTES_A_FILE = 80 << 20  # of rows in memory, sorted at once: a file of about 8 MB


@dataclass(frozen=True)
class WrittenDay:
    """A day as read back from storage: its files, and a hash of its rows that no order of rows changes."""

    day: int
    files: tuple[WrittenFile, ...]
    content_hash: str

    @property
    def rows(self) -> int:
        return sum(f.rows for f in self.files)


@dataclass(frozen=True)
class PartOfDay:
    """One file of a day as read back from storage, and the sum of its rows' hashes."""

    day: int
    file: WrittenFile
    hash_sum: int


def written_days(parts: Iterable[PartOfDay]) -> dict[int, WrittenDay]:
    """The days that files were written of. Days without rows have none and do not appear."""
    days: dict[int, list[PartOfDay]] = {}
    for part in sorted(parts, key=lambda part: part.file.key):
        days.setdefault(part.day, []).append(part)
    return {day: _written_day(day, found) for day, found in sorted(days.items())}


def _written_day(day: int, found: Sequence[PartOfDay]) -> WrittenDay:
    files = tuple(part.file for part in found)
    return WrittenDay(day, files, content_hash(sum(part.hash_sum for part in found), sum(f.rows for f in files)))


def portions(tables: Iterable[pa.Table], most_bytes: int = _BYTES_A_FILE) -> Iterator[pa.Table]:
    """The rows gathered to what one file holds; each portion is given away before the next is begun."""
    held: list[pa.Table] = []
    size = 0
    for table in tables:
        held.append(table)
        size += table.nbytes
        del table  # whoever takes the portion would hold its last table twice
        if size >= most_bytes:
            yield _concatenation(held)
            size = 0
    if held:
        yield _concatenation(held)


def _concatenation(held: list[pa.Table]) -> pa.Table:
    """The tables as one, each column in one piece; pieces are freed by column, so that rows do not lie there twice."""
    schema, columns = held[0].schema, pa.concat_tables(held).columns
    held.clear()
    for n, column in enumerate(columns):
        columns[n] = column.combine_chunks()
        del column
    return pa.table(columns, schema=schema)


def orc_body(
    rows: pa.Table,
    schema: pa.Schema,
    sort_by: Sequence[str],
    codec: str,
    settings: Mapping[str, Any] = ORC_SETTINGS,
) -> bytes:
    """The bytes of an ORC file of the rows' columns in `schema`, sorted: bytes of UTF-8, nulls first.

    The same rows give the same bytes where `sort_by` leaves no two rows equal, and Arrow is of the same version.
    """
    rows = rows.combine_chunks()  # to take single rows from, in another order
    order = _order(rows, sort_by)
    chosen, sink = rows.select(schema.names), pa.BufferOutputStream()
    chosen_settings = {"compression_strategy": _STRATEGIES.get(codec, "speed"), **settings}
    with orc.ORCWriter(sink, compression=codec, **chosen_settings) as file:
        for at in range(0, len(rows), ROWS_A_BATCH):
            file.write(chosen.take(order.slice(at, ROWS_A_BATCH)).cast(schema))
    return bytes(sink.getvalue())


def _order(rows: pa.Table, sort_by: Sequence[str]) -> pa.Array:
    """Where the rows go, nulls first. Arrow's own words for that are others in Glue's version than in newer ones."""
    keys: dict[str, pa.ChunkedArray] = {}
    for name in sort_by:
        if rows[name].null_count:
            keys[f"is {name} there"] = rows[name].is_valid()
        keys[name] = rows[name]
    return pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])


def put_orc(s3: "S3Client", bucket: str, key: str, body: bytes) -> None:
    """Store a file of the run. Raises where other bytes are there; the same ones are of a task that was repeated."""
    put_of_run(s3, bucket, key, body, "application/octet-stream")
