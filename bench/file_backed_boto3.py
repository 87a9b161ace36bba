"""boto3 as the job script uses it, over folders: put on the path as `boto3`, so that the script itself is unmodified.

BENCH_BUCKETS names a folder with one folder a bucket; BENCH_PARTITIONS the file with the catalog's partitions. Reading
an object is opening a file, so no contender is charged for a network. Standard library and botocore's errors only.
"""

import io
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError

if __name__ == "boto3":  # in the job's process: what botocore needs to speak HTTP is charged to no contender
    sys.modules["botocore.config"] = cast(ModuleType, SimpleNamespace(Config=dict))


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
        base = f"{self._root / Bucket}/"
        found = _entries(base + Prefix, len(base)) if os.path.isdir(base + Prefix) else ()
        return {"Contents": sorted(found, key=itemgetter("Key"))}


def _entries(folder: str, base: int) -> Iterator[dict[str, Any]]:
    """What is listed of the files below a folder; their keys are the paths without the first `base` characters."""
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from _entries(entry.path, base)
            continue
        told = entry.stat()
        yield {
            "Key": entry.path[base:],
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
