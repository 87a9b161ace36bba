"""What a query reads from, as two small protocols, and a table as the catalog declares it."""

import re
from dataclasses import dataclass
from typing import Any, Protocol

from infra.emulator.athena_engine.failures import QueryFailed
from infra.emulator.athena_engine.hive_types import arrow_type, coerce

GluePartition = dict[str, Any]
GlueTable = dict[str, Any]


class Catalog(Protocol):
    """The part of the Glue catalog a query reads. Names arrive in lower case."""

    def databases(self) -> list[str]: ...

    def table(self, database: str, name: str) -> GlueTable | None: ...

    def tables(self, database: str) -> list[str]: ...

    def partitions(self, database: str, name: str) -> list[GluePartition]: ...


class Objects(Protocol):
    """The part of S3 a query reads."""

    def list(self, bucket: str, prefix: str) -> "list[tuple[str, int]]": ...

    def read(self, bucket: str, key: str) -> bytes: ...


class WithoutPartitions:
    """A catalog with tables and nothing in them."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def databases(self) -> list[str]:
        return self._catalog.databases()

    def table(self, database: str, name: str) -> GlueTable | None:
        table = self._catalog.table(database, name)
        return table and {**table, "PartitionKeys": table.get("PartitionKeys") or [], "f_empty": True}

    def tables(self, database: str) -> list[str]:
        return self._catalog.tables(database)

    def partitions(self, database: str, name: str) -> list[GluePartition]:
        return []


@dataclass(frozen=True)
class DeclaredTable:
    """A table as the catalog declares it, names in lower case."""

    database: str
    name: str
    glue: GlueTable

    @property
    def storage(self) -> dict[str, Any]:
        return self.glue.get("StorageDescriptor") or {}

    @property
    def columns(self) -> dict[str, str]:
        return {c["Name"].lower(): c.get("Type", "string").lower() for c in self.storage.get("Columns") or []}

    @property
    def keys(self) -> dict[str, str]:
        return {c["Name"].lower(): c.get("Type", "string").lower() for c in self.glue.get("PartitionKeys") or []}

    @property
    def is_view(self) -> bool:
        return self.glue.get("TableType") == "VIRTUAL_VIEW"

    def partitions(self, catalog: Catalog) -> list[GluePartition]:
        """The catalog's partitions; a table without keys is one partition, at its own Location."""
        if self.keys:
            return catalog.partitions(self.database, self.name)
        return [] if self.glue.get("f_empty") else [{"Values": [], "StorageDescriptor": self.storage}]


def location_of(partition: GluePartition, declared: DeclaredTable) -> str:
    """Where a partition lies. Raises QueryFailed where the catalog does not say."""
    location = (partition.get("StorageDescriptor") or {}).get("Location") or ""
    if not re.match(r"s3[an]?://[^/]+", location):
        place = f"partition {partition['Values']} of " if partition["Values"] else ""
        raise QueryFailed(f"HIVE_INVALID_METADATA: {place}{declared.database}.{declared.name} has no s3:// Location")
    return location


def key_value(partition: GluePartition, position: int, declared: DeclaredTable) -> Any:
    """A partition's value of its key number `position`, in the key's type; None for Hive's default partition."""
    name, kind = list(declared.keys.items())[position]
    values = partition.get("Values") or []
    if len(values) != len(declared.keys):
        reason = f"partition {values} of {declared.database}.{declared.name} does not fit keys {list(declared.keys)}"
        raise QueryFailed(f"HIVE_INVALID_METADATA: {reason}")
    if values[position] == "__HIVE_DEFAULT_PARTITION__":
        return None
    try:
        return coerce(values[position], arrow_type(kind))
    except (ValueError, TypeError):
        reason = f"Invalid partition value '{values[position]}' for {kind} partition key: {name}"
        raise QueryFailed(f"HIVE_INVALID_PARTITION_VALUE: {reason}") from None
