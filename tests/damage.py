"""A lake's storage changed by hand for as long as a block runs, and put back: what invariants are broken with."""

import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc

from infra.cli.local_lake import LocalLake
from loglake_assets.lake.storage.keys import manifest_key
from loglake_assets.sources import LogSource
from tests.stored_lake import StoredLake


def stored_lake(lake: LocalLake, source: LogSource) -> StoredLake:
    named = lake.settings
    buckets = named.raw_bucket(source.name), named.readready_bucket
    return StoredLake(lake.client("s3"), lake.client("glue"), named.database, source, *buckets)


@dataclass(frozen=True)
class Day:
    """One day of a lake: its newest commit and that run's manifest."""

    stored: StoredLake
    number: int

    @property
    def seq(self) -> int:
        return max(self.stored.commits()[self.number])

    @property
    def commit(self) -> dict[str, Any]:
        return self.stored.commits()[self.number][self.seq]

    @property
    def manifest_key(self) -> str:
        return manifest_key(self.stored.table, self.number, self.commit["run_id"])

    @property
    def manifest(self) -> dict[str, Any]:
        found = self.stored.manifest(self.number, self.commit["run_id"])
        assert found is not None
        return found

    @property
    def orc_key(self) -> str:
        key: str = self.manifest["files"][0]["key"]
        return key

    def rows(self) -> Any:
        body = self.stored.s3.get_object(Bucket=self.stored.readready_bucket, Key=self.orc_key)["Body"].read()
        return orc.ORCFile(io.BytesIO(body)).read()


def body_of(s3: Any, bucket: str, key: str) -> bytes | None:
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return body


def put(s3: Any, bucket: str, key: str, body: bytes | None) -> None:
    if body is None:
        s3.delete_object(Bucket=bucket, Key=key)
    else:
        s3.put_object(Bucket=bucket, Key=key, Body=body)


@contextmanager
def put_back(s3: Any, bucket: str, key: str) -> Iterator[bytes]:
    """The bytes of an object, to do with as the block likes; afterwards it is the very version it was."""
    before, versions = s3.get_object(Bucket=bucket, Key=key), versions_of(s3, bucket, key)
    body: bytes = before["Body"].read()
    try:
        yield body
    finally:
        for version in versions_of(s3, bucket, key) - versions:
            s3.delete_object(Bucket=bucket, Key=key, VersionId=version)
        if body_of(s3, bucket, key) != body:  # a bucket without versions
            s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=before["Metadata"])


@contextmanager
def other_content(s3: Any, bucket: str, key: str, body: bytes | None) -> Iterator[None]:
    """The object with other content, or gone, for as long as the block runs; then the very version it was."""
    before, versions = body_of(s3, bucket, key), versions_of(s3, bucket, key)
    try:
        put(s3, bucket, key, body)
        yield
    finally:
        for version in versions_of(s3, bucket, key) - versions:
            s3.delete_object(Bucket=bucket, Key=key, VersionId=version)
        if body_of(s3, bucket, key) != before:  # a bucket without versions
            put(s3, bucket, key, before)


def versions_of(s3: Any, bucket: str, key: str) -> set[str]:
    """Ids of an object's versions and delete markers: rows name the version they are from, and hash it."""
    answer = s3.list_object_versions(Bucket=bucket, Prefix=key)
    found = [*answer.get("Versions", ()), *answer.get("DeleteMarkers", ())]
    return {entry["VersionId"] for entry in found if entry["Key"] == key and entry["VersionId"] != "null"}


@contextmanager
def changed_manifest(day: Day, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    document = day.manifest
    change(document)
    body = gzip.compress(json.dumps(document).encode())
    with other_content(day.stored.s3, day.stored.readready_bucket, day.manifest_key, body):
        yield


def orc_bytes(rows: Any) -> bytes:
    written = io.BytesIO()
    orc.write_table(rows, written)
    return written.getvalue()


def with_value(rows: Any, column: str, value: str) -> Any:
    """The rows with another value in the first one's column."""
    values = pa.concat_arrays([pa.array([value]), *rows.column(column).slice(1).chunks])
    return rows.set_column(rows.schema.get_field_index(column), column, values)


@contextmanager
def changed_partition(
    stored: StoredLake, table: str, values: list[str], change: Callable[[dict[str, Any]], None] | None
) -> Iterator[None]:
    """The partition changed, or gone (`change` None), for as long as the block runs."""
    named = {"DatabaseName": stored.database, "TableName": table}
    before = partition_input(stored, table, values)
    changed = json.loads(json.dumps(before))
    try:
        if change is None:
            stored.glue.delete_partition(**named, PartitionValues=values)
        else:
            change(changed)
            update(stored, table, values, changed)
        yield
    finally:
        if change is None:
            stored.glue.create_partition(**named, PartitionInput=before)
        else:
            update(stored, table, values, before)


def partition_input(stored: StoredLake, table: str, values: list[str]) -> dict[str, Any]:
    answer = stored.glue.get_partition(DatabaseName=stored.database, TableName=table, PartitionValues=values)
    return {name: answer["Partition"][name] for name in ("Values", "StorageDescriptor", "Parameters")}


def update(stored: StoredLake, table: str, values: list[str], said: Mapping[str, Any]) -> None:
    entries = [{"PartitionValueList": values, "PartitionInput": said}]
    answer = stored.glue.batch_update_partition(DatabaseName=stored.database, TableName=table, Entries=entries)
    assert not answer.get("Errors")


def relocation(location: str) -> Callable[[dict[str, Any]], None]:
    def change(partition: dict[str, Any]) -> None:
        partition["StorageDescriptor"]["Location"] = location

    return change
