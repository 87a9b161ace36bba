"""ORC files as S3 gives them back: how many rows they hold, and the hash of these rows that a manifest names."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.orc as orc

from loglake_assets.lake.versions.row_hash import hash_sum
from loglake_assets.s3.arrow_types import ARROW
from loglake_assets.s3.objects import whole_object
from loglake_assets.sources import LogSource
from loglake_assets.sources.model import Column

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROWS_A_BATCH = 16_384


@dataclass(frozen=True)
class WrittenFile:
    """One ORC file as listed after the write: `key` in the readready bucket, size in bytes, rows it gives back."""

    key: str
    size: int
    rows: int


def stored_file(s3: "S3Client", source: LogSource, bucket: str, key: str) -> tuple[WrittenFile, int]:
    """The file, and the sum of its rows' hashes. Raises OSError or ArrowException when it is no such ORC file."""
    body = whole_object(s3, bucket, key)["Body"]
    file = orc.ORCFile(pa.BufferReader(body))
    schema = orc_schema(hashed_columns(source))
    stripes = (file.read_stripe(n).select(schema.names).cast(schema) for n in range(file.nstripes))
    total = sum(hash_sum(part) for stripe in stripes for part in _parts(stripe))
    return WrittenFile(key, len(body), file.nrows), total


def stored_hash(s3: "S3Client", source: LogSource, bucket: str, keys: Sequence[str]) -> str:
    """The content hash of the rows of some files together, as a manifest spells it. Raises as `stored_file` does."""
    found = [stored_file(s3, source, bucket, key) for key in keys]
    return content_hash(sum(total for _, total in found), sum(file.rows for file, _ in found))


def orc_schema(columns: Iterable[Column]) -> pa.Schema:
    """Timestamps without a zone, which is UTC, as Spark writes them."""
    return pa.schema([(c.name, pa.timestamp("us") if c.type == "timestamp" else ARROW[c.type]) for c in columns])


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    return (batch.slice(at, ROWS_A_BATCH) for at in range(0, len(batch), ROWS_A_BATCH))


def hashed_columns(source: LogSource) -> list[Column]:
    """The columns that the hash of a row is of: the run differs; the rows must not."""
    return [c for c in source.readready.all_columns if c.name != "f_run"]


def content_hash(total: int, rows: int) -> str:
    """How manifests spell the sum of `rows` hashes: the algorithm, the sum and the count."""
    return f"xxh64sum:{total % (1 << 128):032x}:{rows}"
