"""boto3 as the job script uses it, over folders: put on the path as `boto3`, so that the script itself is unmodified.

BENCH_BUCKETS names a folder with one folder a bucket; BENCH_PARTITIONS the file with the catalog's partitions. Reading
an object is opening a file, so no contender is charged for a network. Standard library and botocore's errors only.
"""

import io
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError


def client(service: str, region_name: str | None = None, **_: Any) -> Any:
    """A client of s3 or glue over the folders that the environment names."""
    if service == "s3":
        return FileS3(Path(os.environ["BENCH_BUCKETS"]))
    return FileCatalog(Path(os.environ["BENCH_PARTITIONS"]))


class Session:
    """As much of a session as makes clients."""

    def client(self, service: str, **given: Any) -> Any:
        return client(service, **given)


session = SimpleNamespace(Session=Session)


class FileS3:
    """The S3 calls of the job over one folder a bucket."""

    meta = SimpleNamespace(region_name="us-east-1")

    def __init__(self, root: Path) -> None:
        self._root = root

    def get_object(self, Bucket: str, Key: str, Range: str = "", **_: Any) -> dict[str, Any]:  # boto3's names
        try:
            with open(self._root / Bucket / Key, "rb") as file:
                told = os.fstat(file.fileno())
                first, last = Range.removeprefix("bytes=").split("-") if Range else ("0", str(told.st_size))
                file.seek(int(first))
                body = file.read(int(last) + 1 - int(first))
        except FileNotFoundError as error:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": Key}}, "GetObject") from error
        return {
            "Body": io.BytesIO(body),
            "ContentLength": len(body),
            "ETag": _etag(told),
            "LastModified": datetime.fromtimestamp(told.st_mtime, UTC),
        }

    def size(self, bucket: str, key: str) -> int:
        """Bytes of an object."""
        return (self._root / bucket / key).stat().st_size

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> dict[str, Any]:
        path = self._root / Bucket / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)
        return {}

    def get_paginator(self, operation: str) -> "_Pages":
        return _Pages(self._list_objects)

    def _list_objects(self, Bucket: str, Prefix: str = "", **_: Any) -> dict[str, Any]:
        base = self._root / Bucket
        found = [self._entry(path, base) for path in sorted((base / Prefix).rglob("*")) if path.is_file()]
        return {"Contents": found}

    @staticmethod
    def _entry(path: Path, base: Path) -> dict[str, Any]:
        told = path.stat()
        return {
            "Key": path.relative_to(base).as_posix(),
            "Size": told.st_size,
            "ETag": _etag(told),
            "LastModified": datetime.fromtimestamp(told.st_mtime, UTC),
        }


def _etag(told: os.stat_result) -> str:
    return f'"{told.st_size:x}-{told.st_mtime_ns:x}"'


class FileCatalog:
    """The partitions of the volume, on one page."""

    def __init__(self, partitions: Path) -> None:
        self._partitions = partitions

    def get_paginator(self, operation: str) -> "_Pages":
        return _Pages(lambda **_: {"Partitions": json.loads(self._partitions.read_text(encoding="utf-8"))})


class _Pages:
    def __init__(self, page: Any) -> None:
        self._page = page

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        yield self._page(**request)
