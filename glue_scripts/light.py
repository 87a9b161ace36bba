"""The window's build without Spark: the same reader, the same views, the same ORC and the same account, by DuckDB.

A JVM costs more than a quiet day's events. What this engine writes is what Spark writes, row for row and hash for hash;
what it cannot promise that of it refuses before anything is stored. It works on one machine, in memory that does not
grow with the window: decoded rows lie in Parquet files of a temporary folder, and files are sorted one by one.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.orc as orc
import pyarrow.parquet as pq

from glue_scripts.accounts import CLOSED, DUPLICATES, QUARANTINED, DayAccount, day_accounts
from glue_scripts.arguments import JobArguments
from glue_scripts.fetching import ObjectRef, fetch_all
from glue_scripts.light_views import NotLightError, create_views
from glue_scripts.reading import ObjectReader, decoded_schema
from glue_scripts.reporting import Progress, Report
from glue_scripts.window import WindowObjects, slices
from glue_scripts.writing import ROW_INDEX_STRIDE, WrittenDay
from loglake_assets.lake.storage.keys import duplicates_prefix, run_prefix
from loglake_assets.lake.versions.manifests import put_of_run
from loglake_assets.lake.versions.stored_rows import ROWS_A_BATCH, WrittenFile, content_hash, orc_schema, stored_file
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.companions import DUPLICATE_COLUMNS
from loglake_assets.sources.model import Column
from loglake_assets.sources.views import given_views, view_statements

_MEMORY_A_CORE = 80  # MB that DuckDB may hold
_BYTES_A_SLICE = 16 << 20  # of gzip; a window of one slice starts no other process
_BYTES_A_BATCH = 32 << 20  # of records as delivered, which differ in size: events have 1 KB, conversations 100
_BYTES_A_FILE = 128 << 20  # of rows in memory, sorted at once: a file of about 12 MB
_DAY = "logcalendarday"
_DUPLICATES_BY = ("dropped_key", "raw_ordinal")


def build_light(
    source: LogSource, arguments: JobArguments, objects: WindowObjects, s3: Any, report: Report
) -> list[DayAccount]:
    """As `build` of glue_scripts.job, without Spark. Raises NotLightError before anything is stored."""
    if objects.total_bytes > arguments.light_max_bytes:
        raise NotLightError(
            f"The window holds {objects.total_bytes:,} bytes of gzip, and the light engine takes at most "
            f"{arguments.light_max_bytes:,} (--light_max_bytes)."
        )
    with TemporaryDirectory(prefix="loglake-light-") as folder, _without_pandas():
        home = Path(folder)
        _read(source, objects, s3, home / "decoded", report)
        try:
            with _connect(home) as connection:
                return _build(connection, source, arguments, objects, s3, home)
        except duckdb.Error as error:  # its message may quote a row
            raise NotLightError(
                f"The views of {source.name} failed in the light engine ({type(error).__name__})."
            ) from None


def _build(
    connection: duckdb.DuckDBPyConnection,
    source: LogSource,
    arguments: JobArguments,
    objects: WindowObjects,
    s3: Any,
    home: Path,
) -> list[DayAccount]:
    table, run, codec = source.readready, arguments.run_id, arguments.compression
    _create_views(connection, source, arguments, home)
    prefix, rows = run_prefix(table.name, run), "readready_as_view"
    if arguments.is_preview:
        prefix, rows = f"preview/{run}/", "preview_as_table"
        connection.execute(f"CREATE TABLE {rows} AS FROM readready_as_view LIMIT {arguments.max_rows}")
    _write_orc(connection, rows, table.all_columns, table.sort_by, home / "rows", codec)
    _write_orc(connection, "duplicates_as_view", DUPLICATE_COLUMNS, _DUPLICATES_BY, home / "duplicates", codec)
    closed, quarantined = _rows(connection, f"{CLOSED} ORDER BY object_number"), _rows(connection, QUARANTINED)
    duplicates = _rows(connection, DUPLICATES)
    keys = _put(s3, arguments.readready_bucket, prefix, home / "rows")
    if arguments.is_preview:
        return []
    _put(s3, arguments.readready_bucket, duplicates_prefix(table.name, run), home / "duplicates")
    written = _write_days(s3, source, arguments.readready_bucket, keys)
    return day_accounts(arguments, objects, closed, quarantined, duplicates, written)


def _rows(connection: duckdb.DuckDBPyConnection, statement: str) -> list[Any]:
    found = connection.sql(statement)
    return [SimpleNamespace(**dict(zip(found.columns, row, strict=True))) for row in found.fetchall()]


def _read(source: LogSource, objects: WindowObjects, s3: Any, folder: Path, report: Report) -> None:
    """Every object's decoded rows as Parquet files of `folder`, by as many processes as the window is worth."""
    folder.mkdir()
    reader = ObjectReader(source.name, s3.meta.region_name)
    count = min(max(1, objects.total_bytes // _BYTES_A_SLICE), max(1, len(objects.refs)))
    hands = [(reader, hand, folder / f"{n}.parquet") for n, hand in enumerate(slices(objects.refs, count))]
    if count == 1:
        _read_slice(*hands[0], s3)
        return
    context = get_context("forkserver")
    context.set_forkserver_preload(["boto3", __name__])
    progress = Progress(report, "slices of objects read", count)
    with ProcessPoolExecutor(os.cpu_count(), context) as pool:
        for done, future in enumerate(as_completed([pool.submit(_read_slice, *hand) for hand in hands]), 1):
            future.result()
            progress.at(done)


class _NoPandas:
    """Arrow imports pandas for its first array of Python values: 0.4 CPU s of a quiet day, for nothing."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "pandas":
            raise ImportError(f"{name} is not wanted here")


@contextmanager
def _without_pandas() -> Iterator[None]:
    finder: Any = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _read_slice(reader: ObjectReader, refs: Sequence[ObjectRef], path: Path, s3: Any = None) -> None:
    import boto3

    s3 = s3 or boto3.client("s3", region_name=reader.region)
    schema = decoded_schema(load_source(reader.source_name))
    with _without_pandas(), pq.ParquetWriter(path, schema, compression="lz4", write_statistics=["kind"]) as file:
        for batch in reader.batches(fetch_all(s3, refs, reader.in_flight)):
            file.write_batch(batch)


def _connect(home: Path) -> duckdb.DuckDBPyConnection:
    cores = os.cpu_count() or 1
    settings: dict[str, Any] = {
        "threads": cores,
        "memory_limit": f"{_MEMORY_A_CORE * cores}MB",
        "temp_directory": str(home / "spilled"),
        "preserve_insertion_order": False,
        "python_enable_replacements": False,
    }
    connection = duckdb.connect(":memory:", config=settings)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _create_views(
    connection: duckdb.DuckDBPyConnection, source: LogSource, arguments: JobArguments, home: Path
) -> None:
    """The bounds and the decoded records as views, then the source's own."""
    connection.execute(f"CREATE VIEW decoded_as_view AS FROM read_parquet('{home / 'decoded'}/*.parquet')")
    for name, statement in given_views(arguments.first_day, arguments.last_day, arguments.run_id):
        connection.execute(f"CREATE VIEW {name} AS {statement}")
    create_views(connection, view_statements(source))


def _write_orc(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    columns: Sequence[Column],
    sort_by: Sequence[str],
    folder: Path,
    codec: str,
) -> None:
    """The view's rows as ORC files, sorted inside of each, in a directory a day; none where there are none."""
    schema, count = orc_schema(columns), _rows_a_batch(connection)
    days = connection.execute(f"SELECT DISTINCT {_DAY} FROM {view} ORDER BY 1").fetchall()
    for (day,) in days:
        rows = _stream(connection, f"SELECT {', '.join(schema.names)} FROM {view} WHERE {_DAY} = {day}", count)
        directory = folder / f"{_DAY}={day}"
        directory.mkdir(parents=True)
        for number, portion in enumerate(_portions(rows)):
            _write_file(directory / f"part-{number:05d}.{codec}.orc", portion, schema, sort_by, codec)


def _stream(connection: duckdb.DuckDBPyConnection, statement: str, count: int) -> Iterator[pa.RecordBatch]:
    try:
        yield from connection.sql(statement).to_arrow_reader(count)
    except (OSError, pa.ArrowException) as error:  # what Arrow makes of an error of DuckDB; it may quote a row
        raise NotLightError(f"The light engine could not give the rows ({type(error).__name__}).") from None


def _portions(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The batches gathered to what a file holds; each given away before the next is begun."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(b.nbytes for b in held) >= _BYTES_A_FILE:
            yield _take(held)
    if held:
        yield _take(held)


def _take(held: list[pa.RecordBatch]) -> pa.Table:
    rows = pa.Table.from_batches(held).combine_chunks()
    held.clear()
    return rows


def _write_file(path: Path, rows: pa.Table, schema: pa.Schema, sort_by: Sequence[str], codec: str) -> None:
    keys = [(name, "ascending", "at_start") for name in sort_by]
    order = pc.sort_indices(rows, sort_keys=keys)  # as Spark: bytes of UTF-8, nulls first
    with orc.ORCWriter(
        str(path), compression=codec, dictionary_key_size_threshold=0.8, row_index_stride=ROW_INDEX_STRIDE
    ) as file:
        for at in range(0, len(rows), ROWS_A_BATCH):
            file.write(rows.take(order.slice(at, ROWS_A_BATCH)).cast(schema))


def _rows_a_batch(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute(
        "SELECT sum(content_bytes), sum(record_count) FROM decoded_as_view WHERE kind = 'object'"
    )
    ((size, count),) = found.fetchall()
    return int(min(ROWS_A_BATCH, max(64, _BYTES_A_BATCH * (count or 0) // (size or 1))))


def _put(s3: Any, bucket: str, prefix: str, folder: Path) -> list[str]:
    """The folder's files below the prefix, each once; returns their keys."""
    paths = sorted(folder.rglob("*.orc"))
    keys = [prefix + path.relative_to(folder).as_posix() for path in paths]
    for path, key in zip(paths, keys, strict=True):
        put_of_run(s3, bucket, key, path.read_bytes(), "application/octet-stream")
    return keys


def _write_days(s3: Any, source: LogSource, bucket: str, keys: Sequence[str]) -> dict[int, WrittenDay]:
    """Every day, read back from what S3 gives for the keys."""
    found: dict[int, list[tuple[WrittenFile, int]]] = {}
    for key in keys:
        day = int(key.rsplit("/", 2)[1].partition("=")[2])
        found.setdefault(day, []).append(stored_file(s3, source, bucket, key))
    return {day: _write_day(day, files) for day, files in found.items()}


def _write_day(day: int, found: Sequence[tuple[WrittenFile, int]]) -> WrittenDay:
    files = tuple(file for file, _ in found)
    return WrittenDay(day, files, content_hash(sum(total for _, total in found), sum(file.rows for file in files)))
