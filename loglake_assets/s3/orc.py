"""ORC files in S3, read by ranges: the footer costs two small requests, a column its own bytes and no more."""

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.orc as orc

from loglake_assets.s3.objects import CutObjectError, whole_object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3RangeFile(io.RawIOBase):
    """A seekable read-only file over one object, by ranged GETs."""

    def __init__(self, s3: "S3Client", bucket: str, key: str) -> None:
        self._s3, self._bucket, self._key = s3, bucket, key
        self._size = int(s3.head_object(Bucket=bucket, Key=key)["ContentLength"])
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def size(self) -> int:
        """Size in bytes; Arrow asks for it."""
        return self._size

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._position + size, self._size)
        if end <= self._position:
            return b""
        wanted = f"bytes={self._position}-{end - 1}"
        body: bytes = whole_object(self._s3, self._bucket, self._key, Range=wanted)["Body"]
        if len(body) != end - self._position:  # Arrow would write what is too much beyond its buffer
            raise CutObjectError(
                f"Of s3://{self._bucket}/{self._key} {len(body):,} bytes came where {end - self._position:,} were "
                "asked for: something on the way passed over the range."
            )
        self._position += len(body)
        return body


def row_count(s3: "S3Client", bucket: str, key: str) -> int:
    """Rows of an ORC file by its own footer. Raises pyarrow.ArrowInvalid when it is no readable ORC file."""
    return int(_open(s3, bucket, key).nrows)


def columns_of(s3: "S3Client", bucket: str, key: str, columns: Sequence[str | tuple[str, ...]]) -> list[list[Any]]:
    """All values of some columns of an ORC file, a list a column; several names together are read as `coalesce`."""
    wanted = [(names,) if isinstance(names, str) else names for names in columns]
    table = _open(s3, bucket, key).read(columns=[name for names in wanted for name in names])
    return [coalesce(table, names).to_pylist() for names in wanted]


def coalesce(table: pa.Table, names: Sequence[str]) -> pa.ChunkedArray:
    """Of each row the first of the columns' values that is not null."""
    return pc.coalesce(*(table.column(name) for name in names))


def stripes_of(s3: "S3Client", bucket: str, key: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of an ORC file, a stripe at a time."""
    file = _open(s3, bucket, key)
    for number in range(file.nstripes):
        yield pa.Table.from_batches([file.read_stripe(number, columns=list(columns))])


def _open(s3: "S3Client", bucket: str, key: str) -> orc.ORCFile:
    return orc.ORCFile(pa.PythonFile(S3RangeFile(s3, bucket, key), mode="r"))
