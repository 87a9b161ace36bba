"""The catalog and the objects that a query of the local Athena sees, and the views it makes there."""

import json
from bisect import bisect_left
from typing import Any

from ministack.services import glue, s3

from infra.emulator import athena_engine
from infra.emulator.athena_engine import GluePartition, GlueTable, QueryFailed, ViewChange


class GlueCatalog:
    """ministack's Glue catalog as a query reads it, through its operations, which lock and page."""

    def databases(self) -> list[str]:
        return sorted(glue._databases)

    def table(self, database: str, name: str) -> GlueTable | None:
        table: GlueTable | None = glue._tables.get(f"{database}/{name}")
        return table

    def tables(self, database: str) -> list[str]:
        return [key.partition("/")[2] for key in glue._tables if key.startswith(f"{database}/")]

    def partitions(self, database: str, name: str) -> list[GluePartition]:
        request: dict[str, Any] = {"DatabaseName": database, "TableName": name}
        found: list[GluePartition] = []
        while True:
            status, _, body = glue._get_partitions(request)
            page = json.loads(body) if status == 200 else {}
            found += page.get("Partitions", [])
            if not page.get("NextToken"):
                return found
            request["NextToken"] = page["NextToken"]


class S3Objects:
    """ministack's S3 for one query: a bucket's keys are sorted once, however many partitions are listed."""

    def __init__(self) -> None:
        self._keys: dict[str, list[str]] = {}

    def list(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        stored = self._store(bucket)
        keys = self._keys.setdefault(bucket, sorted(stored))
        begin = bisect_left(keys, prefix)
        end = bisect_left(keys, prefix + "\U0010ffff")
        return [(key, int(stored[key]["size"])) for key in keys[begin:end] if key in stored]

    def read(self, bucket: str, key: str) -> bytes:
        body: bytes | None = s3._get_object_data(bucket, key)
        if body is None:
            raise QueryFailed(f"HIVE_CANNOT_OPEN_SPLIT: s3://{bucket}/{key} went away while the query ran")
        return body

    def _store(self, bucket: str) -> dict[str, Any]:
        found = s3._buckets.get(bucket)
        if found is None:
            raise QueryFailed(f"HIVE_FILESYSTEM_ERROR: the bucket {bucket} does not exist")
        objects: dict[str, Any] = found["objects"]
        return objects


def change_view(change: ViewChange) -> None:
    """Make, replace or drop a view in the catalog. Raises QueryFailed."""
    existing = GlueCatalog().table(change.database, change.name)
    place = f"{change.database}.{change.name}"
    if existing is not None and existing.get("TableType") != "VIRTUAL_VIEW":
        raise QueryFailed(f"NOT_SUPPORTED: line 1:1: '{place}' is a table, not a view")
    if change.select is not None:
        _create_view(change, change.select, existing)
    elif existing is not None:
        _accept(glue._delete_table({"DatabaseName": change.database, "Name": change.name}))
    elif not change.forgiving:
        raise QueryFailed(f"TABLE_NOT_FOUND: line 1:1: View '{place}' does not exist")


def _create_view(change: ViewChange, select: str, existing: GlueTable | None) -> None:
    if existing is not None and not change.forgiving:
        raise QueryFailed(f"ALREADY_EXISTS: line 1:1: View already exists: '{change.database}.{change.name}'")
    columns = athena_engine.columns_of(select, change.database, GlueCatalog(), S3Objects())
    table = {
        "Name": change.name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "ViewOriginalText": athena_engine.encode_view(select, change.database, columns),
        "ViewExpandedText": "/* Presto View */",
        "PartitionKeys": [],
        "StorageDescriptor": {"Columns": [{"Name": n, "Type": _hive_type(kind)} for n, kind in columns]},
    }
    operation = glue._create_table if existing is None else glue._update_table
    _accept(operation({"DatabaseName": change.database, "TableInput": table}))


def _hive_type(kind: str) -> str:
    names = {"varchar": "string", "integer": "int", "varbinary": "binary", "timestamp with time zone": "timestamp"}
    return names.get(kind, kind)


def _accept(response: tuple[int, dict[str, str], bytes]) -> None:
    """The view's change in the catalog, or QueryFailed with what Glue answered."""
    status, _, body = response
    if status != 200:
        raise QueryFailed(f"HIVE_METASTORE_ERROR: Glue refused the view: {json.loads(body).get('message', status)}")
