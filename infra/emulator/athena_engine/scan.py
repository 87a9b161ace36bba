"""Reading partitions: the objects below each Location as rows of the table, and the bytes this takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from infra.emulator.athena_engine.catalog import DeclaredTable, GluePartition, Objects, key_value, location_of
from infra.emulator.athena_engine.failures import QueryFailed
from infra.emulator.athena_engine.formats import StoredObject, reader_of
from infra.emulator.athena_engine.hive_types import arrow_type
from infra.emulator.athena_engine.scopes import UsedColumns


@dataclass
class Scan:
    """What one statement reads. `bytes_limit` is the work group's; an object that is read counts whole."""

    objects: Objects
    bytes_limit: int | None
    bytes_scanned: int = 0

    def rows(self, declared: DeclaredTable, partitions: list[GluePartition], used: UsedColumns) -> pa.Table:
        """The rows of the partitions: columns the statement can mean, then keys, then `$path` where it is named."""
        columns = {name: kind for name, kind in declared.columns.items() if used.has(name)}
        wanted = [pa.field(name, arrow_type(kind)) for name, kind in columns.items()]
        keys = [pa.field(name, arrow_type(kind)) for name, kind in declared.keys.items()]
        path = [pa.field("$path", pa.string())] if used.path else []
        spare = [] if wanted or keys or path else [pa.field("_spare", pa.bool_())]
        schema = pa.schema(wanted + keys + path + spare)
        loaded = [t for p in partitions for t in self._partition(declared, p, pa.schema(wanted), schema)]
        return pa.concat_tables(loaded) if loaded else schema.empty_table()

    def _partition(
        self, declared: DeclaredTable, partition: GluePartition, wanted: pa.Schema, schema: pa.Schema
    ) -> Iterator[pa.Table]:
        """The rows of one partition: the objects below its Location, and nothing else."""
        storage = {**declared.storage, **_without_empty(partition.get("StorageDescriptor") or {})}
        read = reader_of(storage)
        keys = {name: key_value(partition, i, declared) for i, name in enumerate(declared.keys)}
        for url, body in self._objects_at(location_of(partition, declared)):
            rows = read(StoredObject(body, url, storage, declared.columns), wanted)
            same = {**keys, "$path": url, "_spare": None}
            beside = [pa.repeat(pa.scalar(same[f.name], f.type), rows.num_rows) for f in list(schema)[len(wanted) :]]
            yield pa.table([*rows.arrays, *beside], schema=schema)

    def _objects_at(self, location: str) -> Iterator[tuple[str, bytes]]:
        bucket, _, prefix = location.partition("://")[2].partition("/")
        prefix = prefix if not prefix or prefix.endswith("/") else prefix + "/"
        for key, size in self.objects.list(bucket, prefix):
            hidden = any(part.startswith(("_", ".")) for part in key[len(prefix) :].split("/"))
            if size and not hidden and not key.endswith("/"):
                self._count(size)
                yield f"s3://{bucket}/{key}", self.objects.read(bucket, key)

    def _count(self, size: int) -> None:
        self.bytes_scanned += size
        if self.bytes_limit is not None and self.bytes_scanned > self.bytes_limit:
            raise QueryFailed("Query exhausted resources: Bytes scanned limit was exceeded")


def _without_empty(storage: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in storage.items() if value}
