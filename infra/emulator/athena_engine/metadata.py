"""Tables about tables: information_schema, and the partitions of a table by the name "table$partitions"."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from infra.emulator.athena_engine.catalog import Catalog, DeclaredTable, GlueTable
from infra.emulator.athena_engine.hive_types import arrow_type, coerce, split_outside_brackets

CATALOG, SCHEMA = "awsdatacatalog", "information_schema"
_PARTITIONS = "$partitions"
_COLUMNS = {
    "schemata": ("catalog_name", "schema_name"),
    "tables": ("table_catalog", "table_schema", "table_name", "table_type"),
    "columns": (
        *("table_catalog", "table_schema", "table_name", "column_name", "ordinal_position", "column_default"),
        *("is_nullable", "data_type", "comment", "extra_info"),
    ),
}
_TYPES = {"string": "varchar", "int": "integer", "binary": "varbinary", "float": "real", "timestamp": "timestamp(3)"}


@dataclass(frozen=True)
class Metadata(DeclaredTable):
    """A table whose rows are the catalog's own entries."""

    found: tuple[tuple[Any, ...], ...] = ()

    def rows(self) -> pa.Table:
        """The entries as a table."""
        kinds = [(name, arrow_type(kind)) for name, kind in self.columns.items()]
        wanted = [[coerce(row[i], kind) for row in self.found] for i, (_, kind) in enumerate(kinds)]
        return pa.table([pa.array(v, k[1]) for v, k in zip(wanted, kinds, strict=True)], schema=pa.schema(kinds))


def metadata_table(database: str, name: str, catalog: Catalog) -> Metadata | None:
    """The table of that name about tables; None where it is none of these."""
    if database == SCHEMA and name in _COLUMNS:
        columns = [{"Name": c, "Type": "bigint" if c == "ordinal_position" else "string"} for c in _COLUMNS[name]]
        return Metadata(database, name, {"StorageDescriptor": {"Columns": columns}}, tuple(_entries(name, catalog)))
    table = catalog.table(database, name.removesuffix(_PARTITIONS)) if name.endswith(_PARTITIONS) else None
    if table is None or not table.get("PartitionKeys"):
        return None
    values = tuple(tuple(p["Values"]) for p in catalog.partitions(database, name.removesuffix(_PARTITIONS)))
    return Metadata(database, name, {"StorageDescriptor": {"Columns": table["PartitionKeys"]}}, values)


def _entries(name: str, catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    for database in sorted(catalog.databases()):
        if name == "schemata":
            yield CATALOG, database
            continue
        for table in sorted(catalog.tables(database)):
            yield from _of_table(name, database, table, catalog.table(database, table) or {})


def _of_table(name: str, database: str, table: str, glue: GlueTable) -> Iterator[tuple[Any, ...]]:
    if name == "tables":
        yield CATALOG, database, table, "VIEW" if glue.get("TableType") == "VIRTUAL_VIEW" else "BASE TABLE"
        return
    keys = glue.get("PartitionKeys") or []
    columns = [*((glue.get("StorageDescriptor") or {}).get("Columns") or []), *keys]
    for position, column in enumerate(columns, start=1):
        extra = "partition key" if column in keys else None
        kind = trino_type(column.get("Type", "string"))
        names = (CATALOG, database, table, column["Name"].lower())
        yield (*names, position, None, "YES", kind, column.get("Comment"), extra)


def trino_type(hive: str) -> str:
    """Hive's type by Trino's name: `array<struct<a:string>>` is `array(row(a varchar))`."""
    text = hive.strip().lower()
    head, _, inner = text.partition("<")
    if not inner:
        return _TYPES.get(text, text)
    parts = split_outside_brackets(inner.removesuffix(">"), ",")
    if head != "struct":
        return f"{head}({', '.join(trino_type(part) for part in parts)})"
    fields = (split_outside_brackets(part, ":", 1) for part in parts)
    return f"row({', '.join(f'{name.strip()} {trino_type(kind)}' for name, kind in fields)})"
